"""The output layer's scores of labels for a whole batch, in one product."""

from typing import cast

import numpy
import torch
from numpy.typing import NDArray
from thinc.api import Ops
from thinc.types import Floats2d, FloatsXd
from torch import Tensor, nn

from .convert import array_to_tensor, concatenate_documents, get_device, tensor_to_array
from .fork import make_fork_safe

# The matrix product takes 1.6 times as long for 13 labels, those of three kinds of entities, as for 16, and 1.5 times
# for 29 as for 32 (`python -m spacy_bilstm.experiments.label_timings`).
_MULTIPLE = 16


def find_best_labels(ops: Ops, documents: list[Floats2d], weights: FloatsXd, bias: FloatsXd) -> NDArray[numpy.int64]:
    """Score labels with a linear layer and find the best label of each token.

    ops, documents, weights, bias: see `score_labels`.
    RETURNS: the labels of all tokens, document after document, in CPU memory. Shape `(n_tokens,)`.
    """
    return cast(NDArray[numpy.int64], _score(ops, documents, weights, bias).argmax(dim=1).cpu().numpy())


def score_labels(ops: Ops, documents: list[Floats2d], weights: FloatsXd, bias: FloatsXd) -> Floats2d:
    """Score labels with a linear layer.

    torch computes one product, faster than thinc. NumPy would be faster still, but its threads and torch's wait for
    each other: with two threads, whole pipelines ran at half the speed.

    ops: thinc's operations for the arrays.
    documents: token vectors, one array per document. Shape `(length, width)` each.
    weights: the layer's weights. Shape `(n_labels, width)`.
    bias: the layer's bias. Shape `(n_labels,)`.
    RETURNS: the scores of all tokens, document after document. Shape `(n_tokens, n_labels)`.
    """
    return cast(Floats2d, tensor_to_array(_score(ops, documents, weights, bias).contiguous(), ops))


@torch.no_grad()
def _score(ops: Ops, documents: list[Floats2d], weights: FloatsXd, bias: FloatsXd) -> Tensor:
    make_fork_safe()
    device = get_device(ops)
    vectors = array_to_tensor(concatenate_documents(ops, documents, 0), device)
    n_labels = len(weights)
    padding = -n_labels % _MULTIPLE
    padded_weights = nn.functional.pad(array_to_tensor(weights, device), (0, 0, 0, padding))
    padded_bias = nn.functional.pad(array_to_tensor(bias, device), (0, padding))
    return nn.functional.linear(vectors, padded_weights, padded_bias)[:, :n_labels]
