"""`bridge.language_model`: the neighbours of each token, the loss of their scores, and its gradient."""

import numpy
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import NumpyOps

from spacy_bilstm.bridge.language_model import N_HASHES, compute_neighbour_loss, find_buckets

VOCAB = Vocab()
DOCS = [Doc(VOCAB, words=words.split()) for words in ("a b c", "", "b", "c a")]
N_TOKENS = 6


def test_neighbours() -> None:
    """A bucket stands for the next word and one for the word before; what is outside of a doc is one more word."""
    buckets = find_buckets(DOCS, 10**6)
    assert buckets.shape == (N_TOKENS, 2, N_HASHES)
    following, previous = buckets[:, 0], buckets[:, 1]
    assert_array_equal(following[2], following[3])
    assert_array_equal(previous[0], previous[4])
    assert (following[0] != following[1]).all()  # b, c
    assert_array_equal(following[4], find_buckets([Doc(VOCAB, words=["x", "a"])], 10**6)[0, 0])
    assert_array_equal(previous[5], find_buckets([Doc(VOCAB, words=["c", "x"])], 10**6)[1, 1])
    assert len({*following[0].tolist()}) == N_HASHES


def test_loss_and_gradient_are_those_of_the_cross_entropy() -> None:
    """They agree with torch's own."""
    n_buckets = 7
    prediction = numpy.random.default_rng(0).normal(size=(N_TOKENS, 2 * N_HASHES * n_buckets)).astype("f")
    loss, gradient = compute_neighbour_loss(NumpyOps(), DOCS, prediction.copy())
    scores = torch.tensor(prediction, requires_grad=True)
    targets = torch.from_numpy(find_buckets(DOCS, n_buckets)).flatten()
    expected = torch.nn.functional.cross_entropy(scores.view(-1, n_buckets), targets)
    expected.backward()
    assert loss == pytest.approx(expected.item() * N_TOKENS, rel=1e-5)
    assert_allclose(gradient, scores.grad, atol=1e-7)


def test_scores_without_preference() -> None:
    """The loss of a token is then the logarithm of the number of buckets; no tokens have no loss."""
    zeros = numpy.zeros((N_TOKENS, 2 * N_HASHES * 50), dtype="f")
    assert compute_neighbour_loss(NumpyOps(), DOCS, zeros)[0] == pytest.approx(N_TOKENS * numpy.log(50))
    loss, gradient = compute_neighbour_loss(NumpyOps(), [Doc(VOCAB)], zeros[:0])
    assert loss == 0.0
    assert gradient.shape == (0, zeros.shape[1])
