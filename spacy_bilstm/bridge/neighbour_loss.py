"""The loss of a language model that predicts the hashed neighbours of each token."""

from __future__ import annotations

from typing import Any, cast

import numpy
import torch
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.tokens import Doc
from thinc.api import Ops
from thinc.types import Floats2d

from .convert import array_to_tensor, tensor_to_array
from .hashing import hash_attributes

N_HASHES = 4
"""Number of hashes of a word, as many as thinc's hash function returns."""
_NO_WORD = 0  # the neighbour before the first token and after the last one


def compute_neighbour_loss(ops: Ops, docs: list[Doc], prediction: Floats2d) -> tuple[float, Floats2d]:
    """Compute the loss of the scores of each token's neighbours, and its gradient.

    ops: thinc's operations for the arrays.
    docs: the docs.
    prediction: scores (logits) of the buckets of the next word, then those of the word before: one score for each
        bucket of each of the four hashes. Shape `(n_tokens, 2 * 4 * n_buckets)`.
    RETURNS: the sum of all tokens' losses, and the gradient of their mean. The loss of a token is the mean
        cross-entropy of its neighbours' hashes, in nats.
    """
    n_buckets = prediction.shape[1] // (2 * N_HASHES)
    scores = array_to_tensor(prediction, torch.device("cuda" if ops.device_type == "gpu" else "cpu"))
    log_probabilities = scores.view(-1, n_buckets).log_softmax(dim=1)
    buckets = array_to_tensor(cast(Any, find_buckets(docs, n_buckets)), scores.device).view(-1, 1)
    loss = -log_probabilities.gather(1, buckets).sum().item() / (2 * N_HASHES)
    d_scores = log_probabilities.exp_()
    d_scores.scatter_add_(1, buckets, d_scores.new_full(buckets.shape, -1.0)).div_(max(len(buckets), 1))
    return loss, cast(Floats2d, tensor_to_array(d_scores.view(scores.shape), ops))


def find_buckets(docs: list[Doc], n_buckets: int) -> NDArray[numpy.int64]:
    """Hash the neighbours of each token into buckets, in four independent ways.

    docs: the docs.
    n_buckets: number of buckets of each hash.
    RETURNS: the buckets of the next word and of the word before, for the tokens of all docs. Shape `(n_tokens, 2, 4)`.
    """
    padded = [numpy.pad(doc.to_array(ORTH), 1, constant_values=_NO_WORD) for doc in docs]
    following = numpy.concatenate([words[2:] for words in padded])
    previous = numpy.concatenate([words[:-2] for words in padded])
    return hash_attributes([following, previous], [n_buckets, n_buckets])
