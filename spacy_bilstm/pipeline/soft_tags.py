"""Distributions over the BILUO tag sequences of docs: made from a model or from entities, averaged, and learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy
from spacy.tokens import Doc

from ..bridge.crf import ExpectedCounts, TagPairs
from ..bridge.soft_targets import Ints as AnyInts
from ..bridge.soft_targets import SoftTags
from ..nn.biluo import Position, biluo_constraints, biluo_tag, count_tags, span_to_tags, split_tag
from .entities import Bools, Floats, Ints, find_doc_starts


def make_soft_tags(pairs: TagPairs, lengths: Sequence[int], labels: Sequence[str]) -> list[SoftTags]:
    """Make the soft targets of docs from the probabilities of pairs of tags.

    pairs: the pairs of all docs.
    lengths: number of tokens of each doc.
    labels: the labels of the model.
    RETURNS: the soft targets of each doc, whose probabilities are float32.
    """
    counts = numpy.bincount(pairs.tokens, minlength=sum(lengths))
    ends = numpy.cumsum(lengths, dtype="int64")
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

    doc: the doc. Whitespace at the start and the end of its entities has no effect.
    weight: the weight of the doc's loss, >= 0.
    RETURNS: the soft targets.
    """
    labels = sorted({entity.label_ for entity in doc.ents})
    is_word = numpy.array([not token.is_space for token in doc], dtype=bool)
    tags = numpy.zeros(len(doc), dtype="int64")
    for entity in doc.ents:
        words = entity.start + is_word[entity.start : entity.end].nonzero()[0]
        if len(words):
            tags[words] = span_to_tags(len(words), labels.index(entity.label_))
    tags = tags[is_word]
    before = numpy.append(0, tags[:-1])[: len(tags)]
    return _compress(labels, is_word.astype("int64"), before, tags, numpy.ones(len(tags)), weight)


def leave_out_whitespace(targets: SoftTags, is_space: Bools) -> SoftTags | None:
    """Return the distribution over the tag sequences of words, from one that may also tell the tags of whitespace.

    No entity starts or ends in whitespace, so the tags of words decide those of whitespace.

    targets: a distribution as a conditional random field has it: a token depends on the token before alone. The
        average of several is none.
    is_space: whether each token is whitespace. Shape `(n_tokens,)`.
    RETURNS: the distribution, or None if an entity may start or end in whitespace.
    """
    is_read = is_space & (targets.counts > 0)
    if not is_read.any():
        return targets
    tokens = numpy.repeat(numpy.arange(len(targets.counts)), targets.counts)
    _, positions = split_tag(targets.tags[is_read[tokens]].astype("int64"))
    if not numpy.isin(positions, (Position.O, Position.I)).all():
        return None
    counts = numpy.zeros(len(targets.counts), dtype="int64")
    parts = [_TagPairs.empty()]
    word, ends = None, targets.counts.cumsum(dtype="int64")
    for token in (~is_space).nonzero()[0].tolist():
        pairs = _TagPairs.read(targets, slice(int(ends[token] - targets.counts[token]), int(ends[token])))
        if word is not None and is_read[word + 1 : token].any():
            pairs = pairs.follow(parts[-1])
        parts.append(pairs)
        counts[token], word = len(pairs.tags), token
    before, tags, probabilities = (numpy.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _compress(targets.labels, counts, before, tags, probabilities, targets.weight)


def add_whitespace(targets: SoftTags) -> SoftTags:
    """Return a distribution over the tag sequences of words as one over those of all tokens.

    targets: the distribution.
    RETURNS: the distribution. The tags of words decide those of whitespace, as no entity starts or ends in it.
    """
    is_word = targets.counts > 0
    if is_word.all():
        return targets
    # Whitespace has the pairs of the last word before it, with other tags; a last pair stands for the start of the doc.
    n_tokens, n_pairs = len(is_word), len(targets.tags)
    source = numpy.maximum.accumulate(numpy.where(is_word, numpy.arange(n_tokens), -1))
    counts = numpy.append(targets.counts, 1)[source].astype("int64")
    starts = numpy.append(targets.counts.cumsum(dtype="int64") - targets.counts, n_pairs)[source]
    pairs = numpy.repeat(starts - counts.cumsum() + counts, counts) + numpy.arange(counts.sum())
    tags, before = (numpy.append(array, 0)[pairs].astype("int64") for array in (targets.tags, targets.before))
    tokens = numpy.repeat(numpy.arange(n_tokens), counts)
    is_space = ~is_word[tokens]
    before = numpy.where(is_space, tags, before)
    before = numpy.where(numpy.append(False, ~is_word)[tokens], _get_whitespace_tags(before), before)
    tags = numpy.where(is_space, _get_whitespace_tags(tags), tags)
    return replace(
        targets, counts=counts, before=before, tags=tags, probabilities=numpy.append(targets.probabilities, 1.0)[pairs]
    )


class _TagPairs(NamedTuple):
    """The pairs of tags that end in one word."""

    before: Ints
    tags: Ints
    probabilities: Floats

    @classmethod
    def empty(cls) -> _TagPairs:
        return cls(numpy.zeros(0, dtype="int64"), numpy.zeros(0, dtype="int64"), numpy.zeros(0))

    @classmethod
    def read(cls, targets: SoftTags, pairs: slice) -> _TagPairs:
        before, tags = (array[pairs].astype("int64") for array in (targets.before, targets.tags))
        return cls(before, tags, targets.probabilities[pairs].astype("float64"))

    def follow(self, last: _TagPairs) -> _TagPairs:
        """Return the pairs with the tags of the last word, if the pairs have those of the whitespace after it."""
        tags, inverse = numpy.unique(last.tags, return_inverse=True)
        amounts = _add_up(last.probabilities, (len(tags),), inverse.reshape(-1))
        joint = amounts[:, None] * (_get_whitespace_tags(tags)[:, None] == self.before)
        total = joint.sum(0)
        joint *= numpy.divide(self.probabilities, total, out=numpy.zeros(len(total)), where=total > 0)
        first, second = joint.nonzero()
        return _TagPairs(tags[first], self.tags[second], joint[first, second])


def _get_whitespace_tags(tags: Ints) -> Ints:
    """Return the tags of whitespace after tokens with certain tags: I inside an entity, otherwise O."""
    labels, positions = split_tag(tags)
    is_inside = (positions == Position.B) | (positions == Position.I)
    return cast(Ints, numpy.where(is_inside, biluo_tag(labels, Position.I), 0))


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
    """Return the mean probability of the tags of words in certain entities, as a share from 0 to 1.

    targets: a distribution.
    certain: the entities, as `make_certain_tags` returns them for the same doc.
    """
    labels = sorted({*targets.labels, *certain.labels})
    expected = numpy.repeat(_relabel(certain.tags, certain.labels, labels), targets.counts[targets.counts > 0])
    agrees = _relabel(targets.tags, targets.labels, labels) == expected
    return float(targets.probabilities[agrees].sum() / max(len(certain.tags), 1))


def count_expected(
    targets: Sequence[SoftTags | None], lengths: Sequence[int], labels: Sequence[str], allowed: Bools | None
) -> tuple[ExpectedCounts, Bools]:
    """Count how often distributions use each score of a conditional random field, on average.

    targets: the distribution of each doc, or None, with pairs for all tokens that the model reads.
    lengths: number of tokens of each doc that the model reads.
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
        counts = target.counts[target.counts > 0]
        tokens = numpy.repeat(numpy.arange(len(counts)), counts) + start
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
