"""The product of hidden states and recurrent weights, in each precision that inference on CPU can use."""

from __future__ import annotations

import torch
from torch import Tensor


class FloatProduct:
    """The product in the weights' own precision."""

    def __init__(self, weights: Tensor, n_lanes: int) -> None:
        """Prepare products with the same weights.

        weights: weights from the hidden state to the gates. Shape `(n_directions, hidden_width, gates_width)`.
        n_lanes: number of hidden states of each direction.
        """
        self.weights = weights

    def add_to(self, gates: Tensor, hidden: Tensor) -> None:
        """Add the product to gates.

        gates: the gates, which are changed in place. Shape `(n_directions, n_lanes, gates_width)`.
        hidden: hidden states between -1 and 1. Shape `(n_directions, n_lanes, hidden_width)`.
        """
        gates.baddbmm_(hidden, self.weights)


class BFloat16Product(FloatProduct):
    """The product in bfloat16. CPUs with AVX512-BF16 or AMX compute two or more of its terms at a time."""

    def __init__(self, weights: Tensor, n_lanes: int) -> None:
        """Round the weights to bfloat16."""
        super().__init__(weights.bfloat16(), n_lanes)
        n_directions, hidden_width, gates_width = weights.shape
        self._hidden = self.weights.new_empty((n_directions, n_lanes, hidden_width))
        self._product = self.weights.new_empty((n_directions, n_lanes, gates_width))

    def add_to(self, gates: Tensor, hidden: Tensor) -> None:
        """Add the product to gates."""
        torch.bmm(self._hidden.copy_(hidden), self.weights, out=self._product)
        gates.add_(self._product)


class Int8Product(FloatProduct):
    """The product of 8-bit integers. CPUs with VNNI compute four or more of its terms at a time.

    All hidden states share one scale, as they are between -1 and 1. Weights have a scale for each gate.
    """

    def __init__(self, weights: Tensor, n_lanes: int) -> None:
        """Round the weights to multiples of their scale."""
        scale = weights.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        super().__init__((weights / scale).round().to(torch.int8), n_lanes)
        n_directions, hidden_width, gates_width = weights.shape
        self._scale = scale / 127
        self._scaled = weights.new_empty((n_directions, n_lanes, hidden_width))
        self._hidden = self._scaled.to(torch.int8)
        self._sums = torch.empty((n_directions, n_lanes, gates_width), dtype=torch.int32)
        self._product = weights.new_empty((n_directions, n_lanes, gates_width))

    def add_to(self, gates: Tensor, hidden: Tensor) -> None:
        """Add the product to gates."""
        self._hidden.copy_(torch.mul(hidden, 127, out=self._scaled).round_())
        for states, weights, sums in zip(self._hidden, self.weights, self._sums, strict=True):
            torch._int_mm(states, weights, out=sums)
        gates.add_(torch.mul(self._sums, self._scale, out=self._product))


PRODUCTS: dict[str, type[FloatProduct]] = {
    "float32": FloatProduct,
    "bfloat16": BFloat16Product,
    "int8": Int8Product,
}
"""The products by the names of their precision that configs use."""
