"""Gold entities of examples as arrays over all tokens of a batch, and the tags that agree with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, ORTH, SPACY
from spacy.strings import get_string_id
from spacy.training import Example

from ..nn.biluo import Position, count_tags, span_to_tags, split_tag
from .entities import (
    BEGIN,
    INSIDE,
    MISSING,
    OUTSIDE,
    UNKNOWN,
    Bools,
    Hashes,
    Ints,
    Tokens,
    find_doc_starts,
    find_tags,
    is_in_entity,
)


@dataclass(frozen=True)
class Gold:
    """Gold annotation of a batch of examples, for the tokens of the predicted docs.

    ent_iob, ent_type: the annotation, as spaCy's attributes. Shape `(n_tokens,)`.
    """

    ent_iob: Hashes
    ent_type: Hashes

    @classmethod
    def read(cls, examples: Sequence[Example]) -> Gold:
        """Read the annotation that `Example.get_aligned_ner` returns for each example."""
        arrays = [_read_reference(example) if has_same_tokens(example) else _align(example) for example in examples]
        ent_iob, ent_type = numpy.concatenate([numpy.zeros((0, 2), dtype="uint64"), *arrays]).T
        return cls(ent_iob, ent_type)

    def find_labels(self, examples: Iterable[Example]) -> list[str]:
        """Return the names of all labels in the annotation, sorted.

        examples: the examples with the annotation.
        RAISES: ValueError for a label such as "!PERSON", spaCy's old notation for a span that is not a person.
        """
        hashes = numpy.unique(self.ent_type[is_in_entity(self.ent_iob, self.ent_type)]).tolist()
        stores = [example.reference.vocab.strings for example in examples]
        labels = sorted({next(store[value] for store in stores if value in store) for value in hashes})
        for label in labels:
            if label.startswith("!"):
                raise ValueError(
                    f"The label '{label}' is spaCy's old notation for spans known not to be entities. Put such "
                    "spans into a span group of the reference docs, and set incorrect_spans_key to the group's key."
                )
        return labels

    def find_gold_tags(self, tokens: Tokens, label_hashes: Sequence[int], allowed: Bools | None) -> Bools:
        """Find the tags that agree with the annotation.

        An entity with a forbidden tag, for example because it ends in whitespace, counts as not annotated: something is
        there, but the model can't predict it.

        tokens: the tokens.
        label_hashes: hash of each label.
        allowed: tags that tokens may have, or None for all. Shape `(n_tokens, n_tags)`.
        RETURNS: the mask, with all tags for a token without annotation. Shape `(n_tokens, n_tags)`.
        """
        tags = find_tags(self.ent_iob, self.ent_type, tokens, label_hashes)
        if allowed is not None:
            _forget_forbidden(tags, allowed)
        is_known = tags >= 0
        mask = numpy.zeros((len(tokens), count_tags(len(label_hashes))), dtype=bool)
        mask[~is_known] = True
        mask[is_known, tags[is_known]] = True
        return mask


def _forget_forbidden(tags: Ints, allowed: Bools) -> None:
    """Set the tags of all entities with a forbidden tag to UNKNOWN."""
    _, positions = split_tag(tags)
    # Tokens of one entity have the same number.
    chunks = numpy.cumsum((positions != Position.I) & (positions != Position.L))
    is_forbidden = (tags >= 0) & ~allowed[numpy.arange(len(tags)), tags]
    tags[numpy.isin(chunks, chunks[is_forbidden])] = UNKNOWN


def has_same_tokens(example: Example) -> bool:
    """Return whether the predicted and the reference doc have the same tokens and the same spaces."""
    x, y = (doc.to_array([ORTH, SPACY]) for doc in (example.predicted, example.reference))
    return bool(numpy.array_equal(x, y))


def _read_reference(example: Example) -> Hashes:
    """Return the same as `_align`, several times faster, for docs with the same tokens."""
    array: Any = example.reference.to_array([ENT_IOB, ENT_TYPE, IS_SPACE])
    values = array[:, :2].copy()
    ent_iob, ent_type = values.T
    if ent_iob.any():
        ent_iob[(ent_iob != OUTSIDE) & (ent_type == 0)] = MISSING  # Blocked tokens are not annotated.
        ent_iob[(ent_iob == MISSING) & (array[:, 2] == 1)] = OUTSIDE
    return cast(Hashes, values)


def _align(example: Example) -> Hashes:
    """Return the gold annotation of the predicted tokens: ENT_IOB and ENT_TYPE. Shape `(n_tokens, 2)`."""
    values = numpy.zeros((len(example.predicted), 2), dtype="uint64")
    for row, tag in zip(values, example.get_aligned_ner(), strict=True):
        if tag == "O":
            row[0] = OUTSIDE
        elif tag and tag != "-":
            row[0] = BEGIN if tag[0] in "BU" else INSIDE
            row[1] = get_string_id(tag[2:])
    return values


def read_incorrect_spans(
    examples: Sequence[Example], key: str, labels: Mapping[str, int], is_read: Bools
) -> list[tuple[int, Ints]]:
    """Read spans that are known not to be entities of their label.

    examples: the examples.
    key: the span group of the reference docs that holds the spans.
    labels: index of each label. Spans with other labels are ignored, as the model can't predict them.
    is_read: whether the model reads each token of the predicted docs. Spans that start or end with a token that it does
        not read are ignored, too. Shape `(n_tokens,)`.
    RETURNS: first token and tags of each span, among the tokens that the model reads.
    RAISES: ValueError if such a span is also a gold entity.
    """
    incorrect = []
    starts = find_doc_starts([len(example.predicted) for example in examples])
    for example, start in zip(examples, starts.tolist(), strict=True):
        spans = example.get_aligned_spans_y2x(example.reference.spans.get(key, []), allow_overlap=True)
        entities = {(ent.start, ent.end, ent.label_) for ent in example.get_aligned_ents_and_ner()[0]} if spans else ()
        for span in spans:
            if (span.start, span.end, span.label_) in entities:
                raise ValueError(
                    f"The span '{span.text}' with the label {span.label_} is a gold entity, but the span group "
                    f"'{key}' says that it is incorrect. Remove it from doc.ents or from doc.spans['{key}']."
                )
            first, last = start + span.start, start + span.end - 1
            if span.label_ in labels and is_read[first] and is_read[last]:
                n_tokens = int(is_read[first : last + 1].sum())
                incorrect.append((int(is_read[:first].sum()), span_to_tags(n_tokens, labels[span.label_])))
    return incorrect
