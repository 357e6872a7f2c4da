"""Counts of the contexts of words: each context once, in whatever batch it comes."""

import pickle
from collections import defaultdict

import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.bridge.familiarity import Familiarity

texts = st.lists(st.lists(st.integers(1, 6), max_size=8), min_size=1, max_size=8)


def meet(familiarity: Familiarity, documents: list[list[int]]) -> None:
    words = numpy.array([word for document in documents for word in document], dtype="uint64")
    familiarity.meet(words, [len(document) for document in documents])


@given(texts, st.integers(1, 4), st.randoms())
def test_a_context_counts_once_whatever_the_batches_and_epochs(documents: list[list[int]], size: int, rng) -> None:
    contexts = defaultdict(set)
    for document in documents:
        for left, word, right in zip([0, *document], document, [*document[1:], 0], strict=False):
            contexts[word].add((left, right))
    familiarity = Familiarity()
    for _ in range(3):
        rng.shuffle(documents)
        for start in range(0, len(documents), size):
            meet(familiarity, documents[start : start + size])
    counts = familiarity.count(numpy.arange(1, 7, dtype="uint64"))
    assert counts.tolist() == [len(contexts[word]) for word in range(1, 7)]


def test_counts_stop_at_255_and_few_others_are_counted() -> None:
    words = numpy.random.default_rng(0).integers(1, 2**64, size=150_000, dtype="uint64")
    familiarity = Familiarity()
    for start in range(0, 100_000, 1000):
        familiarity.meet(words[start : start + 1000], [1000])
    assert (familiarity.count(words[:100_000]) >= 1).all()
    assert (familiarity.count(words[:100_000]) == 1).mean() > 0.97
    assert (familiarity.count(words[100_000:]) == 0).mean() > 0.97
    frequent = numpy.stack([words[:1000], numpy.full(1000, 7, dtype="uint64")], axis=1).reshape(-1)
    familiarity.meet(frequent, [2000])
    assert familiarity.count(numpy.array([7], dtype="uint64")).tolist() == [255]


def test_a_copy_has_met_nothing() -> None:
    familiarity = Familiarity()
    meet(familiarity, [[1, 2]])
    assert pickle.loads(pickle.dumps(familiarity)).count(numpy.array([1], dtype="uint64")).tolist() == [0]
