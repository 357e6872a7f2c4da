"""The command `spacy bilstm calibrate`: it writes the calibrated pipeline and prints what has changed."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from toy_calibration import make_docs, train_overconfident, write_docs
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a pipeline that is too confident, and two corpora: only one shows that it is."""
    folder = tmp_path_factory.mktemp("calibrate")
    nlp = train_overconfident()
    nlp.to_disk(folder / "model")
    write_docs(make_docs(nlp.vocab, 90, incorrect=4), folder / "dev.spacy")
    write_docs(make_docs(nlp.vocab, 59), folder / "correct.spacy")
    return folder


@pytest.fixture
def run(folder: Path) -> Callable[..., Result]:
    """Run `calibrate`. The names of the model, the corpus and the output are relative to the folder."""

    def run(*arguments: str) -> Result:
        paths = [str(folder / argument) for argument in arguments[:3]]
        return CliRunner().invoke(app, ["calibrate", *paths, *arguments[3:]])

    return run


def test_the_calibrated_pipeline_is_written_and_its_fit_is_printed(run: Callable[..., Result], folder: Path) -> None:
    result = run("model", "dev.spacy", "calibrated", "--threshold")
    assert result.exit_code == 0, result.output
    cfg = spacy.load(folder / "calibrated").get_pipe("ner").cfg
    assert cfg["temperature"] > 1.5
    for text in (
        "90 entities found",
        "1.00",
        f"{cfg['temperature']:.2f}",
        f"{cfg['threshold']:.3f}",
        "calibration error",
    ):
        assert text in result.output


def test_an_unchanged_threshold_is_reported(run: Callable[..., Result], folder: Path) -> None:
    assert run("model", "dev.spacy", "again", "--threshold").exit_code == 0
    assert "so it is not changed" in run("again", "dev.spacy", "unchanged", "--threshold").output


def test_a_pipeline_is_replaced_only_with_force(run: Callable[..., Result], folder: Path) -> None:
    spacy.load(folder / "model").to_disk(folder / "old")
    result = run("model", "dev.spacy", "old")
    assert result.exit_code == 1
    assert "replace it with --force" in " ".join(result.output.split())
    assert spacy.load(folder / "old").get_pipe("ner").cfg["temperature"] == 1
    assert run("model", "dev.spacy", "old", "--force").exit_code == 0
    assert spacy.load(folder / "old").get_pipe("ner").cfg["temperature"] > 1.5
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("options", [(), ("--force",)])
@pytest.mark.parametrize("output", ["model", "model/ner", "model/new", "", "work"])
def test_an_output_with_other_content_is_refused_before_the_work(
    run: Callable[..., Result], folder: Path, output: str, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is the model, a directory inside it, one that contains it, and one with any other file."""
    (folder / "work").mkdir(exist_ok=True)
    (folder / "work" / "notes.txt").write_text("mine", encoding="utf8")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    monkeypatch.setattr("spacy.load", lambda name: pytest.fail("It started to work."))
    result = run("model", "dev.spacy", output, *options)
    assert result.exit_code == 1, result.output
    assert "Nothing was written." in result.output
    assert isinstance(result.exception, SystemExit)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("output", [".", ".."])
def test_the_current_directory_and_its_parents_are_refused(
    folder: Path, tmp_path: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["calibrate", str(folder / "model"), str(folder / "dev.spacy"), output, "--force"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "is or contains the current directory" in " ".join(result.output.split())


def test_a_missing_model_is_an_error(run: Callable[..., Result], folder: Path) -> None:
    result = run("missing", "dev.spacy", "never")
    assert result.exit_code == 1
    assert "Can't find model" in result.output


def test_an_error_is_printed_and_nothing_is_written(run: Callable[..., Result], folder: Path) -> None:
    result = run("model", "correct.spacy", "never")
    assert result.exit_code == 1
    assert "59 of them are correct" in " ".join(result.output.split())
    assert not (folder / "never").exists()


def test_a_component_that_is_not_a_bilstm_ner_is_an_error(run: Callable[..., Result]) -> None:
    result = run("model", "dev.spacy", "never", "--pipe", "tok2vec")
    assert result.exit_code == 1
    assert "has no bilstm_ner 'tok2vec'" in " ".join(result.output.split())


def test_a_full_disk_is_an_error_that_names_the_target(
    run: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(self: object, path: Path) -> None:
        path.mkdir()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("spacy.language.Language.to_disk", fill)
    result = run("model", "dev.spacy", "full")
    assert result.exit_code == 1
    assert "Nothing was written." in result.output
    assert "No space left on device" in result.output
    assert not list(folder.glob("*full*"))


def test_a_corpus_that_is_none_is_an_error(run: Callable[..., Result], folder: Path) -> None:
    (folder / "notes.txt").write_text("mine", encoding="utf8")
    result = run("model", "notes.txt", "never")
    assert result.exit_code == 1
    assert "is no .spacy file" in " ".join(result.output.split())
