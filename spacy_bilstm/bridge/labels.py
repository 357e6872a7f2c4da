"""Room bridge: the best label of each row of a batch. Rows of documents come in, numbers of labels go out."""

from typing import cast

import numpy
import torch
from numpy.typing import NDArray
from thinc.api import NumpyOps
from thinc.types import Floats2d, FloatsXd
from torch import nn

from .convert import array_to_tensor, concatenate_rows
from .fork import make_fork_safe


def find_best_labels(documents: list[Floats2d], weights: FloatsXd, bias: FloatsXd) -> NDArray[numpy.int64]:
    """Score labels by a linear layer and find the best one of each row, on CPU.

    torch does it in one product, several times faster than thinc's. NumPy is as fast, but its threads and torch's
    wait for each other: with two threads, whole pipelines ran at half the speed.

    documents: one array a document, in memory of the CPU. Shape `(length, width)` each.
    weights: the layer's weights. Shape `(n_labels, width)`.
    bias: its bias. Shape `(n_labels,)`.
    RETURNS: the labels of all documents, one after the other. Shape `(n_rows,)`.
    """
    make_fork_safe()
    cpu = torch.device("cpu")
    rows = array_to_tensor(concatenate_rows(NumpyOps(), documents, 0), cpu)
    with torch.no_grad():
        scores = nn.functional.linear(rows, array_to_tensor(weights, cpu), array_to_tensor(bias, cpu))
        return cast(NDArray[numpy.int64], scores.argmax(dim=1).numpy())
