"""BILUO tags of entities: their numbers, and which may follow one another. Labels come in as numbers."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

_LabelT = TypeVar("_LabelT", int, Tensor, NDArray[Any])


class TagConstraints(NamedTuple):
    """Which tags may follow one another.

    transitions: whether the column's tag may follow the row's tag. Shape `(n_tags, n_tags)`, bool.
    start: whether a document may start with the tag. Shape `(n_tags,)`, bool.
    end: whether a document may end with the tag. Shape `(n_tags,)`, bool.
    """

    transitions: Tensor
    start: Tensor
    end: Tensor


def biluo_tag(label: _LabelT, position: str) -> _LabelT:
    """Number of a BILUO tag: 0 is O, and label `l` has B, I, L and U at `1 + 4 * l` and the three after it.

    label: index of the entity label, or a tensor or an array of them.
    position: "B", "I", "L" or "U".
    RETURNS: the tag, of the type of `label`.
    RAISES: ValueError if the position is none of these.
    """
    return 4 * label + 1 + "BILU".index(position)


@cache
def biluo_constraints(n_labels: int) -> TagConstraints:
    """The constraints under which a tag sequence is valid BILUO.

    n_labels: number of entity labels, >= 0. The number of tags is `1 + 4 * n_labels`, numbered as by `biluo_tag`.
    RETURNS: the constraints, the same tensors at each call.
    RAISES: ValueError if `n_labels` is negative.
    """
    if n_labels < 0:
        raise ValueError(f"The number of labels must not be negative, but is {n_labels}.")
    continues = torch.tensor([False] + [False, True, True, False] * n_labels)  # I and L
    unfinished = torch.tensor([False] + [True, True, False, False] * n_labels)  # B and I
    label = (torch.arange(len(continues)) + 3) // 4  # the number of O here is of no consequence
    same_label = label[:, None] == label[None, :]
    transitions = torch.where(unfinished[:, None], continues & same_label, ~continues)
    return TagConstraints(transitions, ~continues, ~unfinished)
