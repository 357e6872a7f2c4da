"""How familiar training is with words. Words and their neighbours come in, chances to drop them go out."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

from .seen_words import Hashes, add_words, are_seen, make_filter

# One byte a count: up to 100,000 words, 1 of 100 has that of a more frequent one.
_N_COUNTS = 2**20
_N_CONTEXT_BITS = 2**23
_MAX_COUNT = 255
_MULTIPLIERS = numpy.array([0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xAF251AF3B0F025B5], dtype="uint64")
# Where a doc says that its text was made for training.
_AUGMENTED = "spacy_bilstm_augmented"


def mark_as_augmented(doc: Doc) -> None:
    """Say of a doc that its text is not one of the corpus: what its words meet there counts for nothing.

    Otherwise names that are put into each other's places would become familiar in a few epochs, and what a model does
    with names that it has never seen would be trained less and less.

    doc: the doc.
    """
    doc.user_data[_AUGMENTED] = True


def is_augmented(doc: Doc) -> bool:
    """Whether a doc was marked so.

    doc: the doc.
    """
    return _AUGMENTED in doc.user_data


class Familiarity:
    """Counts the different contexts that words were met in: the pairs of words to their left and right.

    Occurrences would be counted again in each epoch, contexts are not. A copy, by any way, has met nothing: this is for
    a training, and not a part of the model. It is bounded: 2 MB, whatever is trained on. Counts stop at 255, and may be
    too high where words share them by chance (Cormode and Muthukrishnan 2005), or too low after some million contexts.
    """

    def __init__(self) -> None:
        """Start with nothing met."""
        self._counts = numpy.zeros(_N_COUNTS, dtype="uint8")
        self._contexts = make_filter(_N_CONTEXT_BITS)

    def __reduce__(self) -> tuple[Any, ...]:
        return Familiarity, ()

    def meet(self, words: Hashes, lengths: list[int]) -> None:
        """Count the new contexts of words.

        words: hashes of the words of documents, one after the other. Shape `(n_words,)`.
        lengths: number of words of each document, each >= 0; they sum to n_words.
        """
        length = numpy.asarray(lengths, dtype="int64")
        ends = length.cumsum()
        has_left, has_right = numpy.ones((2, len(words) + 1), dtype=bool)
        has_left[ends - length] = has_right[ends - 1] = False
        left = numpy.where(has_left[:-1], numpy.roll(words, 1), 0)
        right = numpy.where(has_right[:-1], numpy.roll(words, -1), 0)
        contexts = left * _MULTIPLIERS[0] + words * _MULTIPLIERS[1] + right * _MULTIPLIERS[2]
        contexts, first = numpy.unique(contexts, return_index=True)
        is_new = ~are_seen(self._contexts, contexts)
        add_words(self._contexts, contexts[is_new])
        distinct, counts = numpy.unique(words[first[is_new]], return_counts=True)
        places = self._find(distinct)
        # Conservative: the smallest of a word's counts is raised, and others only as far as they are below that.
        raised = numpy.minimum(self._counts[places].min(axis=1) + counts, _MAX_COUNT).astype("uint8")
        numpy.maximum.at(self._counts, places, raised[:, None])

    def count(self, words: Hashes) -> NDArray[numpy.uint8]:
        """Give the number of contexts that words were met in, 255 for more than that.

        words: hashes of the words. Shape `(n_words,)`.
        RETURNS: the counts. Shape `(n_words,)`.
        """
        counts: NDArray[numpy.uint8] = self._counts[self._find(words)].min(axis=1)
        return counts

    @staticmethod
    def _find(words: Hashes) -> NDArray[numpy.int64]:
        mixed = words[:, None] * _MULTIPLIERS + (words[:, None] >> numpy.uint64(29))
        places: NDArray[numpy.int64] = (mixed >> numpy.uint64(44)).astype("int64")
        return places
