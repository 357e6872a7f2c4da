"""BILUO tags of entities: their numbers, which may follow which, and how spans and tags convert into each other.

Tag 0 is O. Label `l` has the four tags from `4 * l + 1` to `4 * l + 4`: B, I, L and U. No other module computes with
these numbers.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[numpy.int64]
_IntsT = TypeVar("_IntsT", int, Tensor, NDArray[Any])

Position = IntEnum("Position", "O B I L U", start=0)
"""Where a token is: outside of entities, or the first, an inner, the last or the only token of one."""

_N_POSITIONS = 4

OPEN, CONTINUING = slice(0, 2), slice(1, 3)
"""Places of a label's B and I, and of its I and L, in its row of `group_by_label`."""


class TagConstraints(NamedTuple):
    """Which tags may follow one another.

    transitions: whether the column's tag may follow the row's tag. Shape `(n_tags, n_tags)`, bool.
    start_transitions: whether a document may start with the tag. Shape `(n_tags,)`, bool.
    end_transitions: whether a document may end with the tag. Shape `(n_tags,)`, bool.
    """

    transitions: Tensor
    start_transitions: Tensor
    end_transitions: Tensor


def count_tags(n_labels: int) -> int:
    """Return the number of tags for a number of labels."""
    return 1 + _N_POSITIONS * n_labels


def count_labels(n_tags: int) -> int:
    """Return the number of labels for a number of tags.

    n_tags: number of tags.
    RETURNS: the number of labels, >= 0.
    RAISES: ValueError if no number of labels has that many tags.
    """
    n_labels, rest = divmod(n_tags - 1, _N_POSITIONS)
    if n_tags < 1 or rest:
        raise ValueError(f"{n_tags} tags can't be BILUO tags: there are 1 + 4 * n_labels of them.")
    return n_labels


def biluo_tag(label: _IntsT, position: Position | _IntsT) -> _IntsT:
    """Return the number of a tag.

    label: index of the label, or an array or tensor of indices.
    position: B, I, L or U, or an array of them with the shape of `label`.
    RETURNS: the tag, of the type of `label`.
    """
    return _N_POSITIONS * label + position


def split_tag(tag: _IntsT) -> tuple[_IntsT, _IntsT]:
    """Split a tag into its label and its position.

    tag: number of the tag, or an array or tensor of numbers.
    RETURNS: index of the label, -1 for O; and the position as in `Position`. Both of the type and shape of `tag`.
    """
    label, rest = (tag - 1) // _N_POSITIONS, (tag - 1) % _N_POSITIONS
    return label, (rest + 1) * (tag > 0)


def tags_at(position: Position) -> slice:
    """Return the tags of all labels at a position, in the order of the labels.

    position: B, I, L or U.
    RETURNS: a slice of the axis of tags.
    """
    return slice(int(position), None, _N_POSITIONS)


class TagGroups(NamedTuple):
    """The tags by what they allow next to them. All in ascending order, int64.

    closed: O, L and U: after them no entity is open. Shape `(2 * n_labels + 1,)`.
    opening: O, B and U, which may follow closed tags. Shape `(2 * n_labels + 1,)`.
    open: B and I of each label. Shape `(n_labels, 2)`.
    continuing: I and L of each label, which may follow open tags of the label. Shape `(n_labels, 2)`.
    """

    closed: Tensor
    opening: Tensor
    open: Tensor
    continuing: Tensor


def group_tags(n_labels: int, device: torch.device) -> TagGroups:
    """Return the tags in groups.

    n_labels: number of labels, >= 0.
    device: the device of the result.
    """
    labels = torch.arange(n_labels, device=device)
    begin, inside, last, unit = (biluo_tag(labels, position) for position in list(Position)[1:])
    outside = labels.new_zeros(1)
    return TagGroups(
        closed=torch.cat((outside, torch.stack((last, unit), 1).flatten())),
        opening=torch.cat((outside, torch.stack((begin, unit), 1).flatten())),
        open=torch.stack((begin, inside), 1),
        continuing=torch.stack((inside, last), 1),
    )


def group_by_label(values: Tensor) -> Tensor:
    """Return values of tags without that of O, as a view in which each label has a row.

    values: values of all tags in the last axis. Shape `(..., n_tags)`.
    RETURNS: the values of each label's B, I, L and U. Shape `(..., n_labels, 4)`.
    """
    return torch.unflatten(values[..., 1:], -1, (count_labels(values.shape[-1]), _N_POSITIONS))


def max_over_labels(values: Tensor) -> Tensor:
    """Return the highest value of all labels at each position.

    values: values of all tags of at least one label. Shape `(n, n_tags)`.
    RETURNS: the values of B, I, L and U, maybe as a view. Shape `(n, 4)`.
    """
    # With 18 labels four times as fast as `amax` over labels. The halves overlap where the number is odd.
    values = values[:, 1:]
    while (n_labels := values.shape[1] // _N_POSITIONS) > 1:
        width = _N_POSITIONS * ((n_labels + 1) // 2)
        values = torch.maximum(values[:, :width], values[:, -width:])
    return values


@cache
def biluo_constraints(n_labels: int) -> TagConstraints:
    """Return the constraints under which a tag sequence is valid BILUO.

    n_labels: number of labels, >= 0.
    RETURNS: the constraints. Every call returns the same tensors.
    RAISES: ValueError if `n_labels` is negative.
    """
    if n_labels < 0:
        raise ValueError(f"The number of labels must not be negative, but is {n_labels}.")
    label, position = split_tag(torch.arange(count_tags(n_labels)))
    continues = (position == Position.I) | (position == Position.L)
    unfinished = (position == Position.B) | (position == Position.I)
    same_label = label[:, None] == label[None, :]
    transitions = torch.where(unfinished[:, None], continues & same_label, ~continues)
    return TagConstraints(transitions, ~continues, ~unfinished)


def is_biluo(constraints: TagConstraints) -> bool:
    """Return whether constraints are those of `biluo_constraints`.

    constraints: constraints of any tags, on CPU.
    """
    n_labels, rest = divmod(len(constraints.start_transitions) - 1, _N_POSITIONS)
    if rest:
        return False
    pairs = zip(constraints, biluo_constraints(n_labels), strict=True)
    return all(mask is biluo_mask or torch.equal(mask, biluo_mask) for mask, biluo_mask in pairs)


def span_to_tags(length: int, label: int) -> Ints:
    """Return the tags of an entity.

    length: number of its tokens, >= 1.
    label: index of its label.
    RETURNS: the tags. Shape `(length,)`.
    """
    if length == 1:
        return numpy.array([biluo_tag(label, Position.U)])
    inner = [biluo_tag(label, Position.I)] * (length - 2)
    return numpy.array([biluo_tag(label, Position.B), *inner, biluo_tag(label, Position.L)])


def tags_to_spans(tags: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the entities of valid tags.

    tags: the tags. Shape `(n_tokens,)`.
    RETURNS: first token of each entity, token after its last one, and index of its label. Shape `(n_entities,)` each.
    """
    labels, positions = split_tag(tags)
    # NumPy compares with an `IntEnum` in 3.9 us, with its value in 1.1 us: half of the time for one short text.
    is_unit = positions == Position.U.value
    starts = numpy.flatnonzero((positions == Position.B.value) | is_unit)
    lasts = numpy.flatnonzero((positions == Position.L.value) | is_unit)
    return starts, lasts + 1, labels[starts]
