"""The order of documents in lanes: parallel streams that each hold documents one after the other."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

# The costs of a step and of another segment, in units of one lane at one step. At a width of 160 a step of n lanes
# takes n + 7 times as long as one more lane adds (`python -m spacy_bilstm.experiments.recurrence_timings lanes`).
_STEP_COST = 7
_SEGMENT_COST = 30
# Lanes count as full if they cost at most this factor times what perfectly full lanes would.
_FULL = 1.05
# How many numbers of lanes to try at most. Trying them takes less than a hundredth of the recurrence's time.
_MAX_TRIED = 32


@dataclass(frozen=True)
class Segment:
    """Consecutive steps with the same number of lanes. A place is one lane at one step.

    n_steps: number of steps.
    n_lanes: number of lanes. They continue the first lanes of the segment before.
    start: number of places in all segments before this one, in each direction.
    """

    n_steps: int
    n_lanes: int
    start: int

    @property
    def end(self) -> int:
        """Number of places up to the end of this segment, in each direction."""
        return self.start + self.n_steps * self.n_lanes


@dataclass(frozen=True)
class LaneLayout:
    """The place of each token when documents follow one another in lanes.

    A recurrence advances all lanes at once. So each step is one large matrix product, whatever the lengths of the
    documents. After each document of a lane comes a reset, which sets the state to zero, so that no document affects
    the next one. The longest lane is the first. Where many lanes have ended, a new segment continues without them. The
    second direction has lanes of its own, which hold each document backwards.

    segments: the segments of all lanes.
    tokens: for each direction and place, the token there as a position in the concatenated documents, or n_tokens for a
        reset. Places of a direction are numbered by step, then by lane. Shape `(n_directions, n_places)`, int64.
    places: for each direction and token, its place. Shape `(n_directions, n_tokens)`, int64.
    """

    segments: Sequence[Segment]
    tokens: Tensor
    places: Tensor

    @classmethod
    def from_lengths(cls, lengths: Sequence[int], n_directions: int, max_lanes: int) -> LaneLayout:
        """Lay out documents of the given lengths, on CPU.

        lengths: number of tokens of each document, in the order of concatenation, each >= 0, and not all 0.
        n_directions: 1 or 2.
        max_lanes: largest number of lanes, >= 1. The layout has the number that costs least.
        RETURNS: the layout.
        """
        filling = _fill_lanes(lengths, max_lanes)
        length = numpy.asarray(lengths, dtype="int64")
        document = numpy.repeat(numpy.arange(len(length)), length)
        token = numpy.arange(len(document))
        position = token - (length.cumsum() - length)[document]
        lane, offset = (numpy.asarray(values, dtype="int64")[document] for values in (filling.lanes, filling.offsets))
        steps = [offset + position, offset + length[document] - 1 - position][:n_directions]
        segments = filling.segments
        n_lanes = numpy.repeat([segment.n_lanes for segment in segments], [segment.n_steps for segment in segments])
        first_places = n_lanes.cumsum() - n_lanes  # of each step
        places = numpy.stack([first_places[step] + lane for step in steps])
        tokens = numpy.full((n_directions, segments[-1].end), len(token))
        for direction_tokens, direction_places in zip(tokens, places, strict=True):
            direction_tokens[direction_places] = token
        return cls(segments, torch.from_numpy(tokens), torch.from_numpy(places))


@dataclass(frozen=True)
class _Filling:
    """Documents in lanes: each document's lane and its first step there, and the segments of the lanes."""

    lanes: list[int]
    offsets: list[int]
    segments: list[Segment]

    @property
    def cost(self) -> int:
        steps = sum(segment.n_steps * (segment.n_lanes + _STEP_COST) for segment in self.segments)
        return steps + _SEGMENT_COST * len(self.segments)


def _fill_lanes(lengths: Sequence[int], max_lanes: int) -> _Filling:
    """Put the documents into the number of lanes that costs least."""
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: -lengths[i])
    n_places = sum(lengths) + len(order)
    n_lanes = min(max_lanes, math.ceil(n_places / (lengths[order[0]] + 1)))
    filling = _fill(lengths, order, n_lanes)
    if filling.cost <= _FULL * (n_lanes + _STEP_COST) * n_places / n_lanes:
        return filling
    # A few documents of similar length seldom fill that many lanes.
    most = min(max_lanes, len(order))
    numbers = range(max(1, n_lanes // 2), most + 1, 1 + most // _MAX_TRIED)
    return min((filling, *(_fill(lengths, order, number) for number in numbers)), key=lambda filling: filling.cost)


def _fill(lengths: Sequence[int], order: Sequence[int], n_lanes: int) -> _Filling:
    """Put each document in turn into the shortest lane so far."""
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
    """Cut lanes, longest first, into segments, wherever leaving out the ended lanes saves more than it costs."""
    segments = []
    step = place = 0
    n_lanes = len(ends)
    for n_left in range(len(ends) - 1, -1, -1):
        # Lane n_left and all lanes after it end here or earlier.
        end = ends[n_left]
        saved = (n_lanes - n_left) * ((ends[n_left - 1] if n_left else end) - end)
        if n_left and saved < _SEGMENT_COST:
            continue
        if end > step:
            segments.append(Segment(end - step, n_lanes, place))
            step, place = end, segments[-1].end
        n_lanes = n_left
    return segments
