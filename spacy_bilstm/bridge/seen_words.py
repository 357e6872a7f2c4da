"""Which words a model has met in training. Hashes of words come in, and whether they were met goes out."""

from typing import cast

import numpy
from numpy.typing import NDArray
from thinc.api import NumpyOps

Hashes = NDArray[numpy.uint64]
Filter = NDArray[numpy.uint8]

# 128 KB: up to 100,000 words, at most 2 of 100 others are taken for met ones.
_N_BITS = 2**20
_OPS = NumpyOps()
_SEED = 3


def make_filter(n_bits: int = _N_BITS) -> Filter:
    """Make a filter (Bloom 1970) that has met no words.

    n_bits: its size, a multiple of 8.
    RETURNS: its bits, eight in a byte. A few words that it has not met it takes for met ones, but never the reverse.
    """
    return numpy.zeros(n_bits // 8, dtype="uint8")


def add_words(seen: Filter, words: Hashes) -> None:
    """Let a filter meet words.

    seen: the filter, which is changed.
    words: hashes of the words. Shape `(n_words,)`.
    """
    byte, bit = _find_bits(seen, words)
    numpy.bitwise_or.at(seen, byte, bit)


def are_seen(seen: Filter, words: Hashes) -> NDArray[numpy.bool_]:
    """Say which words a filter has met.

    seen: the filter.
    words: hashes of the words. Shape `(n_words,)`.
    RETURNS: whether each was met. Shape `(n_words,)`.
    """
    byte, bit = _find_bits(seen, words)
    return cast(NDArray[numpy.bool_], (seen[byte] & bit).all(axis=1))


def _find_bits(seen: Filter, words: Hashes) -> tuple[NDArray[numpy.uint32], NDArray[numpy.uint8]]:
    """Give the bytes and the bits in them that stand for words. Shapes `(n_words, 4)`."""
    positions = _OPS.hash(numpy.ascontiguousarray(words, dtype="uint64"), _SEED) % numpy.uint32(8 * len(seen))
    return positions >> numpy.uint32(3), numpy.left_shift(
        1, positions & numpy.uint32(7), dtype="uint8", casting="unsafe"
    )
