"""Skip whitespace tokens: an encoder reads the words of docs alone.

A line break or a second space is a token to spaCy. Most corpora have none, so models do not learn to read past them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc
from thinc.api import Ops
from thinc.types import Floats2d

from .features import Indices, read_features


@dataclass(frozen=True)
class Words:
    """The tokens of docs that are not whitespace.

    is_word: whether each token is a word. Shape `(n_tokens,)`.
    n_tokens: number of tokens of each doc.
    positions: indices of the words in each doc. Shape `(n_words,)` each.
    """

    is_word: NDArray[numpy.bool_]
    n_tokens: list[int]
    positions: list[Indices]

    @property
    def lengths(self) -> list[int]:
        """The number of words of each doc."""
        return [len(positions) for positions in self.positions]

    def select(self, documents: Sequence[Floats2d], ops: Ops) -> list[Floats2d]:
        """Return the vectors of the words.

        documents: the vectors of all tokens of each doc. Shape `(n_tokens, width)` each.
        ops: thinc's operations for the arrays.
        RETURNS: the vectors of the words of each doc. Shape `(n_words, width)` each.
        """
        return [
            vectors if len(vectors) == len(positions) else vectors[ops.xp.asarray(positions)]
            for vectors, positions in zip(documents, self.positions, strict=True)
        ]

    def restore(self, documents: Sequence[Floats2d], ops: Ops) -> list[Floats2d]:
        """Return vectors for all tokens: zeros for whitespace.

        documents: the vectors of the words of each doc. Shape `(n_words, width)` each.
        ops: thinc's operations for the arrays.
        RETURNS: the vectors of the tokens of each doc. Shape `(n_tokens, width)` each.
        """
        restored = []
        for vectors, n_tokens, positions in zip(documents, self.n_tokens, self.positions, strict=True):
            if n_tokens == len(positions):
                restored.append(vectors)
                continue
            tokens = ops.alloc2f(n_tokens, vectors.shape[1])
            tokens[ops.xp.asarray(positions)] = vectors
            restored.append(tokens)
        return restored


def find_words(docs: Sequence[Doc]) -> Words | None:
    """Find the tokens that are not whitespace.

    docs: the docs.
    RETURNS: the words, or None if no token is whitespace.
    """
    if not docs:
        return None
    is_word = read_features(docs, [IS_SPACE])[:, 0] == 0
    if is_word.all():
        return None
    n_tokens = [len(doc) for doc in docs]
    flags = numpy.split(is_word, numpy.cumsum(n_tokens)[:-1])
    return Words(is_word, n_tokens, [flag.nonzero()[0] for flag in flags])
