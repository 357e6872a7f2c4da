"""The command `spacy bilstm calibrate`: it writes the calibrated pipeline and prints what has changed."""

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


def test_an_unchanged_threshold_is_reported(run: Callable[..., Result]) -> None:
    assert "so it is not changed" in run("model", "dev.spacy", "calibrated", "--threshold").output


def test_the_output_can_be_the_model_itself(run: Callable[..., Result], folder: Path) -> None:
    spacy.load(folder / "model").to_disk(folder / "own")
    assert run("own", "dev.spacy", "own").exit_code == 0
    assert spacy.load(folder / "own").get_pipe("ner").cfg["temperature"] > 1.5
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_error_is_printed_and_nothing_is_written(run: Callable[..., Result], folder: Path) -> None:
    result = run("model", "correct.spacy", "never")
    assert result.exit_code == 1
    assert "59 of them are correct" in " ".join(result.output.split())
    assert not (folder / "never").exists()


def test_a_component_that_is_not_a_bilstm_ner_is_an_error(run: Callable[..., Result]) -> None:
    result = run("model", "dev.spacy", "never", "--pipe", "tok2vec")
    assert result.exit_code == 1
    assert "has no bilstm_ner 'tok2vec'" in " ".join(result.output.split())
