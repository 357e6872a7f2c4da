"""Entities of docs as arrays. Docs become masks of allowed tags, and tags become entities of docs.

The rows of all docs of a batch stand one after the other. Tags are numbered as by `nn.biluo.biluo_tag`; a label is
known by its index in the component's labels, or by its hash in arrays of docs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, SENT_START
from spacy.tokens import Doc
from thinc.types import Ints2d

from ..nn.biluo import biluo_tag

Bools = NDArray[numpy.bool_]
Ints = NDArray[numpy.int64]
Floats = NDArray[numpy.float64]
Hashes = NDArray[numpy.uint64]

UNKNOWN = -1
MISSING, INSIDE, OUTSIDE, BEGIN = range(4)  # values of spaCy's ENT_IOB
B_TAG, I_TAG, L_TAG, U_TAG = (biluo_tag(0, position) for position in "BILU")
N_POSITIONS = 4


@dataclass(frozen=True)
class Tokens:
    """What the rows of a batch tell about possible entities.

    lengths: number of tokens of each doc.
    is_first: whether a row is the first one of its doc. Shape `(n_rows,)`, as of all that follow.
    is_space: whether it is whitespace.
    starts_sentence: whether it is known to start a sentence.
    ent_iob: its annotation as spaCy's ENT_IOB.
    ent_type: its annotation as spaCy's ENT_TYPE.
    """

    lengths: list[int]
    is_first: Bools
    is_space: Bools
    starts_sentence: Bools
    ent_iob: Hashes
    ent_type: Hashes

    @classmethod
    def read(cls, docs: Sequence[Doc]) -> Tokens:
        """Read the tokens of docs."""
        lengths = [len(doc) for doc in docs]
        is_space, sent_start, ent_iob, ent_type = read_attributes(docs, [IS_SPACE, SENT_START, ENT_IOB, ENT_TYPE])
        is_first = numpy.zeros(len(is_space), dtype=bool)
        is_first[find_doc_starts(lengths)[numpy.asarray(lengths) > 0]] = True
        return cls(lengths, is_first, is_space == 1, sent_start == 1, ent_iob, ent_type)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.is_first)

    @property
    def is_preset(self) -> Bools:
        """Whether a row's annotation stays: it is part of an entity, or blocked from being one."""
        return cast(Bools, (self.ent_iob == BEGIN) | (self.ent_iob == INSIDE))

    def precedes(self, condition: Bools) -> Bools:
        """Whether the next row is of the same doc and has a condition."""
        following = condition & ~self.is_first
        return numpy.append(following[1:], False)


@dataclass(frozen=True)
class Spans:
    """Spans of a batch.

    starts: first row of each span. Shape `(n_spans,)`.
    ends: row after the last one of each span. Shape `(n_spans,)`.
    labels: index of each span's label. Shape `(n_spans,)`.
    """

    starts: Ints
    ends: Ints
    labels: Ints

    def __len__(self) -> int:
        return len(self.starts)

    def select(self, rows: Bools | Ints) -> Spans:
        """The spans for which a condition, of shape `(n_spans,)`, is true, or those with some indices."""
        return Spans(self.starts[rows], self.ends[rows], self.labels[rows])


def read_attributes(docs: Sequence[Doc], attrs: list[int | str]) -> Hashes:
    """Give attributes of all tokens of docs.

    docs: the docs.
    attrs: ids of the attributes, two at least.
    RETURNS: the attributes' values. Shape `(n_attrs, n_rows)`.
    """
    arrays = [doc.to_array(attrs) for doc in docs]
    return numpy.concatenate([numpy.zeros((0, len(attrs)), dtype="uint64"), *arrays]).T


def find_doc_starts(lengths: Sequence[int]) -> Ints:
    """Give the first row of each doc, or where it would be for an empty one. Shape `(n_docs,)`."""
    ends = numpy.cumsum(lengths, dtype="int64")
    return cast(Ints, ends - numpy.asarray(lengths, dtype="int64"))


def find_allowed_tags(tokens: Tokens, label_hashes: Sequence[int], keep_presets: bool = True) -> Bools | None:
    """Find the tags that tokens may have.

    No entity starts or ends in whitespace or goes on over the known start of a sentence. Preset entities keep their
    tags, and blocked tokens are no entities. As for spaCy's `ner`, a preset "O" is no constraint. There always is a
    path of allowed tags: presets are whole entities, and all other tokens may be "O".

    tokens: the tokens.
    label_hashes: hash of each label.
    keep_presets: whether preset annotation is kept.
    RETURNS: the mask, shape `(n_rows, n_tags)`, or None if all tags are allowed.
    """
    ends_sentence = tokens.precedes(tokens.starts_sentence)
    is_preset = tokens.is_preset if keep_presets else numpy.zeros(tokens.n_rows, dtype=bool)
    if not (tokens.is_space.any() or ends_sentence.any() or is_preset.any()):
        return None
    allowed = numpy.ones((tokens.n_rows, 1 + N_POSITIONS * len(label_hashes)), dtype=bool)
    by_label = allowed[:, 1:].reshape(tokens.n_rows, len(label_hashes), N_POSITIONS)  # a view
    for position in (B_TAG, L_TAG, U_TAG):
        by_label[tokens.is_space, :, position - B_TAG] = False
    for position in (B_TAG, I_TAG):
        by_label[ends_sentence, :, position - B_TAG] = False
    if is_preset.any():
        tags = find_tags(tokens.ent_iob, tokens.ent_type, tokens, label_hashes)
        # An entity of a label that the model lacks is a gap for it, as a blocked token is.
        allowed[is_preset] = False
        allowed[is_preset, numpy.maximum(tags[is_preset], 0)] = True
    return allowed


def find_tags(ent_iob: Hashes, ent_type: Hashes, tokens: Tokens, label_hashes: Sequence[int]) -> Ints:
    """Give annotation as tags.

    An "I" that does not go on with the entity before it starts one, as spaCy mends it when it sets entities.

    ent_iob, ent_type: the annotation, as spaCy's attributes. Shape `(n_rows,)`.
    tokens: the tokens.
    label_hashes: hash of each label.
    RETURNS: the tags, UNKNOWN for tokens that are not annotated, blocked, or of another label. Shape `(n_rows,)`.
    """
    in_entity = is_in_entity(ent_iob, ent_type)
    continues = is_continuing(ent_iob, ent_type, tokens)
    is_last = ~numpy.append(continues[1:], False)
    position = numpy.where(continues, numpy.where(is_last, L_TAG, I_TAG), numpy.where(is_last, U_TAG, B_TAG))
    labels = find_label_indices(ent_type, label_hashes)
    tags = numpy.where(ent_iob == OUTSIDE, 0, UNKNOWN)
    is_known = in_entity & (labels >= 0)
    tags[is_known] = position[is_known] + N_POSITIONS * labels[is_known]
    return cast(Ints, tags)


def is_in_entity(ent_iob: Hashes, ent_type: Hashes) -> Bools:
    """Say which tokens are in an entity, by their annotation. Shape `(n_rows,)`, as of the arguments."""
    return cast(Bools, ((ent_iob == BEGIN) | (ent_iob == INSIDE)) & (ent_type != 0))


def is_continuing(ent_iob: Hashes, ent_type: Hashes, tokens: Tokens) -> Bools:
    """Say which tokens go on with the entity of the token before them. Shape `(n_rows,)`, as of the arguments."""
    in_entity = is_in_entity(ent_iob, ent_type)
    continues = in_entity & (ent_iob == INSIDE) & ~tokens.is_first
    continues[1:] &= in_entity[:-1] & (ent_type[1:] == ent_type[:-1])
    return cast(Bools, continues)


def find_label_indices(hashes: Hashes, label_hashes: Sequence[int]) -> Ints:
    """Give the index of each label, UNKNOWN for those that are not among the labels. Shape of `hashes`."""
    indices = {value: index for index, value in enumerate(label_hashes)}
    distinct, inverse = numpy.unique(hashes, return_inverse=True)
    found = numpy.array([indices.get(value, UNKNOWN) for value in distinct.tolist()], dtype="int64")
    return cast(Ints, found[inverse.reshape(-1)])


def find_spans(tags: Ints) -> Spans:
    """Find the entities of valid tags. Shape of `tags`: `(n_rows,)`; they must be known."""
    position = (tags - 1) % N_POSITIONS + B_TAG
    is_entity = tags > 0
    starts = numpy.flatnonzero(is_entity & ((position == B_TAG) | (position == U_TAG)))
    lasts = numpy.flatnonzero(is_entity & ((position == L_TAG) | (position == U_TAG)))
    return Spans(starts, lasts + 1, (tags[starts] - 1) // N_POSITIONS)


def choose_spans(spans: Spans, probabilities: Floats, n_rows: int) -> Ints:
    """Choose spans that do not overlap: the most probable first, and of equal ones the first and shortest.

    spans: the spans.
    probabilities: the probability of each. Shape `(n_spans,)`.
    n_rows: number of rows.
    RETURNS: indices of the chosen spans, in the order of the text. Shape `(n_chosen,)`.
    """
    is_taken = numpy.zeros(n_rows, dtype=bool)
    chosen = []
    order = numpy.lexsort((spans.labels, spans.ends, spans.starts, -probabilities))
    starts, ends = spans.starts.tolist(), spans.ends.tolist()
    for i in order.tolist():
        rows = slice(starts[i], ends[i])
        if not is_taken[rows].any():
            is_taken[rows] = True
            chosen.append(i)
    result = numpy.array(chosen, dtype="int64")
    return cast(Ints, result[numpy.argsort(spans.starts[result])])


def tag_span(length: int, label: int) -> Ints:
    """Give the tags of an entity of a length >= 1 and a label's index. Shape `(length,)`."""
    positions = [U_TAG] if length == 1 else [B_TAG, *[I_TAG] * (length - 2), L_TAG]
    return cast(Ints, numpy.array(positions) + N_POSITIONS * label)


def write_entities(docs: Sequence[Doc], tokens: Tokens, spans: Spans, label_hashes: Sequence[int]) -> None:
    """Annotate docs with entities. Preset annotation stays as it is; all other tokens become "O".

    docs: the docs.
    tokens: their tokens.
    spans: the entities, which must not overlap with each other or preset ones.
    label_hashes: hash of each label.
    """
    # One array for all docs: as fast as `doc.set_ents` with spans, which would need a loop over tokens for the "O".
    values = numpy.zeros((tokens.n_rows, 2), dtype="uint64")
    ent_iob, ent_type = values.T
    ent_iob[:] = OUTSIDE
    lengths = spans.ends - spans.starts
    offsets = numpy.arange(lengths.sum()) - numpy.repeat(lengths.cumsum() - lengths, lengths)
    rows = numpy.repeat(spans.starts, lengths) + offsets
    ent_iob[rows] = numpy.where(offsets == 0, BEGIN, INSIDE)
    ent_type[rows] = numpy.repeat(numpy.asarray(label_hashes, dtype="uint64")[spans.labels], lengths)
    is_preset = tokens.is_preset
    ent_iob[is_preset] = tokens.ent_iob[is_preset]
    ent_type[is_preset] = tokens.ent_type[is_preset]
    is_entity = is_in_entity(tokens.ent_iob, tokens.ent_type)
    ent_iob[is_entity & ~is_continuing(tokens.ent_iob, tokens.ent_type, tokens)] = BEGIN  # See `find_tags`.
    start = 0
    for doc, length in zip(docs, tokens.lengths, strict=True):
        doc.from_array([ENT_IOB, ENT_TYPE], cast(Ints2d, values[start : start + length]))
        start += length
