"""A small pipeline and texts for whole runs."""

from pathlib import Path

import pytest
import spacy
from spacy.training import Example


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a pipeline with sentences and a `bilstm_ner` that was trained for a few steps."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("bilstm_ner", name="ner")
    example = Example.from_dict(nlp.make_doc("Marta lives in Leeds."), {"entities": [(0, 5, "PER"), (15, 20, "LOC")]})
    optimizer = nlp.initialize(lambda: [example])
    for _ in range(20):
        nlp.update([example], sgd=optimizer)
    path = tmp_path_factory.mktemp("pipeline") / "model"
    nlp.to_disk(path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with 43 texts in two formats."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.txt").write_text("".join(f"Marta lives in Leeds. Number {i} was qw{i}x.\n" for i in range(20)))
    (folder / "b.jsonl").write_text("".join(f'{{"text": "Leeds {i} and Marta."}}\n' for i in range(23)))
    return folder
