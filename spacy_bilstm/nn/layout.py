"""The order in which rows of several documents are laid out for a recurrence.

Documents arrive as one matrix of concatenated rows and their lengths. A recurrence wants the rows by time step: the
documents sorted by length, which is PyTorch's packed order, or in lanes. No row of padding exists in either.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

# What it costs to take a step, and to go on with fewer lanes, in lanes of one step. At a width of 160 a step of n lanes
# takes about n + 7 times what one lane more adds (`python docs/measure_parts.py lanes`).
_STEP_COST = 7
_SEGMENT_COST = 30
# Lanes end together where a better filling could save no more than this.
_FULL = 1.05
# How many numbers of lanes are tried at most; that takes less than a hundredth of the recurrence's time.
_MAX_TRIED = 32


@dataclass(frozen=True)
class PackedLayout:
    """Where each row of a batch stands in PyTorch's packed order.

    Empty documents have no rows and take no part in the packed order.

    order: documents with at least one row, longest first, ties in the caller's order. Shape `(n_docs,)`, int64.
    batch_sizes: number of documents that still run at each time step. Shape `(max_length,)`, int64, always on CPU,
        as torch's recurrent functions want it.
    document: for each packed row, its document as a position in `order`. Shape `(n_rows,)`, int64.
    to_packed: for each packed row, its row in the concatenated input. Shape `(n_rows,)`, int64.
    from_packed: for each concatenated row, its row in packed order. Shape `(n_rows,)`, int64.
    """

    order: Tensor
    batch_sizes: Tensor
    document: Tensor
    to_packed: Tensor
    from_packed: Tensor

    @classmethod
    def from_lengths(cls, lengths: Sequence[int], device: torch.device | str = "cpu") -> PackedLayout:
        """Lay out documents of the given lengths.

        lengths: number of rows of each document, in the order in which their rows are concatenated; each >= 0.
        device: where everything but `batch_sizes` is put.
        RETURNS: the layout.
        RAISES: ValueError if a length is negative.
        """
        # NumPy's calls cost a fraction of torch's, which is what counts for a single short document.
        all_lengths = numpy.asarray(lengths, dtype="int64")
        if len(all_lengths) and int(all_lengths.min()) < 0:
            raise ValueError(f"Document lengths must not be negative, but the smallest is {int(all_lengths.min())}.")
        starts = all_lengths.cumsum() - all_lengths
        order = numpy.argsort(-all_lengths, kind="stable")[: numpy.count_nonzero(all_lengths)]
        sorted_lengths = all_lengths[order]
        n_steps = int(sorted_lengths[0]) if len(order) else 0
        # The documents are sorted, so those that run at step t are the first batch_sizes[t].
        ended_by_step = numpy.bincount(sorted_lengths, minlength=n_steps + 1).cumsum()
        batch_sizes = len(order) - ended_by_step[:n_steps]
        step = numpy.repeat(numpy.arange(n_steps), batch_sizes)
        document = numpy.arange(len(step)) - (batch_sizes.cumsum() - batch_sizes)[step]
        to_packed = starts[order][document] + step
        from_packed = numpy.empty_like(to_packed)
        from_packed[to_packed] = numpy.arange(len(to_packed))
        return cls(
            torch.from_numpy(order).to(device),
            torch.from_numpy(batch_sizes),
            *(torch.from_numpy(rows).to(device) for rows in (document, to_packed, from_packed)),
        )


@dataclass(frozen=True)
class Segment:
    """Consecutive steps of a recurrence that have the same number of lanes.

    n_steps: number of steps.
    n_lanes: number of lanes: the first ones of the segment before it.
    start: number of places in all segments before it, in each direction.
    """

    n_steps: int
    n_lanes: int
    start: int

    @property
    def end(self) -> int:
        """Number of places up to its end, in each direction."""
        return self.start + self.n_steps * self.n_lanes


@dataclass(frozen=True)
class LaneLayout:
    """Where each row of a batch stands when documents follow one another in lanes.

    A recurrence goes through all lanes at once, so that each of its steps is one large product, whatever the lengths of
    the documents. Between two documents of a lane, and behind the last one, stand resets, at which the state goes back
    to zero: no document notices the one before it. The longest lane comes first, and where many have ended the others
    go on without them, in another segment. The second direction has lanes of its own, in which each document stands
    from its end.

    segments: the lanes' steps.
    rows: for each direction and place, its row in the concatenated input, or n_rows for a reset. The places of a
        direction are numbered by step, then by lane. Shape `(n_directions, n_places)`, int64.
    places: for each direction and concatenated row, its place. Shape `(n_directions, n_rows)`, int64.
    """

    segments: Sequence[Segment]
    rows: Tensor
    places: Tensor

    @classmethod
    def from_lengths(cls, lengths: Sequence[int], n_directions: int, max_lanes: int) -> LaneLayout:
        """Lay out documents of the given lengths, on CPU.

        lengths: number of rows of each document, in the order in which their rows are concatenated; each >= 0, and not
            all 0.
        n_directions: 1 or 2.
        max_lanes: number of lanes that there may be, >= 1. There are as many of them as cost least.
        RETURNS: the layout.
        """
        filling = _fill_lanes(lengths, max_lanes)
        length = numpy.asarray(lengths, dtype="int64")
        document = numpy.repeat(numpy.arange(len(length)), length)
        row = numpy.arange(len(document))
        position = row - (length.cumsum() - length)[document]
        lane, offset = (numpy.asarray(values, dtype="int64")[document] for values in (filling.lanes, filling.offsets))
        steps = [offset + position, offset + length[document] - 1 - position][:n_directions]
        n_lanes = numpy.repeat(*numpy.array([(part.n_lanes, part.n_steps) for part in filling.segments]).T)
        first_places = n_lanes.cumsum() - n_lanes
        places = numpy.stack([first_places[step] + lane for step in steps])
        rows = numpy.full((n_directions, filling.segments[-1].end), len(row))
        for of_direction, places_of_rows in zip(rows, places, strict=True):
            of_direction[places_of_rows] = row
        return cls(filling.segments, torch.from_numpy(rows), torch.from_numpy(places))


@dataclass(frozen=True)
class _Filling:
    """Documents in lanes: each document's lane and its first step there, and the segments of the lanes."""

    lanes: list[int]
    offsets: list[int]
    segments: list[Segment]

    @property
    def cost(self) -> int:
        steps = sum(part.n_steps * (part.n_lanes + _STEP_COST) for part in self.segments)
        return steps + _SEGMENT_COST * len(self.segments)


def _fill_lanes(lengths: Sequence[int], max_lanes: int) -> _Filling:
    """Put the documents into lanes, as many as cost least."""
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: -lengths[i])
    n_places = sum(lengths) + len(order)
    n_lanes = min(max_lanes, math.ceil(n_places / (lengths[order[0]] + 1)))
    filling = _fill(lengths, order, n_lanes)
    if filling.cost <= _FULL * (n_lanes + _STEP_COST) * n_places / n_lanes:
        return filling
    # A few documents of about one length seldom fill that many lanes.
    most = min(max_lanes, len(order))
    numbers = range(max(1, n_lanes // 2), most + 1, 1 + most // _MAX_TRIED)
    return min((filling, *(_fill(lengths, order, number) for number in numbers)), key=lambda filling: filling.cost)


def _fill(lengths: Sequence[int], order: Sequence[int], n_lanes: int) -> _Filling:
    """Put each document in turn into the lane that is the shortest so far."""
    shortest = [(0, lane) for lane in range(n_lanes)]
    lanes, offsets = [0] * len(lengths), [0] * len(lengths)
    for i in order:
        offsets[i], lanes[i] = shortest[0]
        heapq.heapreplace(shortest, (offsets[i] + lengths[i] + 1, lanes[i]))
    ranks = [0] * n_lanes
    ends = []
    for rank, (end, lane) in enumerate(sorted(shortest, reverse=True)):
        ranks[lane] = rank
        ends.append(end - 1)
    return _Filling([ranks[lane] for lane in lanes], offsets, _cut(ends))


def _cut(ends: Sequence[int]) -> list[Segment]:
    """Cut lanes, longest first, into segments, wherever so many end that it pays to go on without them."""
    segments = []
    step = place = 0
    n_lanes = len(ends)
    for n_left in range(len(ends) - 1, -1, -1):
        # Lanes from n_left on end here or before.
        end = ends[n_left]
        saved = (n_lanes - n_left) * ((ends[n_left - 1] if n_left else end) - end)
        if n_left and saved < _SEGMENT_COST:
            continue
        if end > step:
            segments.append(Segment(end - step, n_lanes, place))
            step, place = end, segments[-1].end
        n_lanes = n_left
    return segments
