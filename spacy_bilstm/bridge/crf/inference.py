"""What the CRF layer predicts from emissions: tag sequences, spans, and their probabilities."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy
import torch
from numpy.typing import NDArray
from thinc.types import ArrayXd

from ..model_types import CRFLayer
from .batch import Batch, Emissions, Mask

Ints = NDArray[numpy.int64]
Floats = NDArray[numpy.float64]


def decode(model: CRFLayer, emissions: Emissions, mask: Mask | None = None) -> Ints:
    """Find the best tag sequence of each document.

    model: the layer.
    emissions: the emissions.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    RETURNS: the tag of each token. Shape `(n_tokens,)`.
    RAISES: ValueError if a document has no allowed tag sequence.
    """
    # Not converted here: the CRF converts only those of tokens that can be in an entity, about a tenth in texts.
    batch = Batch.read(model, emissions, mask, dtype=None)
    tags, _ = batch.crf.viterbi(batch.emissions, batch.layout, batch.mask)
    return cast(Ints, tags.cpu().numpy())


def decode_k_best(
    model: CRFLayer, emissions: Emissions, k: int, mask: Mask | None = None, temperature: float = 1.0
) -> tuple[Ints, Floats]:
    """Find the k best tag sequences of each document, exactly, and their probabilities.

    model: the layer.
    emissions: the emissions.
    k: number of tag sequences, >= 1.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    temperature: all scores are divided by it, > 0. It does not change the order of tag sequences.
    RETURNS: the tag of each token in each sequence, best sequence first, shape `(k, n_tokens)`; and the probability of
        each sequence, shape `(n_docs, k)`. Where a document has fewer sequences, tags are -1 and probabilities 0.
    RAISES: ValueError if k is below 1 or a document has no allowed tag sequence.
    """
    batch = Batch.read(model, emissions, mask, temperature)
    tags, scores = batch.crf.k_best(batch.emissions, batch.layout, k, batch.mask)
    with torch.no_grad():
        log_partitions = batch.crf.log_partition(batch.emissions, batch.layout, batch.mask)
    probabilities = batch.in_callers_order((scores - log_partitions[:, None]).exp(), 0.0)
    probabilities[[length == 0 for length in batch.lengths], 0] = 1.0  # An empty document has one empty sequence.
    return tags.cpu().numpy(), probabilities.clamp(max=1.0).cpu().numpy()


class TagPairs(NamedTuple):
    """Pairs of neighbouring tags and their probabilities, ordered by token.

    tokens: second token of each pair in the batch. Shape `(n_pairs,)`.
    before: tag of the token before, -1 at the first token of a document. Shape `(n_pairs,)`.
    tags: tag of the token. Shape `(n_pairs,)`.
    probabilities: probability of each pair. Those of a token add up to 1. Shape `(n_pairs,)`.
    """

    tokens: Ints
    before: Ints
    tags: Ints
    probabilities: Floats


def compute_tag_pairs(
    model: CRFLayer, emissions: Emissions, min_probability: float, mask: Mask | None = None, temperature: float = 1.0
) -> TagPairs:
    """Compute the probabilities of pairs of neighbouring tags, for the probable tags only.

    The result is a proper distribution over tag sequences: that of the CRF, given that each tag of a document is one of
    its token's probable tags or that of the best tag sequence.

    model: the layer.
    emissions: the emissions.
    min_probability: the probability from which a tag is probable, 0 <= min_probability <= 1.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    temperature: all scores are divided by it, > 0.
    RETURNS: the pairs.
    RAISES: ValueError if a document has no allowed tag sequence.
    """
    batch = Batch.read(model, emissions, mask, temperature)
    pairs = batch.crf.tag_pairs(batch.emissions, batch.layout, min_probability, batch.mask)
    return TagPairs(*(values.cpu().numpy() for values in pairs))


def compute_span_probabilities(
    model: CRFLayer,
    emissions: Emissions,
    starts: Ints,
    ends: Ints,
    labels: Ints,
    mask: Mask | None = None,
    temperature: float = 1.0,
) -> Floats:
    """Compute the probability of each span to be, as a whole, an entity of its label.

    model: the layer.
    emissions: the emissions.
    starts: first token of each span in the batch. Shape `(n_spans,)`.
    ends: token after the last one of each span. Shape `(n_spans,)`.
    labels: index of each span's label. Shape `(n_spans,)`.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    temperature: all scores are divided by it, > 0.
    RETURNS: the probabilities. Shape `(n_spans,)`.
    RAISES: ValueError if a document with a span has no allowed tag sequence.
    """
    # Most documents have no span, and a document's result does not depend on the other documents.
    lengths = numpy.array(emissions.lengths, dtype="int64")
    has_span = numpy.zeros(len(lengths), dtype=bool)
    has_span[numpy.searchsorted(lengths.cumsum(), starts, side="right")] = True
    is_kept = numpy.repeat(has_span, lengths)
    n_left_out = numpy.cumsum(~is_kept)
    starts, ends = starts - n_left_out[starts], ends - n_left_out[ends - 1]
    kept = Emissions(emissions.scores[model.ops.asarray(cast(ArrayXd, is_kept))], lengths[has_span].tolist())
    batch = Batch.read(model, kept, None if mask is None else mask[is_kept], temperature)
    first, after_last, label = (batch.to_device(array) for array in (starts, ends, labels))
    values = batch.crf.span_log_probability(batch.emissions, batch.layout, first, after_last, label, batch.mask)
    return cast(Floats, values.exp().cpu().numpy())


def find_probable_spans(
    model: CRFLayer, emissions: Emissions, threshold: float, mask: Mask | None = None, temperature: float = 1.0
) -> tuple[Ints, Ints, Ints, Floats]:
    """Find all spans that are, as a whole, entities of a label with at least a certain probability.

    model: the layer.
    emissions: the emissions.
    threshold: the lowest probability, 0 < threshold <= 1.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    temperature: all scores are divided by it, > 0.
    RETURNS: first token of each span in the batch, token after its last one, index of its label, and its probability.
        Spans may overlap and are in no particular order. Shape `(n_spans,)` each.
    RAISES: ValueError if a document has no allowed tag sequence, or for a threshold out of its range.
    """
    batch = Batch.read(model, emissions, mask, temperature)
    spans = batch.crf.find_probable_spans(batch.emissions, batch.layout, threshold, batch.mask)
    starts, ends, labels, log_probabilities = (values.cpu() for values in spans)
    return starts.numpy(), ends.numpy(), labels.numpy(), log_probabilities.exp().numpy()
