"""The losses of predicted neighbours: their targets, their sum and its gradient."""

import numpy
from numpy.testing import assert_allclose, assert_array_equal
from thinc.api import NumpyOps

from spacy_bilstm.bridge.neighbour_loss import N_HASHES, find_buckets, number_words, sum_losses

A, B, C, X = range(1, 5)
WORDS = numpy.array([A, B, C, B, C, A], dtype="uint64")
LENGTHS = [3, 0, 1, 2]
N_BUCKETS = 10**6


def test_each_neighbour_has_one_bucket_for_each_hash() -> None:
    buckets = find_buckets(WORDS, LENGTHS, N_BUCKETS)
    assert buckets.shape == (6, 2, N_HASHES)
    assert len({*buckets[0, 0].tolist()}) == N_HASHES


def test_buckets_depend_on_the_neighbour_only() -> None:
    following, previous = find_buckets(WORDS, LENGTHS, N_BUCKETS).transpose(1, 0, 2)
    assert (following[0] != following[1]).all()  # b, c
    assert_array_equal(following[4], find_buckets(numpy.array([X, A], dtype="uint64"), [2], N_BUCKETS)[0, 0])
    assert_array_equal(previous[5], find_buckets(numpy.array([C, X], dtype="uint64"), [2], N_BUCKETS)[1, 1])


def test_outside_of_a_doc_is_one_more_word() -> None:
    following, previous = find_buckets(WORDS, LENGTHS, N_BUCKETS).transpose(1, 0, 2)
    assert_array_equal(following[2], following[3])
    assert_array_equal(previous[0], previous[4])


def test_docs_without_words_have_no_buckets() -> None:
    assert find_buckets(WORDS[:0], [0, 0], N_BUCKETS).shape == (0, 2, N_HASHES)


def test_equal_words_have_equal_numbers() -> None:
    assert number_words(WORDS, LENGTHS).tolist() == [0, 1, 2, 1, 2, 0]


def test_the_gradient_is_that_of_the_mean() -> None:
    loss, gradient = sum_losses(NumpyOps(), [], numpy.array([1.0, 2.0, 5.0, 0.0], dtype="f"))
    assert loss == 8.0
    assert_allclose(gradient, 0.25)


def test_docs_without_words_have_no_loss() -> None:
    loss, gradient = sum_losses(NumpyOps(), [], numpy.zeros(0, dtype="f"))
    assert loss == 0.0
    assert gradient.shape == (0,)
