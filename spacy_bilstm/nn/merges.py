"""The ways to merge the two directions of a recurrent layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Merge(NamedTuple):
    """A way to merge the hidden states of two directions.

    function: takes the states of both directions side by side, of shape `(n, 2 * hidden_width)`, and returns the
        layer's output, of shape `(n, width)`.
    concatenates: whether the output holds both directions, each in one half of its width. Otherwise each direction is
        as wide as the output.
    """

    function: Callable[[Tensor], Tensor]
    concatenates: bool = False


def _concat(states: Tensor) -> Tensor:
    return states


def _sum(states: Tensor) -> Tensor:
    return torch.add(*states.chunk(2, dim=-1))


def _mean(states: Tensor) -> Tensor:
    return _sum(states) / 2


def _mul(states: Tensor) -> Tensor:
    return torch.mul(*states.chunk(2, dim=-1))


MERGES: dict[str, Merge] = {
    "concat": Merge(_concat, concatenates=True),
    "sum": Merge(_sum),
    "mean": Merge(_mean),
    "mul": Merge(_mul),
}
"""The merges by the names that configs use. To add one, write its function and list it here."""
