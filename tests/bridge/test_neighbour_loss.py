"""The loss of predicted neighbours: the buckets of each token's neighbours, the loss and its gradient."""

import numpy
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import NumpyOps

from spacy_bilstm.bridge.neighbour_loss import N_HASHES, compute_neighbour_loss, find_buckets

VOCAB = Vocab()
DOCS = [Doc(VOCAB, words=words.split()) for words in ("a b c", "", "b", "c a")]
N_TOKENS = 6
N_BUCKETS = 10**6


def test_each_neighbour_has_one_bucket_for_each_hash() -> None:
    buckets = find_buckets(DOCS, N_BUCKETS)
    assert buckets.shape == (N_TOKENS, 2, N_HASHES)
    assert len({*buckets[0, 0].tolist()}) == N_HASHES


def test_buckets_depend_on_the_neighbour_only() -> None:
    following, previous = find_buckets(DOCS, N_BUCKETS).transpose(1, 0, 2)
    assert (following[0] != following[1]).all()  # b, c
    assert_array_equal(following[4], find_buckets([Doc(VOCAB, words=["x", "a"])], N_BUCKETS)[0, 0])
    assert_array_equal(previous[5], find_buckets([Doc(VOCAB, words=["c", "x"])], N_BUCKETS)[1, 1])


def test_outside_of_a_doc_is_one_more_word() -> None:
    following, previous = find_buckets(DOCS, N_BUCKETS).transpose(1, 0, 2)
    assert_array_equal(following[2], following[3])
    assert_array_equal(previous[0], previous[4])


def test_loss_and_gradient_are_those_of_torchs_cross_entropy() -> None:
    n_buckets = 7
    prediction = numpy.random.default_rng(0).normal(size=(N_TOKENS, 2 * N_HASHES * n_buckets)).astype("f")
    loss, gradient = compute_neighbour_loss(NumpyOps(), DOCS, prediction.copy())
    scores = torch.tensor(prediction, requires_grad=True)
    targets = torch.from_numpy(find_buckets(DOCS, n_buckets)).flatten()
    expected = torch.nn.functional.cross_entropy(scores.view(-1, n_buckets), targets)
    expected.backward()
    assert loss == pytest.approx(expected.item() * N_TOKENS, rel=1e-5)
    assert_allclose(gradient, scores.grad, atol=1e-7)


def test_equal_scores_have_the_loss_of_chance() -> None:
    zeros = numpy.zeros((N_TOKENS, 2 * N_HASHES * 50), dtype="f")
    assert compute_neighbour_loss(NumpyOps(), DOCS, zeros)[0] == pytest.approx(N_TOKENS * numpy.log(50))


def test_docs_without_tokens_have_no_loss() -> None:
    loss, gradient = compute_neighbour_loss(NumpyOps(), [Doc(VOCAB)], numpy.zeros((0, 2 * N_HASHES * 50), dtype="f"))
    assert loss == 0.0
    assert gradient.shape == (0, 2 * N_HASHES * 50)
