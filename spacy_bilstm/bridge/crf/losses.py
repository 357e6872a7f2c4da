"""The losses of the CRF layer and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from thinc.types import Floats2d, FloatsXd
from torch import Tensor, nn

from ..convert import split_documents, tensor_to_array
from ..model_types import CRFLayer
from .batch import Batch, Emissions, Mask
from .layer import PARAMETERS
from .module_types import Layout

Floats = NDArray[numpy.float64]
TagSequence = tuple[int, NDArray[numpy.int64]]
"""First token in the batch, and the tags."""


class CRFLoss(NamedTuple):
    """A loss and its gradients.

    value: the loss, summed over documents.
    d_emissions: gradient of the emissions, one array per document. Shape `(length, n_tags)` each.
    d_parameters: gradient of each parameter of the layer, by its name.
    """

    value: float
    d_emissions: list[Floats2d]
    d_parameters: dict[str, FloatsXd]


def compute_loss(
    model: CRFLayer,
    emissions: Emissions,
    gold_mask: Mask,
    mask: Mask | None = None,
    incorrect: Sequence[TagSequence] = (),
) -> CRFLoss:
    """Compute the negative log likelihood of the gold annotation, summed over documents.

    Each incorrect tag sequence adds `-log(1 - p)`, with the probability p that it occurs at its place, given the gold
    annotation.

    model: the layer.
    emissions: the emissions.
    gold_mask: tags of each token that agree with the gold annotation, all where it is missing. Shape
        `(n_tokens, n_tags)`.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    incorrect: tag sequences that are known to be incorrect.
    RETURNS: the loss. For documents without annotation, it and its gradients are exactly zero.
    RAISES: ValueError if no tag sequence of a document agrees with both masks.
    """
    batch = Batch.read(model, emissions, mask)
    batch.emissions.requires_grad_()
    gold = batch.to_device(gold_mask)
    with torch.enable_grad():
        loss = -batch.crf.log_likelihood(batch.emissions, batch.layout, gold, batch.mask).sum()
        possible = gold if batch.mask is None else gold & batch.mask
        loss = loss + _compute_incorrect_loss(model, batch, possible, incorrect)
    return _compute_gradients(model, batch, loss)


def _compute_incorrect_loss(
    model: CRFLayer, batch: Batch, possible: Tensor, incorrect: Sequence[TagSequence]
) -> Tensor:
    """Sum `-log(1 - p)` over incorrect tag sequences, except for those that are not possible anyway.

    Each of them gets a copy of its document, since one mask can't count the tag sequences with several of them.
    """
    ends = numpy.cumsum(batch.lengths)
    tokens, masks, lengths = [], [], []
    for first, tags in incorrect:
        doc = int(numpy.searchsorted(ends, first, side="right"))
        start = int(ends[doc]) - batch.lengths[doc]
        mask = possible[start : int(ends[doc])].clone()
        place = slice(first - start, first - start + len(tags))
        mask[place] &= _to_one_hot(tags, mask[place])
        if bool(mask[place].any(1).all()):
            tokens.append(torch.arange(start, int(ends[doc])))
            masks.append(mask)
            lengths.append(batch.lengths[doc])
    if not tokens:
        return batch.emissions.new_zeros(())
    copied = torch.cat(tokens).to(batch.emissions.device)
    emissions = batch.emissions[copied]
    layout: Layout = model.attrs["make_layout"](lengths, emissions.device)
    with_sequence = batch.crf.log_partition(emissions, layout, torch.cat(masks))
    log_probability = with_sequence - batch.crf.log_partition(emissions, layout, possible[copied])
    # The bound keeps the logarithm finite where rounding leaves no other tag sequence.
    return -torch.log(-torch.expm1(log_probability.clamp(max=-1e-12))).sum()


def _to_one_hot(tags: NDArray[numpy.int64], like: Tensor) -> Tensor:
    one_hot = torch.zeros_like(like)
    one_hot[torch.arange(len(tags)), torch.as_tensor(tags)] = True
    return one_hot


class ExpectedCounts(NamedTuple):
    """How often a distribution over tag sequences uses each score of a CRF, on average.

    These marginal probabilities are all that a cross-entropy needs to know about the distribution. Counts of a document
    are multiplied by its weight.

    emissions: expected count of each tag at each token. Shape `(n_tokens, n_tags)`, float64, like all arrays below.
    transitions: expected count of the column's tag after the row's tag, in all documents. Shape `(n_tags, n_tags)`.
    start: expected count of each tag at a first token. Shape `(n_tags,)`.
    end: expected count of each tag at a last token. Shape `(n_tags,)`.
    weights: weight of each document, >= 0. Shape `(n_docs,)`.
    """

    emissions: Floats
    transitions: Floats
    start: Floats
    end: Floats
    weights: Floats


def compute_distillation_loss(
    model: CRFLayer, emissions: Emissions, expected: ExpectedCounts, mask: Mask | None = None
) -> CRFLoss:
    """Compute the cross-entropy between given distributions over tag sequences and the model's, exactly.

    For a document, it is the log partition minus the expected score of a tag sequence. The gradient of an emission is
    the model's marginal probability minus the given one. For a distribution with one sequence, this is the negative log
    likelihood of that sequence.

    model: the layer.
    emissions: the emissions.
    expected: the expected counts of the given distributions, whose tag sequences must all be allowed.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    RETURNS: the loss, summed over documents, each multiplied by its weight.
    RAISES: ValueError if a document has no allowed tag sequence.
    """
    batch = Batch.read(model, emissions, mask)
    batch.emissions.requires_grad_()
    *counts, weights = (batch.to_device(array) for array in expected)
    with torch.enable_grad():
        log_partitions = batch.crf.log_partition(batch.emissions, batch.layout, batch.mask)
        loss = (weights[batch.layout.order] * log_partitions).sum() - _compute_expected_score(counts, batch.scores)
    return _compute_gradients(model, batch, loss)


def compute_rehearsal_loss(
    model: CRFLayer, emissions: Emissions, teacher: CRFLayer, teacher_emissions: Emissions
) -> CRFLoss:
    """Compute the Kullback-Leibler divergence of a model's distribution of tag sequences from its teacher's, exactly.

    The model's distribution leaves out tags that the teacher lacks: what they have learned stays.

    model: the layer.
    emissions: the emissions.
    teacher: the layer of the model to return to, with the same tags or the first ones of them.
    teacher_emissions: the teacher's emissions for the same documents.
    RETURNS: the loss, summed over documents, >= 0 up to rounding.
    """
    target = Batch.read(teacher, teacher_emissions)
    target.emissions.requires_grad_()
    with torch.enable_grad():
        # The gradient of a log partition is the expected count of each score in the score of a tag sequence.
        log_partition = target.crf.log_partition(target.emissions, target.layout).sum()
        counts = torch.autograd.grad(log_partition, target.scores)
    negative_entropy = float((_compute_expected_score(counts, target.scores) - log_partition).detach())
    n_tags, n_new_tags = teacher.get_dim("nO"), model.get_dim("nO") - teacher.get_dim("nO")
    padded = [nn.functional.pad(count, (0, n_new_tags)) for count in counts]
    padded[1] = nn.functional.pad(padded[1], (0, 0, 0, n_new_tags))
    mask = numpy.broadcast_to(numpy.arange(n_tags + n_new_tags) < n_tags, emissions.scores.shape)
    counted = [count.cpu().numpy() for count in padded]
    expected = ExpectedCounts._make([*counted, numpy.ones(len(emissions.lengths))])
    loss = compute_distillation_loss(model, emissions, expected, mask)
    return loss._replace(value=loss.value + negative_entropy)


def _compute_expected_score(counts: Sequence[Tensor], scores: Sequence[Tensor]) -> Tensor:
    return torch.stack([(count * score).sum() for count, score in zip(counts, scores, strict=True)]).sum()


def _compute_gradients(model: CRFLayer, batch: Batch, loss: Tensor) -> CRFLoss:
    gradients = torch.autograd.grad(loss, batch.scores, allow_unused=True, materialize_grads=True)
    d_emissions, *d_parameters = (tensor_to_array(gradient.float(), model.ops) for gradient in gradients)
    return CRFLoss(
        float(loss.detach()),
        split_documents(d_emissions, batch.lengths),
        dict(zip(PARAMETERS, d_parameters, strict=True)),
    )


def add_gradients(model: CRFLayer, loss: CRFLoss) -> None:
    """Add a loss's gradients of parameters to the gradients that the layer holds for its next update.

    model: the layer.
    loss: the loss of the layer.
    """
    for name, gradient in loss.d_parameters.items():
        model.inc_grad(name, gradient)
