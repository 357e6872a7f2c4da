"""Counts of the contexts of words."""

import pickle
from collections import defaultdict

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.bridge.context_counts import ContextCounts

texts = st.lists(st.lists(st.integers(1, 6), max_size=8), min_size=1, max_size=8)


def add(counts: ContextCounts, documents: list[list[int]]) -> None:
    words = numpy.array([word for document in documents for word in document], dtype="uint64")
    counts.add(words, [len(document) for document in documents])


@given(texts, st.integers(1, 4), st.randoms())
def test_a_context_counts_once_in_any_batches_and_epochs(documents: list[list[int]], size: int, rng) -> None:
    contexts = defaultdict(set)
    for document in documents:
        for left, word, right in zip([0, *document], document, [*document[1:], 0], strict=False):
            contexts[word].add((left, right))
    counts = ContextCounts()
    for _ in range(3):
        rng.shuffle(documents)
        for start in range(0, len(documents), size):
            add(counts, documents[start : start + size])
    counted = counts.count(numpy.arange(1, 7, dtype="uint64"))
    assert counted.tolist() == [len(contexts[word]) for word in range(1, 7)]


@pytest.fixture(scope="module")
def words() -> numpy.ndarray:
    """150,000 different words, of which `full_counts` has counted the first 100,000."""
    return numpy.random.default_rng(0).integers(1, 2**64, size=150_000, dtype="uint64")


@pytest.fixture(scope="module")
def full_counts(words: numpy.ndarray) -> ContextCounts:
    """Counts of 100,000 words with one context each."""
    counts = ContextCounts()
    for start in range(0, 100_000, 1000):
        counts.add(words[start : start + 1000], [1000])
    return counts


def test_most_counts_of_many_words_are_exact(full_counts: ContextCounts, words: numpy.ndarray) -> None:
    counted = full_counts.count(words[:100_000])
    assert (counted >= 1).all()
    assert (counted == 1).mean() > 0.97


def test_most_words_that_were_not_counted_have_no_count(full_counts: ContextCounts, words: numpy.ndarray) -> None:
    assert (full_counts.count(words[100_000:]) == 0).mean() > 0.97


def test_counts_stop_at_255(words: numpy.ndarray) -> None:
    counts = ContextCounts()
    frequent = numpy.stack([words[:1000], numpy.full(1000, 7, dtype="uint64")], axis=1).reshape(-1)
    counts.add(frequent, [2000])
    assert counts.count(numpy.array([7], dtype="uint64")).tolist() == [255]


def test_a_copy_is_empty() -> None:
    counts = ContextCounts()
    add(counts, [[1, 2]])
    assert pickle.loads(pickle.dumps(counts)).count(numpy.array([1], dtype="uint64")).tolist() == [0]


def test_counts_continue_from_their_state() -> None:
    counts, other = ContextCounts(), ContextCounts()
    add(counts, [[1, 2, 3], [2, 2]])
    other.set_state(pickle.loads(pickle.dumps(counts.get_state())))
    for each in (counts, other):
        add(each, [[1, 2, 3], [3, 2, 1]])
    words = numpy.arange(1, 7, dtype="uint64")
    assert (other.count(words) == counts.count(words)).all()
