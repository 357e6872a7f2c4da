"""The command `spacy bilstm report`: it writes a page, or prints an error and writes nothing."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from toy_corpus import write_docs
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app

command = import_module("spacy_bilstm.cli.report")  # the package has a function of this name


def run(*args: Any, exit_code: int = 0) -> Result:
    """Run `report` with arguments. Fails unless it ends with that exit code."""
    result = CliRunner().invoke(app, ["report", *map(str, args), "--resamples", "50"])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_docs(tmp_path_factory.mktemp("gold") / "gold.spacy", 20, seed=1)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a pipeline without components."""
    path = tmp_path_factory.mktemp("blank") / "model"
    spacy.blank("en").to_disk(path)
    return path


def test_equal_options_write_equal_pages(trained_path: Path, gold: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    srsly.write_jsonl(log, [{"step": n, "losses": {"ner": 9 - n}, "scores": {"ents_f": n}} for n in range(1, 4)])
    sources = []
    for name in ("a.html", "b.html"):
        path = tmp_path / name
        result = run(trained_path, gold, path, "--train", gold, "--log", log, "--seed", 3, "--n-worst", 0)
        assert f"Wrote {path}" in " ".join(result.output.split())
        sources.append(re.sub(r"[\d,]+ words/s", "", path.read_text(encoding="utf8")))
    assert sources[0] == sources[1]
    for text in ("Learning curves", "Seen and unseen", "50 resamples, seed 3"):
        assert text in sources[0]
    assert "Sentences with the most errors" not in sources[0]


def test_a_corpus_in_the_place_of_the_page_is_kept(blank: Path, gold: Path) -> None:
    before = gold.read_bytes()
    output = " ".join(run(blank, gold, gold, exit_code=1).output.split())
    assert "is no .html file" in output
    assert gold.read_bytes() == before


def test_a_gpu_that_is_missing_is_an_error(blank: Path, gold: Path, tmp_path: Path) -> None:
    output = run(blank, gold, tmp_path / "page.html", "--gpu-id", 99, exit_code=1).output
    assert "No report was written." in output


def test_an_unknown_pipeline_is_an_error(gold: Path, tmp_path: Path) -> None:
    assert "Can't find model" in run("no_such_pipeline", gold, tmp_path / "page.html", exit_code=1).output
    assert not list(tmp_path.iterdir())


def test_a_bad_corpus_is_an_error(blank: Path, tmp_path: Path) -> None:
    DocBin(docs=[]).to_disk(tmp_path / "empty.spacy")
    result = run(blank, tmp_path / "empty.spacy", tmp_path / "page.html", exit_code=1)
    assert "empty.spacy has no words" in " ".join(result.output.split())
    assert not (tmp_path / "page.html").exists()


def test_a_bad_log_is_an_error(blank: Path, gold: Path, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("[]", encoding="utf8")
    result = run(blank, gold, tmp_path / "page.html", "--log", tmp_path / "log.jsonl", exit_code=1)
    assert "Line 1 of" in result.output
    assert not (tmp_path / "page.html").exists()


def test_an_interrupt_keeps_the_old_page(
    blank: Path, gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "evaluate", interrupt)
    output = tmp_path / "page.html"
    output.write_text("old", encoding="utf8")
    assert "Stopped" in run(blank, gold, output, exit_code=130).output
    assert output.read_text(encoding="utf8") == "old"
    assert list(tmp_path.iterdir()) == [output]
