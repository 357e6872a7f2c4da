"""Count the different contexts of each word in training."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

from .bloom_filter import Hashes, add_hashes, contains_hashes, make_bloom_filter

# One byte per counter: with 100,000 words, 1 % of them get the count of a more frequent word.
_N_COUNTERS = 2**20
_N_CONTEXT_BITS = 2**23
_MAX_COUNT = 255
_MULTIPLIERS = numpy.array([0x9E3779B97F4A7C15, 0xD1342543DE82EF95, 0xAF251AF3B0F025B5], dtype="uint64")


class ContextCounts:
    """Counts the contexts of words. A context is the pair of the words to the left and to the right.

    Every epoch repeats occurrences, but not contexts, so contexts measure how rare a word is. The memory is 2 MB for
    any corpus. Counts stop at 255. They may be too high where words share counters (Cormode and Muthukrishnan 2005),
    and too low after a few million contexts. Copies and pickles are empty: counts belong to a training, not to a model.
    """

    def __init__(self) -> None:
        """Start with all counts at zero."""
        self._counters = numpy.zeros(_N_COUNTERS, dtype="uint8")
        self._contexts = make_bloom_filter(_N_CONTEXT_BITS)

    def __reduce__(self) -> tuple[Any, ...]:
        return ContextCounts, ()

    def get_state(self) -> dict[str, NDArray[numpy.uint8]]:
        """Return the counts, to continue a training in another process."""
        return {"counters": self._counters, "contexts": self._contexts}

    def set_state(self, state: dict[str, NDArray[numpy.uint8]]) -> None:
        """Set the counts.

        state: what `get_state` returned.
        """
        self._counters[:], self._contexts[:] = state["counters"], state["contexts"]

    def add(self, words: Hashes, lengths: list[int]) -> None:
        """Count the contexts of words that are not counted yet.

        words: hashes of the words of documents, one document after the other. Shape `(n_words,)`.
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
        is_new = ~contains_hashes(self._contexts, contexts)
        add_hashes(self._contexts, contexts[is_new])
        distinct, counts = numpy.unique(words[first[is_new]], return_counts=True)
        places = self._find_counters(distinct)
        # Conservative update: raise the smallest counter of a word, and the others only if they are below the result.
        raised = numpy.minimum(self._counters[places].min(axis=1) + counts, _MAX_COUNT).astype("uint8")
        numpy.maximum.at(self._counters, places, raised[:, None])

    def count(self, words: Hashes) -> NDArray[numpy.uint8]:
        """Return the number of contexts of words, 255 for more than that.

        words: hashes of the words. Shape `(n_words,)`.
        RETURNS: the counts. Shape `(n_words,)`.
        """
        counts: NDArray[numpy.uint8] = self._counters[self._find_counters(words)].min(axis=1)
        return counts

    @staticmethod
    def _find_counters(words: Hashes) -> NDArray[numpy.int64]:
        """Return the three counters of each word. Shape `(n_words, 3)`."""
        mixed = words[:, None] * _MULTIPLIERS + (words[:, None] >> numpy.uint64(29))
        places: NDArray[numpy.int64] = (mixed >> numpy.uint64(44)).astype("int64")
        return places
