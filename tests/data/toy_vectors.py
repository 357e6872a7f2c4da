"""Static vectors for the words of the toy corpus."""

from pathlib import Path

import numpy
import spacy
from toy_corpus import WORDS


def write_vectors(path: Path) -> str:
    """Save a blank pipeline with random vectors and return its path, as `--vectors` takes it."""
    nlp = spacy.blank("en")
    random = numpy.random.default_rng(0)
    for word in WORDS:
        nlp.vocab.set_vector(word, random.normal(size=8).astype("float32"))
    nlp.to_disk(path)
    return str(path)
