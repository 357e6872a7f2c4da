"""The log partition of the CRF as a function that torch can differentiate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..layout import PackedLayout
from .lattice import PackedSteps, compute_log_partition, run_backward, run_forward
from .scores import Scores


def compute_dtype(device: torch.device) -> torch.dtype:
    """Return the type in which the CRF computes on a device."""
    # float64 has the exponents that `ScaledLattice` needs and keeps losses of long documents exact: they are small
    # differences of large sums. MPS has no float64; there, more batches fall back to log space.
    return torch.float32 if device.type == "mps" else torch.float64


def pack_emissions(emissions: Tensor, layout: PackedLayout, masks: Tensor | None) -> Tensor:
    """Return emissions in packed order, -inf where a mask forbids a tag.

    emissions: emissions in the caller's order. Shape `(n_tokens, n_tags)`.
    layout: the layout of their tokens.
    masks: the allowed tags of each token under one or several masks, or None. Shape `(n_tokens, n_masks, n_tags)`.
    RETURNS: the emissions, those of one token under all masks side by side. Shape `(n_tokens * n_masks, n_tags)`.
    """
    packed = emissions.detach()[layout.to_packed].to(compute_dtype(emissions.device))
    if masks is None:
        return packed
    return packed[:, None, :].masked_fill(~masks[layout.to_packed], -math.inf).flatten(0, 1)


class _LogPartition(torch.autograd.Function):
    """Log partitions with their analytic gradient: the expected counts of tags and transitions."""

    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        transitions: Tensor,
        start_transitions: Tensor,
        end_transitions: Tensor,
        layout: PackedLayout,
        masks: Tensor | None,
        allow_only_biluo: bool,
    ) -> Tensor:
        ctx.n_masks = 1 if masks is None else masks.shape[1]
        ctx.layout, ctx.dtype = layout, emissions.dtype
        packed = pack_emissions(emissions, layout, masks)
        scores = Scores(packed, transitions, start_transitions, end_transitions, allow_only_biluo)
        # A document under each mask is a document of its own, so one pass serves all masks.
        steps = PackedSteps.build(layout.batch_sizes * ctx.n_masks, emissions.device)
        ctx.lattice = run_forward(scores, steps)
        return compute_log_partition(ctx.lattice).view(-1, ctx.n_masks)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        lattice = run_backward(ctx.lattice)
        steps = lattice.steps
        weights = grad_output.reshape(-1)
        tags = lattice.tag_probabilities() * weights[steps.doc, None]
        by_token = tags.view(-1, ctx.n_masks, tags.shape[1]).sum(1)
        emissions = by_token[ctx.layout.from_packed].to(ctx.dtype)
        transitions = lattice.expected_transitions(weights)
        return emissions, transitions, tags[: steps.n_docs].sum(0), tags[steps.last].sum(0), None, None, None


def compute_log_partitions(
    emissions: Tensor,
    transitions: Tensor,
    start_transitions: Tensor,
    end_transitions: Tensor,
    layout: PackedLayout,
    masks: Tensor | None,
    allow_only_biluo: bool,
) -> Tensor:
    """Compute the log partition of each document under each mask, by the forward algorithm (Rabiner 1989).

    It is differentiable once with respect to all scores, by the forward-backward algorithm.

    emissions: emissions in the caller's order. Shape `(n_tokens, n_tags)`.
    transitions: score of the column's tag after the row's tag, -inf if forbidden. Shape `(n_tags, n_tags)`.
    start_transitions: score of each tag at a first token. Shape `(n_tags,)`.
    end_transitions: score of each tag at a last token. Shape `(n_tags,)`.
    layout: the layout of the tokens.
    masks: the allowed tags of each token under one or several masks, or None. Shape `(n_tokens, n_masks, n_tags)`.
    allow_only_biluo: whether the transitions are -inf for exactly those that BILUO forbids.
    RETURNS: the log partitions, -inf or nan where no tag sequence is allowed. Shape `(n_docs, n_masks)`.
    """
    apply: Callable[..., Tensor] = _LogPartition.apply
    return apply(emissions, transitions, start_transitions, end_transitions, layout, masks, allow_only_biluo)
