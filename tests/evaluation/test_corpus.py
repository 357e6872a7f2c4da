"""The corpora of an evaluation: what is read, and which files are rejected."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm.evaluation import CorpusError
from spacy_bilstm.evaluation.corpus import SeenInTraining, read_examples, read_training_corpus


def test_words_and_entities_of_the_training_corpus_are_read(tmp_path: Path) -> None:
    docs = [Doc(spacy.blank("en").vocab, ["Anna", "Bo", "left"], ents=["B-PER", "I-PER", "O"])]
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    assert read_training_corpus(tmp_path / "train.spacy") == SeenInTraining({"Anna", "Bo", "left"}, {"Anna Bo"})


def test_a_file_in_another_format_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "bad.spacy"
    path.write_text("no corpus", encoding="utf8")
    for read in (lambda: read_examples(spacy.blank("en"), path), lambda: read_training_corpus(path)):
        with pytest.raises(CorpusError, match=r"bad\.spacy is not in spaCy's binary format .* spacy bilstm corpus"):
            read()


def test_a_corpus_without_words_is_an_error(tmp_path: Path) -> None:
    DocBin(docs=[]).to_disk(tmp_path / "empty.spacy")
    with pytest.raises(CorpusError, match=r"empty\.spacy has no words"):
        read_examples(spacy.blank("en"), tmp_path / "empty.spacy")
