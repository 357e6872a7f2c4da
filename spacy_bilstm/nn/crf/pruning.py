"""Finds the tokens that can be in an entity of a best tag sequence: in texts, about a tenth of all tokens.

Any entity of an allowed tag sequence can be replaced by "O" at all of its tokens, whatever is beside it. So an entity
is in a best sequence only if its gain is at least 0: the scores of its tags and transitions minus those of the "O" that
could replace it. These are upper bounds of what the parts of an entity add to its gain, over all labels:

- its first token: the highest emission of B minus that of "O", plus `entering`, which is by how much a transition to a
  first tag can exceed the transition from the same tag to "O", or a start transition that of "O";
- an inner token: the highest emission of I minus that of "O", plus `inside`, which is by how much a transition within
  an entity can exceed that from "O" to "O";
- its last token: the highest emission of L minus that of "O", plus `inside` and `leaving`, which is for the tag after
  the entity what `entering` is for the tag before it;
- a single token: the highest emission of U minus that of "O", plus `entering` and `leaving`.

A token for which all entities that hold it have negative bounds is "O" in every best sequence.
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import torch

from ..biluo import max_over_labels
from .scores import Bools, ScoreArrays

# Bounds that are lower are raised to this. They remain upper bounds, and their sums keep their precision.
_LOWEST = -1e3

# Keeps entities from reaching from one document into the next. Any number gives correct bounds.
_DISTANCE = 1e4


def find_possible_entities(scores: ScoreArrays, is_first: Bools) -> Bools:
    """Return which tokens can be in an entity of a best tag sequence.

    scores: scores of BILUO tags of at least one label.
    is_first: whether a token is the first one of its document. Shape `(n_tokens,)`.
    RETURNS: False only for tokens that are "O" in every best sequence. Shape `(n_tokens,)`.
    """
    outside = scores.emissions[:, 0].astype("float64")
    is_forced = outside == -math.inf
    outside[is_forced] = 0.0
    highest = max_over_labels(torch.from_numpy(scores.emissions)).T.numpy().astype("float64", order="C")
    bounds = numpy.maximum(highest - outside, _LOWEST)
    entering, inside, leaving = _bound_transitions(scores)
    bounds += numpy.array([[entering], [inside], [inside + leaving], [entering + leaving]])
    begin, inner, last, unit = bounds
    # A sum over an entity's tokens is the difference of two sums from the first token of all.
    total, doc = inner.cumsum(), is_first.cumsum()
    start = numpy.maximum.accumulate(begin - total + _DISTANCE * doc)
    end = numpy.maximum.accumulate((last - inner + total - _DISTANCE * doc)[::-1])[::-1]
    rounding = numpy.finfo(total.dtype).eps * (len(doc) * numpy.abs(bounds).sum() + 4 * _DISTANCE * doc[-1])
    # Scores that are not finite lead to nan. Negated, as all such tokens are possible.
    is_possible: Bools = ~((start + end < -rounding) & (unit < -rounding))
    if is_forced.any():  # Not every entity can be replaced in these documents.
        is_possible |= numpy.isin(doc, doc[is_forced])
    return is_possible


def _bound_transitions(scores: ScoreArrays) -> tuple[Any, Any, Any]:
    _, transitions, start, end = scores
    # Documents start with opening tags and end with closed ones.
    is_opening, is_closed = start > -math.inf, end > -math.inf
    from_closed = transitions[is_closed][:, is_opening]
    entering = max((from_closed[:, 1:] - from_closed[:, :1]).max(), start[1:].max() - start[0])
    leaving = max((from_closed[1:] - from_closed[0]).max(), end[1:].max() - end[0])
    return entering, transitions[~is_closed].max() - from_closed[0, 0], leaving
