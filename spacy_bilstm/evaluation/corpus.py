"""Reads the corpora of an evaluation: the one to annotate and the one that the pipeline was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.vocab import Vocab


class CorpusError(ValueError):
    """A file is not a corpus that a pipeline can be evaluated with."""


@dataclass(frozen=True)
class SeenInTraining:
    """The texts of the words and the entities that a pipeline has seen in training."""

    words: set[str]
    entities: set[str]


def read_examples(nlp: Language, path: Path) -> list[Example]:
    """Read a corpus to annotate.

    nlp: the pipeline, whose tokenizer makes the predicted docs.
    path: the corpus, a `.spacy` file.
    RETURNS: the examples, at least one. Their predicted docs are not annotated.
    RAISES: CorpusError if the file is not a `.spacy` file or contains no words.
    """
    _read_bin(path)  # spaCy's reader takes other files for folders, or raises errors without their name.
    examples = list(Corpus(path)(nlp))
    if not examples:
        raise CorpusError(f"{path} has no words. Use a corpus with at least one document that is not empty.")
    return examples


def read_training_corpus(path: Path) -> SeenInTraining:
    """Read the words and entities of a training corpus.

    path: the corpus, a `.spacy` file.
    RAISES: CorpusError if the file is not a `.spacy` file.
    """
    seen = SeenInTraining(set(), set())
    for doc in _read_bin(path).get_docs(Vocab()):
        seen.words.update(token.text for token in doc)
        seen.entities.update(ent.text for ent in doc.ents)
    return seen


def _read_bin(path: Path) -> DocBin:
    try:
        return DocBin().from_disk(path)
    except Exception as error:  # zlib, msgpack and spaCy each raise errors of their own.
        raise CorpusError(
            f"{path} is not in spaCy's binary format ({error}). Create such a file with: python -m spacy bilstm corpus"
        ) from error
