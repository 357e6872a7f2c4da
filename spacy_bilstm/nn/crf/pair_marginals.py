"""Probabilities of pairs of neighbouring tags, for the probable tags only."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..layout import PackedLayout
from .lattice import PackedSteps, run_backward, run_forward
from .scores import Scores

NO_TAG = -1
"""The tag before a first token."""


class TagPairs(NamedTuple):
    """Pairs of neighbouring tags and their probabilities, ordered by token. Tokens are in the caller's order.

    tokens: second token of each pair. Shape `(n_pairs,)`, int64.
    before: tag of the token before, `NO_TAG` at a first token. Shape `(n_pairs,)`, int64.
    tags: tag of the token. Shape `(n_pairs,)`, int64.
    probabilities: probability of each pair. Those of a token add up to 1. Shape `(n_pairs,)`.
    """

    tokens: Tensor
    before: Tensor
    tags: Tensor
    probabilities: Tensor


def compute_tag_pairs(scores: Scores, layout: PackedLayout, is_kept: Tensor) -> TagPairs:
    """Compute the probabilities of all pairs of kept tags, given that all tags of a document are kept ones.

    scores: the scores of the batch.
    layout: the layout of its tokens.
    is_kept: the tags to keep. They must allow a sequence of each document. Caller's order, shape `(n_tokens, n_tags)`.
    RETURNS: the pairs that are possible.
    """
    is_kept = is_kept[layout.to_packed]
    kept = Scores(
        scores.emissions.masked_fill(~is_kept, -math.inf),
        scores.transitions,
        scores.start_transitions,
        scores.end_transitions,
        scores.allow_only_biluo,
    )
    steps = PackedSteps.build(layout.batch_sizes, scores.emissions.device)
    lattice = run_backward(run_forward(kept, steps))
    tokens, tags = is_kept.nonzero(as_tuple=True)
    n_kept = is_kept.sum(1)
    is_first = tokens < steps.n_docs
    first_tokens, first_tags = tokens[is_first], tags[is_first]
    first = (lattice.log_forward() + lattice.log_backward())[first_tokens, first_tags]
    later_tokens, later_tags = tokens[~is_first], tags[~is_first]
    previous = steps.previous[later_tokens - steps.n_docs]
    # Every kept tag of a token is paired with every kept tag of the token before.
    n_before = n_kept[previous]
    pair = torch.repeat_interleave(torch.arange(len(later_tokens), device=tokens.device), n_before)
    offset = torch.arange(len(pair), device=tokens.device) - (n_before.cumsum(0) - n_before)[pair]
    before = tags[(n_kept.cumsum(0) - n_kept)[previous[pair]] + offset]
    token, tag = later_tokens[pair], later_tags[pair]
    later = lattice.log_forward()[previous[pair], before] + scores.transitions[before, tag]
    later = later + kept.emissions[token, tag] + lattice.log_backward()[token, tag]
    all_tokens = torch.cat((first_tokens, token))
    probabilities = _normalize(torch.cat((first, later)), all_tokens, len(is_kept))
    all_before = torch.cat((torch.full_like(first_tags, NO_TAG), before))
    all_tags = torch.cat((first_tags, tag))
    is_possible = probabilities > 0
    in_order = layout.to_packed[all_tokens[is_possible]]
    order = in_order.argsort(stable=True)
    return TagPairs(
        in_order[order],
        all_before[is_possible][order],
        all_tags[is_possible][order],
        probabilities[is_possible][order],
    )


def _normalize(log_weights: Tensor, tokens: Tensor, n_tokens: int) -> Tensor:
    """Return probabilities that add up to 1 for each token."""
    peak = log_weights.new_full((n_tokens,), -math.inf).scatter_reduce(0, tokens, log_weights, "amax")
    weights = (log_weights - peak[tokens]).exp()
    total = weights.new_zeros(n_tokens).index_add(0, tokens, weights)
    return weights / total[tokens]
