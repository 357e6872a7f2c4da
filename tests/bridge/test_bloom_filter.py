"""The Bloom filter."""

import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.bridge.bloom_filter import add_hashes, contains_hashes, make_bloom_filter

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=50).map(lambda numbers: numpy.array(numbers, dtype="uint64"))


def make_hashes(n: int) -> numpy.ndarray:
    return numpy.random.default_rng(0).integers(0, 2**64, size=n, dtype="uint64")


@given(hashes, hashes)
def test_every_added_hash_is_found(first: numpy.ndarray, second: numpy.ndarray) -> None:
    bloom_filter = make_bloom_filter()
    add_hashes(bloom_filter, first)
    add_hashes(bloom_filter, second)
    assert contains_hashes(bloom_filter, numpy.concatenate((first, second))).all()


def test_an_empty_filter_contains_nothing() -> None:
    assert not contains_hashes(make_bloom_filter(), make_hashes(200_000)).any()


def test_less_than_two_percent_are_false_positives() -> None:
    words = make_hashes(200_000)
    bloom_filter = make_bloom_filter()
    add_hashes(bloom_filter, words[:100_000])
    assert contains_hashes(bloom_filter, words[100_000:]).mean() < 0.02
