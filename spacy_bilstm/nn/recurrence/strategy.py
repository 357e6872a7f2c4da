"""The interface of a strategy for running recurrent layers, and the workload that decides which strategy runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..cells import Cell
from ..recurrent_layer import RecurrentLayer


class Workload(NamedTuple):
    """A batch of documents and what is asked of it.

    cell: the cell of all layers.
    n_directions: number of directions, 1 or 2.
    precision: precision of the products with hidden states at inference on CPU, a key of `products.PRODUCTS`.
    lengths: number of tokens of each document, each >= 0, and not all 0.
    device: where the token vectors are.
    needs_gradient: whether this is training, or torch records gradients.
    recurrent_dropout: rate of dropout on the hidden-to-hidden weights, 0 <= rate < 1. Always 0 outside training.
    has_input_gates: whether the input gates of the first layer are cached, so that computing them costs nothing.
    """

    cell: Cell
    n_directions: int
    precision: str
    lengths: Sequence[int]
    device: torch.device
    needs_gradient: bool = False
    recurrent_dropout: float = 0.0
    has_input_gates: bool = False

    @property
    def is_inference_on_cpu(self) -> bool:
        """Whether the workload needs no gradients and is on CPU."""
        return not self.needs_gradient and self.device.type == "cpu"

    @property
    def is_single_document(self) -> bool:
        """Whether there is one document besides empty ones."""
        return max(self.lengths) == sum(self.lengths)


class Strategy(ABC):
    """A way to run recurrent layers over a batch of documents.

    A strategy has an order of its own for the batch's tokens: the encoder calls `arrange`, then `run_layer` for each
    layer, then `restore`. The defaults suit a strategy for inference in the caller's order. A strategy that applies in
    training overrides `drop`.
    """

    def __init__(self, workload: Workload) -> None:
        """Lay out the documents of a workload.

        workload: a workload that the strategy applies to.
        """
        self.workload = workload

    @staticmethod
    @abstractmethod
    def applies(workload: Workload) -> bool:
        """Return whether the strategy can run a workload, and no later strategy of the table is faster."""

    @abstractmethod
    def run_layer(self, layer: RecurrentLayer, vectors: Tensor) -> Tensor:
        """Run one layer.

        layer: the layer.
        vectors: token vectors in the strategy's order. Shape `(n_tokens, input_width)`, n_tokens >= 1.
        RETURNS: the layer's output in the same order. Shape `(n_tokens, width)`.
        """

    def arrange(self, vectors: Tensor) -> Tensor:
        """Bring token vectors from the caller's order, document after document, into the strategy's order."""
        return vectors

    def restore(self, vectors: Tensor) -> Tensor:
        """Bring token vectors from the strategy's order back into the caller's order."""
        return vectors

    def drop(self, vectors: Tensor, rate: float) -> Tensor:
        """Apply locked dropout to token vectors in the strategy's order. At inference `rate` is always 0."""
        return vectors
