"""Entities of docs as arrays over all tokens of a batch: reading them, the tags they allow, and writing them.

The arrays hold the tokens of all docs, doc after doc. Labels are indices into the component's labels, or hashes in
arrays that spaCy reads or writes. Tags are numbered as in `nn.biluo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, SENT_START
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab
from thinc.types import Ints2d

from ..nn.biluo import Position, biluo_tag, count_tags, tags_at, tags_to_spans

Bools = NDArray[numpy.bool_]
Ints = NDArray[numpy.int64]
Floats = NDArray[numpy.float64]
Hashes = NDArray[numpy.uint64]

UNKNOWN = -1
MISSING, INSIDE, OUTSIDE, BEGIN = range(4)  # values of spaCy's ENT_IOB


@dataclass(frozen=True)
class Tokens:
    """The properties of a batch's tokens that decide which entities are possible.

    lengths: number of tokens of each doc.
    is_first: whether a token is the first one of its doc. Shape `(n_tokens,)`, like all arrays below.
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

    def __len__(self) -> int:
        return len(self.is_first)

    @property
    def is_preset(self) -> Bools:
        """Whether a token keeps its annotation: it is part of an entity, or blocked from being one."""
        return cast(Bools, (self.ent_iob == BEGIN) | (self.ent_iob == INSIDE))

    @property
    def ends_sentence(self) -> Bools:
        """Whether the next token of the doc is known to start a sentence."""
        following = self.starts_sentence & ~self.is_first
        return numpy.append(following[1:], False)


@dataclass(frozen=True)
class Spans:
    """Entity spans of a batch.

    starts: first token of each span. Shape `(n_spans,)`.
    ends: token after the last one of each span. Shape `(n_spans,)`.
    labels: index of each span's label. Shape `(n_spans,)`.
    """

    starts: Ints
    ends: Ints
    labels: Ints

    @classmethod
    def from_tags(cls, tags: Ints) -> Spans:
        """Return the entities of valid tags. Unknown tags are in no entity."""
        return cls(*tags_to_spans(tags))

    def __len__(self) -> int:
        return len(self.starts)

    def select(self, which: Bools | Ints) -> Spans:
        """Return the spans where a mask of shape `(n_spans,)` is true, or those with certain indices."""
        return Spans(self.starts[which], self.ends[which], self.labels[which])


@dataclass(frozen=True)
class PredictedEntities:
    """The entities of a batch of docs, without those that were set before.

    tokens: the docs' tokens.
    spans: the entities.
    probabilities: the probability of each entity, or None if the settings need none. Shape `(n_spans,)`.
    """

    tokens: Tokens
    spans: Spans
    probabilities: Floats | None


def read_attributes(docs: Sequence[Doc], attrs: list[int | str]) -> Hashes:
    """Read attributes of all tokens of docs.

    docs: the docs.
    attrs: ids of the attributes, at least two.
    RETURNS: the values of the attributes. Shape `(n_attrs, n_tokens)`.
    """
    arrays = [doc.to_array(attrs) for doc in docs]
    return numpy.concatenate([numpy.zeros((0, len(attrs)), dtype="uint64"), *arrays]).T


def find_doc_starts(lengths: Sequence[int]) -> Ints:
    """Return the index of each doc's first token in the batch, as if an empty doc had one. Shape `(n_docs,)`."""
    ends = numpy.cumsum(lengths, dtype="int64")
    return cast(Ints, ends - numpy.asarray(lengths, dtype="int64"))


def find_allowed_tags(tokens: Tokens, label_hashes: Sequence[int], keep_presets: bool = True) -> Bools | None:
    """Find the tags that tokens may have.

    No entity starts or ends in whitespace or crosses the known start of a sentence. Preset entities keep their tags,
    and blocked tokens are in no entity. As for spaCy's `ner`, a preset "O" is no constraint. There is always an allowed
    tag sequence: presets are whole entities, and all other tokens may be "O".

    tokens: the tokens.
    label_hashes: hash of each label.
    keep_presets: whether tokens keep preset annotation.
    RETURNS: the mask, shape `(n_tokens, n_tags)`, or None if all tags are allowed.
    """
    ends_sentence = tokens.ends_sentence
    is_preset = tokens.is_preset if keep_presets else numpy.zeros(len(tokens), dtype=bool)
    if not (tokens.is_space.any() or ends_sentence.any() or is_preset.any()):
        return None
    mask = numpy.ones((len(tokens), count_tags(len(label_hashes))), dtype=bool)
    for position in (Position.B, Position.L, Position.U):
        mask[tokens.is_space, tags_at(position)] = False
    for position in (Position.B, Position.I):
        mask[ends_sentence, tags_at(position)] = False
    if is_preset.any():
        tags = find_tags(tokens.ent_iob, tokens.ent_type, tokens, label_hashes)
        # To the model, an entity with an unknown label is a gap, like a blocked token.
        mask[is_preset] = False
        mask[is_preset, numpy.maximum(tags[is_preset], 0)] = True
    return mask


def find_tags(ent_iob: Hashes, ent_type: Hashes, tokens: Tokens, label_hashes: Sequence[int]) -> Ints:
    """Convert annotation to tags.

    An "I" that does not continue the entity before it starts one, as when spaCy sets entities.

    ent_iob, ent_type: the annotation, as spaCy's attributes. Shape `(n_tokens,)`.
    tokens: the tokens.
    label_hashes: hash of each label.
    RETURNS: the tags, UNKNOWN for tokens that are not annotated, blocked, or of another label. Shape `(n_tokens,)`.
    """
    continues = is_continuing(ent_iob, ent_type, tokens)
    is_last = ~numpy.append(continues[1:], False)
    positions = numpy.where(
        continues,
        numpy.where(is_last, Position.L, Position.I),
        numpy.where(is_last, Position.U, Position.B),
    )
    labels = find_label_indices(ent_type, label_hashes)
    tags = numpy.where(ent_iob == OUTSIDE, 0, UNKNOWN)
    is_known = is_in_entity(ent_iob, ent_type) & (labels >= 0)
    tags[is_known] = biluo_tag(labels[is_known], positions[is_known])
    return cast(Ints, tags)


def is_in_entity(ent_iob: Hashes, ent_type: Hashes) -> Bools:
    """Return which tokens are annotated as part of an entity. Shape `(n_tokens,)`, like the arguments."""
    return cast(Bools, ((ent_iob == BEGIN) | (ent_iob == INSIDE)) & (ent_type != 0))


def is_continuing(ent_iob: Hashes, ent_type: Hashes, tokens: Tokens) -> Bools:
    """Return which tokens continue the entity of the token before. Shape `(n_tokens,)`, like the arguments."""
    in_entity = is_in_entity(ent_iob, ent_type)
    continues = in_entity & (ent_iob == INSIDE) & ~tokens.is_first
    continues[1:] &= in_entity[:-1] & (ent_type[1:] == ent_type[:-1])
    return cast(Bools, continues)


def find_label_indices(hashes: Hashes, label_hashes: Sequence[int]) -> Ints:
    """Return the index of each label, UNKNOWN if it is not among the component's labels. Shape of `hashes`."""
    indices = {value: index for index, value in enumerate(label_hashes)}
    distinct, inverse = numpy.unique(hashes, return_inverse=True)
    found = numpy.array([indices.get(value, UNKNOWN) for value in distinct.tolist()], dtype="int64")
    return cast(Ints, found[inverse.reshape(-1)])


def choose_spans(spans: Spans, probabilities: Floats, n_tokens: int) -> Ints:
    """Choose spans that do not overlap: the most probable first, and of equal ones the first and shortest.

    spans: the spans.
    probabilities: the probability of each span. Shape `(n_spans,)`.
    n_tokens: number of tokens in the batch.
    RETURNS: indices of the chosen spans, in the order of the text. Shape `(n_chosen,)`.
    """
    is_taken = numpy.zeros(n_tokens, dtype=bool)
    chosen = []
    order = numpy.lexsort((spans.labels, spans.ends, spans.starts, -probabilities))
    starts, ends = spans.starts.tolist(), spans.ends.tolist()
    for i in order.tolist():
        tokens = slice(starts[i], ends[i])
        if not is_taken[tokens].any():
            is_taken[tokens] = True
            chosen.append(i)
    result = numpy.array(chosen, dtype="int64")
    return cast(Ints, result[numpy.argsort(spans.starts[result])])


def make_doc_spans(docs: Sequence[Doc], spans: Spans, labels: Sequence[str]) -> list[list[Span]]:
    """Make spaCy's spans.

    docs: the docs of the batch.
    spans: the spans, in the order of the text.
    labels: the names of the labels.
    RETURNS: the spans of each doc.
    """
    starts = find_doc_starts([len(doc) for doc in docs])
    # Of docs with the same start, all but the last are empty.
    owners = numpy.searchsorted(starts, spans.starts, side="right") - 1
    shifts = starts[owners]
    result: list[list[Span]] = [[] for _ in docs]
    for owner, start, end, label in zip(owners, spans.starts - shifts, spans.ends - shifts, spans.labels, strict=True):
        result[owner].append(Span(docs[owner], int(start), int(end), label=labels[label]))
    return result


def check_label_names(docs: Sequence[Doc], spans: Spans, labels: Sequence[str], vocab: Vocab) -> None:
    """Check that docs of another vocab have the strings of their entities' labels.

    docs: the docs of the batch.
    spans: the entities.
    labels: the names of the labels.
    vocab: the component's vocab, which has all labels.
    RAISES: ValueError if a label is missing, as spaCy's `ner` does (E084).
    """
    if all(doc.vocab is vocab for doc in docs):
        return
    starts = find_doc_starts([len(doc) for doc in docs])
    owners = numpy.searchsorted(starts, spans.starts, side="right") - 1
    for owner, index in sorted(set(zip(owners.tolist(), spans.labels.tolist(), strict=True))):
        if labels[index] not in docs[owner].vocab.strings:
            raise ValueError(
                f"Can't set an entity of the label '{labels[index]}' in the doc '{docs[owner].text[:40]}': the doc has "
                "the vocab of another pipeline, which does not have this label. Make docs with the make_doc of the "
                "pipeline that annotates them. (spaCy's ner raises E084 here.)"
            )


def write_entities(docs: Sequence[Doc], tokens: Tokens, spans: Spans, label_hashes: Sequence[int]) -> None:
    """Annotate docs with entities. Preset annotation stays; all other tokens become "O".

    docs: the docs.
    tokens: their tokens.
    spans: the entities, which must not overlap each other or preset ones.
    label_hashes: hash of each label.
    """
    # One array for all docs: as fast as `doc.set_ents` with spans, which would need a loop over tokens for the "O".
    values = numpy.zeros((len(tokens), 2), dtype="uint64")
    ent_iob, ent_type = values.T
    ent_iob[:] = OUTSIDE
    _write_spans(ent_iob, ent_type, spans, label_hashes)
    _write_presets(ent_iob, ent_type, tokens)
    start = 0
    for doc, length in zip(docs, tokens.lengths, strict=True):
        doc.from_array([ENT_IOB, ENT_TYPE], cast(Ints2d, values[start : start + length]))
        start += length


def _write_spans(ent_iob: Hashes, ent_type: Hashes, spans: Spans, label_hashes: Sequence[int]) -> None:
    lengths = spans.ends - spans.starts
    offsets = numpy.arange(lengths.sum()) - numpy.repeat(lengths.cumsum() - lengths, lengths)
    tokens = numpy.repeat(spans.starts, lengths) + offsets
    ent_iob[tokens] = numpy.where(offsets == 0, BEGIN, INSIDE)
    ent_type[tokens] = numpy.repeat(numpy.asarray(label_hashes, dtype="uint64")[spans.labels], lengths)


def _write_presets(ent_iob: Hashes, ent_type: Hashes, tokens: Tokens) -> None:
    is_preset = tokens.is_preset
    ent_iob[is_preset] = tokens.ent_iob[is_preset]
    ent_type[is_preset] = tokens.ent_type[is_preset]
    is_entity = is_in_entity(tokens.ent_iob, tokens.ent_type)
    ent_iob[is_entity & ~is_continuing(tokens.ent_iob, tokens.ent_type, tokens)] = BEGIN  # See `find_tags`.
