"""Distributions over the BILUO tag sequences of docs: made from a model or from entities, averaged, and learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy
from spacy.tokens import Doc

from ..bridge.crf import ExpectedCounts, TagPairs
from ..bridge.soft_targets import Ints as AnyInts
from ..bridge.soft_targets import SoftTags
from ..nn.biluo import biluo_constraints, biluo_tag, count_tags, span_to_tags, split_tag
from .entities import Bools, Floats, Ints, find_doc_starts


def make_soft_tags(pairs: TagPairs, lengths: Sequence[int], labels: Sequence[str]) -> list[SoftTags]:
    """Make the soft targets of docs from the probabilities of pairs of tags.

    pairs: the pairs of all docs.
    lengths: number of tokens of each doc.
    labels: the labels of the model.
    RETURNS: the soft targets of each doc, whose probabilities are float32.
    """
    counts = numpy.bincount(pairs.tokens, minlength=sum(lengths))
    ends = numpy.cumsum(lengths)
    pair_ends = numpy.append(0, counts.cumsum())[ends]
    result, start = [], 0
    for end, length, pair_end in zip(ends.tolist(), lengths, pair_ends.tolist(), strict=True):
        chosen = slice(start, pair_end)
        before, tags = numpy.maximum(pairs.before[chosen], 0), pairs.tags[chosen]
        result.append(_compress(labels, counts[end - length : end], before, tags, pairs.probabilities[chosen]))
        start = pair_end
    return result


def make_certain_tags(doc: Doc, weight: float = 1.0) -> SoftTags:
    """Make soft targets that give all probability to the entities of a doc.

    doc: the doc.
    weight: the weight of the doc's loss, >= 0.
    RETURNS: the soft targets.
    """
    labels = sorted({entity.label_ for entity in doc.ents})
    tags = numpy.zeros(len(doc), dtype="int64")
    for entity in doc.ents:
        tags[entity.start : entity.end] = span_to_tags(len(entity), labels.index(entity.label_))
    before = numpy.append(0, tags[:-1])[: len(doc)]
    ones = numpy.ones(len(doc), dtype="int64")
    return _compress(labels, ones, before, tags, ones.astype("float64"), weight)


def average_soft_tags(targets: Sequence[SoftTags], weight: float = 1.0) -> SoftTags:
    """Average distributions over the tag sequences of one doc.

    targets: the distributions of several teachers, at least one. Their own weights have no effect.
    weight: the weight of the doc's loss, >= 0.
    RETURNS: the mean of the distributions.
    """
    labels = sorted({label for target in targets for label in target.labels})
    n_tags = count_tags(len(labels))
    keys, probabilities = [], []
    for target in targets:
        before, tags = (_relabel(array, target.labels, labels) for array in (target.before, target.tags))
        tokens = numpy.repeat(numpy.arange(len(target.counts)), target.counts)
        keys.append((tokens * n_tags + before) * n_tags + tags)
        probabilities.append(target.probabilities.astype("float64") / len(targets))
    distinct, inverse = numpy.unique(numpy.concatenate(keys), return_inverse=True)
    mean = _add_up(numpy.concatenate(probabilities), (len(distinct),), inverse.reshape(-1))
    tokens, pair = numpy.divmod(distinct, n_tags * n_tags)
    before, tags = numpy.divmod(pair, n_tags)
    counts = numpy.bincount(tokens, minlength=len(targets[0].counts))
    return _compress(labels, counts, before, tags, mean, weight)


def get_expected_agreement(targets: SoftTags, certain: SoftTags) -> float:
    """Return the mean probability of the tags of certain entities, as a share from 0 to 1.

    targets: a distribution.
    certain: the entities, as `make_certain_tags` returns them for the same doc.
    """
    labels = sorted({*targets.labels, *certain.labels})
    tokens = numpy.repeat(numpy.arange(len(targets.counts)), targets.counts)
    expected = _relabel(certain.tags, certain.labels, labels)[tokens]
    agrees = _relabel(targets.tags, targets.labels, labels) == expected
    return float(targets.probabilities[agrees].sum() / max(len(targets.counts), 1))


def count_expected(
    targets: Sequence[SoftTags | None], lengths: Sequence[int], labels: Sequence[str], allowed: Bools | None
) -> tuple[ExpectedCounts, Bools]:
    """Count how often distributions use each score of a conditional random field, on average.

    targets: the distribution of each doc, or None.
    lengths: number of tokens of each doc.
    labels: the labels of the model.
    allowed: tags that tokens may have, or None for all. Shape `(n_tokens, n_tags)`.
    RETURNS: the counts, and whether each doc is counted. It is not if it has no distribution or one that the model
        can't express: with an unknown label, or with a tag that is not allowed. Its counts are zero. Shape `(n_docs,)`.
    """
    n_tags = count_tags(len(labels))
    indices = {label: index for index, label in enumerate(labels)}
    is_known = numpy.array(
        [target is not None and all(label in indices for label in target.labels) for target in targets], dtype=bool
    )
    known = [cast(SoftTags, target) for target, is_one in zip(targets, is_known, strict=True) if is_one]
    starts = find_doc_starts(lengths)
    tokens, before, tags, probabilities, docs = _concatenate(known, starts[is_known], indices)
    docs = numpy.flatnonzero(is_known)[docs]
    ends = starts + numpy.asarray(lengths, dtype="int64") - 1
    is_first, is_last = tokens == starts[docs], tokens == ends[docs]
    constraints = biluo_constraints(len(labels))
    fits = numpy.where(
        is_first, constraints.start_transitions.numpy()[tags], constraints.transitions.numpy()[before, tags]
    )
    fits &= ~is_last | constraints.end_transitions.numpy()[tags]
    if allowed is not None:
        fits &= allowed[tokens, tags]
    is_counted = is_known & (numpy.bincount(docs[~fits], minlength=len(lengths)) == 0)
    weights = numpy.array([0.0 if target is None else target.weight for target in targets]) * is_counted
    amounts = probabilities * weights[docs]
    emissions = _add_up(amounts, (sum(lengths), n_tags), tokens, tags)
    later = ~is_first
    transitions = _add_up(amounts[later], (n_tags, n_tags), before[later], tags[later])
    start = _add_up(amounts[is_first], (n_tags,), tags[is_first])
    end = _add_up(amounts[is_last], (n_tags,), tags[is_last])
    return ExpectedCounts(emissions, transitions, start, end, weights), is_counted


def _add_up(amounts: Floats, shape: tuple[int, ...], *places: Ints) -> Floats:
    """Add amounts up at their places in an array."""
    size = int(numpy.prod(shape))
    if not size:
        return numpy.zeros(shape)
    flat = numpy.ravel_multi_index(places, shape)
    return numpy.bincount(flat, amounts, minlength=size).astype("float64").reshape(shape)


def _concatenate(
    targets: Sequence[SoftTags], starts: Ints, indices: Mapping[str, int]
) -> tuple[Ints, Ints, Ints, Floats, Ints]:
    """Return the pairs of all docs: token in the batch, tags by the model's labels, probability, and index of doc."""
    names = list(indices)
    columns: list[list[Ints]] = [[numpy.zeros(0, dtype="int64")] for _ in range(4)]
    probabilities = [numpy.zeros(0)]
    for doc, (target, start) in enumerate(zip(targets, starts.tolist(), strict=True)):
        tokens = numpy.repeat(numpy.arange(len(target.counts)), target.counts) + start
        before, tags = (_relabel(array, target.labels, names) for array in (target.before, target.tags))
        for column, values in zip(columns, (tokens, before, tags, numpy.full(len(tokens), doc)), strict=True):
            column.append(values)
        probabilities.append(target.probabilities.astype("float64"))
    tokens, before, tags, docs = (numpy.concatenate(column) for column in columns)
    return tokens, before, tags, numpy.concatenate(probabilities), docs


def _compress(
    labels: Sequence[str], counts: Ints, before: Ints, tags: Ints, probabilities: Floats, weight: float = 1.0
) -> SoftTags:
    """Make soft targets with only the labels that occur, and small types."""
    found, _ = split_tag(numpy.unique(tags))
    used = [labels[index] for index in sorted({*found.tolist()} - {-1})]
    small = numpy.min_scalar_type(count_tags(len(used)) - 1)
    return SoftTags(
        tuple(used),
        counts.astype(numpy.min_scalar_type(int(counts.max(initial=0)))),
        _relabel(before, labels, used).astype(small),
        _relabel(tags, labels, used).astype(small),
        probabilities.astype("float32"),
        weight,
    )


def _relabel(tags: AnyInts, labels: Sequence[str], new_labels: Sequence[str]) -> Ints:
    """Return tags for other labels, which must include those that occur."""
    positions = {label: index for index, label in enumerate(new_labels)}
    mapping = numpy.array([0, *(positions.get(label, -1) for label in labels)], dtype="int64")
    old, position = split_tag(tags.astype("int64"))
    return cast(Ints, numpy.where(tags > 0, biluo_tag(mapping[old + 1], position), 0))
