"""A Bloom filter: a set of hashes in little memory, with a few false positives."""

from typing import cast

import numpy
from numpy.typing import NDArray
from thinc.api import NumpyOps

Hashes = NDArray[numpy.uint64]
BloomFilter = NDArray[numpy.uint8]
"""The bits of a Bloom filter, eight in a byte."""

# 128 KB: with 100,000 hashes in it, at most 2 % of other hashes are false positives.
_N_BITS = 2**20
_OPS = NumpyOps()
_SEED = 3


def make_bloom_filter(n_bits: int = _N_BITS) -> BloomFilter:
    """Make an empty filter (Bloom 1970). It never misses a hash that was added.

    n_bits: size of the filter, a multiple of 8.
    RETURNS: the filter.
    """
    return numpy.zeros(n_bits // 8, dtype="uint8")


def add_hashes(bloom_filter: BloomFilter, hashes: Hashes) -> None:
    """Add hashes to a filter.

    bloom_filter: the filter, which changes.
    hashes: the hashes. Shape `(n,)`.
    """
    byte, bit = _find_bits(bloom_filter, hashes)
    numpy.bitwise_or.at(bloom_filter, byte, bit)


def contains_hashes(bloom_filter: BloomFilter, hashes: Hashes) -> NDArray[numpy.bool_]:
    """Return whether hashes were added to a filter.

    bloom_filter: the filter.
    hashes: the hashes. Shape `(n,)`.
    RETURNS: whether each was added; true for a few that were not. Shape `(n,)`.
    """
    byte, bit = _find_bits(bloom_filter, hashes)
    return cast(NDArray[numpy.bool_], (bloom_filter[byte] & bit).all(axis=1))


def _find_bits(bloom_filter: BloomFilter, hashes: Hashes) -> tuple[NDArray[numpy.uint32], NDArray[numpy.uint8]]:
    """Return the four bytes of each hash, and its bit in each. Shapes `(n, 4)`."""
    positions = _OPS.hash(numpy.ascontiguousarray(hashes, dtype="uint64"), _SEED)
    positions %= numpy.uint32(8 * len(bloom_filter))
    bits = numpy.left_shift(1, positions & numpy.uint32(7), dtype="uint8", casting="unsafe")
    return positions >> numpy.uint32(3), bits
