"""Gold entities as arrays. Examples come in, masks of the tags that they leave open go out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, ORTH, SPACY
from spacy.strings import get_string_id
from spacy.training import Example

from .entities import (
    B_TAG,
    BEGIN,
    I_TAG,
    INSIDE,
    L_TAG,
    MISSING,
    N_POSITIONS,
    OUTSIDE,
    UNKNOWN,
    Bools,
    Hashes,
    Ints,
    Tokens,
    find_doc_starts,
    find_tags,
    is_in_entity,
    tag_span,
)


@dataclass(frozen=True)
class Gold:
    """Gold annotation of a batch of examples, for the tokens of the predicted docs.

    ent_iob, ent_type: the annotation, as spaCy's attributes. Shape `(n_rows,)`.
    """

    ent_iob: Hashes
    ent_type: Hashes

    @classmethod
    def read(cls, examples: Sequence[Example], tokens: Tokens) -> Gold:
        """Read what `Example.get_aligned_ner` gives for each example.

        examples: the examples.
        tokens: the tokens of their predicted docs.
        """
        arrays = [_read_reference(example) if _has_same_tokens(example) else _align(example) for example in examples]
        ent_iob, ent_type = numpy.concatenate([numpy.zeros((0, 2), dtype="uint64"), *arrays]).T
        return cls(ent_iob, ent_type)

    def find_labels(self, examples: Iterable[Example]) -> list[str]:
        """Give the names of all labels in it, sorted.

        examples: the examples it was read from.
        RAISES: ValueError for a label such as "!PERSON", spaCy's old notation for what is no person.
        """
        hashes = numpy.unique(self.ent_type[is_in_entity(self.ent_iob, self.ent_type)]).tolist()
        stores = [example.reference.vocab.strings for example in examples]
        labels = sorted({next(store[value] for store in stores if value in store) for value in hashes})
        for label in labels:
            if label.startswith("!"):
                raise ValueError(
                    f"The label '{label}' is spaCy's old notation for entities that are known to be wrong. Put such "
                    "spans into a span group of the reference docs, and its key into the setting incorrect_spans_key."
                )
        return labels

    def find_open_tags(self, tokens: Tokens, label_hashes: Sequence[int], allowed: Bools | None) -> Bools:
        """Give the tags that the annotation leaves open.

        An entity that the other mask forbids, as it starts or ends in whitespace or crosses the start of a sentence,
        counts as not annotated: it tells that something is there, but the model can't say so.

        tokens: the tokens.
        label_hashes: hash of each label, with all of the annotation.
        allowed: tags that tokens may have, or None for all. Shape `(n_rows, n_tags)`.
        RETURNS: the mask. Shape `(n_rows, n_tags)`.
        """
        tags = find_tags(self.ent_iob, self.ent_type, tokens, label_hashes)
        if allowed is not None:
            is_inside = (tags > 0) & numpy.isin((tags - 1) % N_POSITIONS + B_TAG, (I_TAG, L_TAG))
            chunk = numpy.cumsum(~is_inside)  # Rows of one entity have the same number.
            is_forbidden = (tags >= 0) & ~allowed[numpy.arange(tokens.n_rows), tags]
            tags[numpy.isin(chunk, chunk[is_forbidden])] = UNKNOWN
        is_known = tags >= 0
        mask = numpy.zeros((tokens.n_rows, 1 + N_POSITIONS * len(label_hashes)), dtype=bool)
        mask[~is_known] = True
        mask[is_known, tags[is_known]] = True
        return mask


def _has_same_tokens(example: Example) -> bool:
    x, y = (doc.to_array([ORTH, SPACY]) for doc in (example.predicted, example.reference))
    return bool(numpy.array_equal(x, y))


def _read_reference(example: Example) -> Hashes:
    """What `_align` gives where both docs have the same tokens, several times faster."""
    array: Any = example.reference.to_array([ENT_IOB, ENT_TYPE, IS_SPACE])
    values = array[:, :2].copy()
    ent_iob, ent_type = values.T
    if ent_iob.any():
        ent_iob[(ent_iob != OUTSIDE) & (ent_type == 0)] = MISSING  # Blocked tokens are not annotated.
        ent_iob[(ent_iob == MISSING) & (array[:, 2] == 1)] = OUTSIDE
    return cast(Hashes, values)


def _align(example: Example) -> Hashes:
    """Gold annotation aligned to the predicted tokens. Shape `(n_tokens, 2)`, of ENT_IOB and ENT_TYPE."""
    values = numpy.zeros((len(example.predicted), 2), dtype="uint64")
    for row, tag in zip(values, example.get_aligned_ner(), strict=True):
        if tag == "O":
            row[0] = OUTSIDE
        elif tag and tag != "-":
            row[0] = BEGIN if tag[0] in "BU" else INSIDE
            row[1] = get_string_id(tag[2:])
    return values


def read_incorrect_spans(
    examples: Sequence[Example], key: str, labels: Mapping[str, int], lengths: Sequence[int]
) -> list[tuple[int, Ints]]:
    """Read spans that are known not to be entities of their label.

    examples: the examples.
    key: the span group of the reference docs that has them.
    labels: index of each label; spans with others are passed over, as the model can't predict them.
    lengths: number of tokens of each predicted doc.
    RETURNS: first row and tags of each span.
    RAISES: ValueError if such a span is a gold entity, too.
    """
    incorrect = []
    for example, start in zip(examples, find_doc_starts(lengths).tolist(), strict=True):
        spans = example.get_aligned_spans_y2x(example.reference.spans.get(key, []), allow_overlap=True)
        entities = {(ent.start, ent.end, ent.label_) for ent in example.get_aligned_ents_and_ner()[0]} if spans else ()
        for span in spans:
            if (span.start, span.end, span.label_) in entities:
                raise ValueError(
                    f"The span '{span.text}' with the label {span.label_} is a gold entity, but the span group "
                    f"'{key}' says that it is incorrect. Remove it from doc.ents or from doc.spans['{key}']."
                )
            if span.label_ in labels:
                incorrect.append((start + span.start, tag_span(len(span), labels[span.label_])))
    return incorrect
