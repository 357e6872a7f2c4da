"""The interface of a recurrent cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class Cell(ABC):
    """A recurrent cell: the weights of a layer, their initialisation, and the recurrence itself.

    A new cell has to define these three. It then trains and predicts in packed order. It may also have faster ways to
    predict, which are strategies of their own in `nn.recurrence`. All layers share one cell object.

    name: the cell's name in configs.
    """

    name: ClassVar[str]

    @abstractmethod
    def make_weights(self, input_width: int, hidden_width: int, bidirectional: bool) -> nn.Module:
        """Return a module that holds the weights of one layer.

        input_width: width of the token vectors that the layer reads, >= 1.
        hidden_width: width of the hidden state of one direction, >= 1.
        bidirectional: whether there is a second direction.
        """

    @abstractmethod
    def reset_parameters(self, weights: nn.Module) -> None:
        """Initialise weights from torch's random generator.

        weights: a module that `make_weights` returned.
        """

    @abstractmethod
    def run_packed(self, weights: nn.Module, packed: Tensor, batch_sizes: Tensor, recurrent_dropout: float) -> Tensor:
        """Run one layer over documents in packed order, with gradients where torch records them.

        weights: a module that `make_weights` returned.
        packed: token vectors in packed order. Shape `(n_tokens, input_width)`, n_tokens >= 1.
        batch_sizes: number of documents at each time step. Shape `(max_length,)`, int64, on CPU.
        recurrent_dropout: rate of dropout on the hidden-to-hidden weights, 0 <= rate < 1. A cell without such weights
            ignores it.
        RETURNS: hidden states in packed order, those of a second direction behind those of the first. Shape
            `(n_tokens, n_directions * hidden_width)`.
        """
