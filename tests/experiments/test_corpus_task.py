"""Test the choice of components for a corpus."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from toy_corpus import write_docs

from spacy_bilstm.experiments import make_corpus_task


def write_word(path: Path, **annotation: Any) -> Path:
    """Write a corpus of one word with some annotation."""
    DocBin(docs=[Doc(spacy.blank("en").vocab, words=["a"], **annotation)]).to_disk(path)
    return path


def test_the_default_components_are_those_that_both_files_have_annotation_for(tmp_path: Path) -> None:
    train = write_docs(tmp_path / "train.spacy", 2, 0)
    dev = write_word(tmp_path / "dev.spacy", tags=["DT"], ents=["O"])
    assert make_corpus_task(train, dev).pipes == ["tagger", "ner"]


def test_a_chosen_component_without_annotation_is_an_error(tmp_path: Path) -> None:
    path = write_word(tmp_path / "tagged.spacy", tags=["DT"])
    with pytest.raises(ValueError, match="no annotation for 'ner'"):
        make_corpus_task(path, path, ["ner"])


def test_a_file_without_annotation_is_an_error(tmp_path: Path) -> None:
    bare, tagged = write_word(tmp_path / "bare.spacy"), write_word(tmp_path / "tagged.spacy", tags=["DT"])
    with pytest.raises(ValueError, match="no annotation to train on"):
        make_corpus_task(bare, tagged)


def test_files_without_common_annotation_are_an_error(tmp_path: Path) -> None:
    tagged = write_word(tmp_path / "tagged.spacy", tags=["DT"])
    named = write_word(tmp_path / "named.spacy", ents=["O"])
    with pytest.raises(ValueError, match="for different components"):
        make_corpus_task(tagged, named)
