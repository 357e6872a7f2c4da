"""The filter of words met in training: it forgets none, and takes few others for them."""

import numpy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.bridge.seen_words import add_words, are_seen, make_filter

hashes = st.lists(st.integers(0, 2**64 - 1), max_size=50).map(lambda numbers: numpy.array(numbers, dtype="uint64"))


@given(hashes, hashes)
def test_no_word_is_forgotten(first: numpy.ndarray, second: numpy.ndarray) -> None:
    seen = make_filter()
    add_words(seen, first)
    add_words(seen, second)
    assert are_seen(seen, numpy.concatenate((first, second))).all()


def test_few_others_are_taken_for_met_words() -> None:
    words = numpy.random.default_rng(0).integers(0, 2**64, size=200_000, dtype="uint64")
    seen = make_filter()
    assert not are_seen(seen, words).any()
    add_words(seen, words[:100_000])
    assert are_seen(seen, words[100_000:]).mean() < 0.02
