"""The command `spacy bilstm distill`."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from toy_corpus import write_docs
from toy_teachers import OVERRIDES, make_teacher, write_texts
from typer.testing import CliRunner

from spacy_bilstm.bridge.soft_targets import get_soft_labels, get_soft_tags
from spacy_bilstm.cli import app
from spacy_bilstm.util.lock import lock_directory


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two teachers, texts and a gold corpus."""
    folder = tmp_path_factory.mktemp("distill")
    for seed in (0, 1):
        make_teacher(seed, epochs=1).to_disk(folder / f"teacher{seed}")
    write_texts(folder / "texts.txt", 60)
    write_docs(folder / "gold.spacy", 10)
    return folder


def test_a_student_of_two_teachers_and_gold_annotation_is_written(folder: Path) -> None:
    overrides = OVERRIDES | {"training.max_steps": 2, "training.eval_frequency": 2}
    settings = [word for name, value in overrides.items() for word in (f"--{name}", json.dumps(value))]
    arguments = [str(folder / name) for name in ("teacher0", "texts.txt", "student")]
    gold = str(folder / "gold.spacy")
    options = ["--teacher", str(folder / "teacher1"), "--gold", gold, "--dev", gold, "--held-out", "0.2", "--speed"]
    result = CliRunner().invoke(app, ["distill", *arguments, *options, "--part-size", "40", *settings])
    assert result.exit_code == 0, result.output
    for text in ("learned from probabilities", "learned from annotation", "copied", "words/s", "Agreement", "Dev"):
        assert text in result.output
    student = spacy.load(folder / "student")
    assert student.pipe_names == ["tok2vec", "tagger", "senter", "ner", "attribute_ruler"]
    assert student.config["corpora"]["train"]["gold"] == student.config["corpora"]["dev"]["path"] == gold
    for part in (folder / "student-annotations" / "parts").glob("part-*.spacy"):
        for doc in DocBin().from_disk(part).get_docs(Vocab()):
            assert get_soft_labels(doc, "tagger") is not None
            assert get_soft_tags(doc, "ner") is not None
    again = CliRunner().invoke(app, ["distill", *arguments])
    assert again.exit_code == 1
    assert "replace it with --force" in " ".join(again.output.split())


def test_an_annotation_that_another_process_writes_is_an_error(folder: Path) -> None:
    (folder / "locked-annotations" / "parts").mkdir(parents=True)
    with lock_directory(folder / "locked-annotations" / "parts", "_lock"):
        arguments = [str(folder / name) for name in ("teacher0", "texts.txt", "locked")]
        result = CliRunner().invoke(app, ["distill", *arguments])
    assert result.exit_code == 1
    assert "is writing to" in " ".join(result.output.split())


@pytest.mark.parametrize(("teacher", "options"), [("missing", []), ("teacher0", ["--gpu-id", "99"])])
def test_an_error_is_printed(folder: Path, teacher: str, options: list[str]) -> None:
    arguments = [str(folder / name) for name in (teacher, "texts.txt", "never")]
    result = CliRunner().invoke(app, ["distill", *arguments, *options])
    assert result.exit_code == 1
    assert "No student was written." in result.output
    assert not (folder / "never").exists()
