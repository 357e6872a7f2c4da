"""The annotation of many Docs as flat arrays, read without a step of Python for each token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.attrs import (
    DEP,
    ENT_IOB,
    ENT_KB_ID,
    ENT_TYPE,
    HEAD,
    IDX,
    LEMMA,
    LENGTH,
    MORPH,
    ORTH,
    POS,
    SENT_START,
    SPACY,
    TAG,
)
from spacy.morphology import Morphology
from spacy.tokens import Doc, Span

_ALWAYS = (ORTH, IDX, LENGTH, SPACY, SENT_START, ENT_IOB, ENT_TYPE)
# These are read only if a Doc has one, which saves a seventh of the time for a tagger and an entity recogniser.
_OPTIONAL = (TAG, POS, MORPH, LEMMA, DEP, ENT_KB_ID)
# The attributes that are strings. Each is a column of the output.
STRINGS: Mapping[str, int] = {"tags": TAG, "pos": POS, "morphs": MORPH, "lemmas": LEMMA, "deps": DEP}
_BEGIN, _INSIDE = 3, 1
Array = NDArray[Any]


@dataclass(frozen=True)
class Entities:
    """The entities of several Docs. Each attribute is an array with one value for each entity, in order.

    docs: the number of the entity's Doc.
    starts, ends: its tokens in the Doc; `ends` are exclusive.
    start_chars, end_chars: its characters in the text of the Doc.
    labels, kb_ids: hashes of strings.
    confidences: its probability, or NaN.
    """

    docs: Array
    starts: Array
    ends: Array
    start_chars: Array
    end_chars: Array
    labels: Array
    kb_ids: Array
    confidences: Array


class DocArrays:
    """The annotation of several Docs.

    docs: the Docs, which share a vocab.
    confidences: span groups whose attribute `scores` holds the confidences of entities.
    """

    def __init__(self, docs: Sequence[Doc], confidences: Sequence[str] = ()) -> None:
        self.docs = docs
        self._confidences = confidences
        self._strings: Any = docs[0].vocab.strings if docs else {}
        lengths = numpy.fromiter(map(len, docs), dtype="int64", count=len(docs))
        self.offsets = numpy.concatenate([numpy.zeros(1, dtype="int64"), numpy.cumsum(lengths)])
        self._attributes: list[int | str] = list(_ALWAYS)
        self._attributes += [name for name in _OPTIONAL if any(doc.has_annotation(name) for doc in docs)]
        if DEP in self._attributes:
            self._attributes.append(HEAD)
        empty = numpy.zeros((0, len(self._attributes)), dtype="uint64")
        self._values = numpy.concatenate([empty, *(doc.to_array(self._attributes) for doc in docs)])

    def has(self, attribute: int) -> bool:
        """Return whether the values of an attribute were read, because a Doc may have one."""
        return attribute in self._attributes

    def get_column(self, attribute: int) -> Array:
        """Return the value of an attribute for each token of all Docs."""
        if not self.has(attribute):
            return numpy.zeros(len(self._values), dtype="uint64")
        return numpy.ascontiguousarray(self._values[:, self._attributes.index(attribute)])

    def get_string(self, key: int, attribute: int) -> str:
        """Return the string of the value of an attribute, or "" for 0."""
        name = str(self._strings[key]) if key else ""
        return "" if attribute == MORPH and name == Morphology.EMPTY_MORPH else name

    def find_annotated(self, attribute: int) -> Array:
        """Return for each Doc whether a token has a value of an attribute."""
        present = self.get_column(attribute) != 0
        starts, ends = self.offsets[:-1], self.offsets[1:]
        if attribute == SENT_START:
            # The first token has a value even if nothing has set sentences. A Doc of one token is one sentence.
            present[starts[starts < ends]] = False
            return numpy.asarray((self._count(present) > 0) | (ends - starts == 1))
        return numpy.asarray(self._count(present) > 0)

    def get_heads(self) -> Array:
        """Return for each token the number of its head in the Doc."""
        return numpy.asarray(self._get_numbers() + self.get_column(HEAD).astype("int64"))

    def get_sentence_starts(self) -> tuple[Array, Array]:
        """Return the number of sentences of each Doc, and the numbers of their first tokens."""
        starts = self.get_column(SENT_START) == 1
        return self._count(starts), self._get_numbers()[starts]

    def get_entities(self) -> Entities:
        """Return the entities of all Docs."""
        iob = self.get_column(ENT_IOB)
        labels = self.get_column(ENT_TYPE)
        # A blocked token begins something without a label, which is no entity.
        starts = numpy.flatnonzero((iob == _BEGIN) & (labels != 0))
        # An entity ends before the next token that is not inside one. Another Doc begins with such a token.
        outside = numpy.append(numpy.flatnonzero(iob != _INSIDE), len(iob))
        ends = outside[numpy.searchsorted(outside, starts, side="right")] if len(starts) else starts
        docs = numpy.searchsorted(self.offsets, starts, side="right") - 1
        first = self.offsets[docs]
        chars, lengths = self.get_column(IDX).astype("int64"), self.get_column(LENGTH).astype("int64")
        return Entities(
            docs,
            starts - first,
            ends - first,
            chars[starts],
            (chars + lengths)[ends - 1] if len(starts) else starts,
            labels[starts],
            self.get_column(ENT_KB_ID)[starts],
            self._find_confidences(docs, starts - first, ends - first),
        )

    def get_spans(self, number: int) -> list[dict[str, Any]]:
        """Return the spans in the span groups of a Doc, except those that hold the confidences of entities."""
        doc = self.docs[number]
        return [
            {"group": key, **_describe_span(span), "confidence": None if scores is None else float(scores[i])}
            for key, group in doc.spans.items()
            if key not in self._confidences
            for scores in [_get_scores(group.attrs, len(group))]
            for i, span in enumerate(group)
        ]

    def _get_numbers(self) -> Array:
        """Return the number of each token in its Doc."""
        n_tokens = self.offsets[1:] - self.offsets[:-1]
        return numpy.asarray(numpy.arange(self.offsets[-1]) - numpy.repeat(self.offsets[:-1], n_tokens))

    def _count(self, chosen: Array) -> Array:
        """Return the number of chosen tokens in each Doc."""
        sums = numpy.concatenate([numpy.zeros(1, dtype="int64"), numpy.cumsum(chosen)])
        counts: Array = sums[self.offsets[1:]] - sums[self.offsets[:-1]]
        return counts

    def _find_confidences(self, docs: Array, starts: Array, ends: Array) -> Array:
        confidences = numpy.full(len(docs), numpy.nan)
        if not self._confidences:
            return confidences
        found: dict[tuple[int, int, int], float] = {}
        for number in dict.fromkeys(docs.tolist()):
            groups = self.docs[number].spans
            for key in self._confidences:
                if key in groups:
                    scores = groups[key].attrs.get("scores", [])
                    found |= {
                        (number, span.start, span.end): score for span, score in zip(groups[key], scores, strict=False)
                    }
        for i, place in enumerate(zip(docs.tolist(), starts.tolist(), ends.tolist(), strict=True)):
            confidences[i] = found.get(place, numpy.nan)
        return confidences


def _describe_span(span: Span) -> dict[str, Any]:
    return {
        "start": span.start,
        "end": span.end,
        "start_char": span.start_char,
        "end_char": span.end_char,
        "label": span.label_,
    }


def _get_scores(attributes: Mapping[str, Any], n_spans: int) -> Any:
    """Return the scores of a span group, or None if there is not one for each span."""
    scores = attributes.get("scores")
    return scores if scores is not None and len(scores) == n_spans else None
