"""Write the confidences of entities to docs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from spacy.tokens import Doc, Span, SpanGroup

from .entities import PredictedEntities, make_doc_spans

ScoredSpan = tuple[Span, float]


def write_confidences(docs: Sequence[Doc], entities: PredictedEntities, labels: Sequence[str], key: str) -> None:
    """Write predicted entities to a span group of each doc, with their probabilities in its attribute `scores`.

    Entities that an earlier run wrote to the group stay in it if they are still entities of the doc.

    docs: the docs, which have the entities already.
    entities: the entities, with probabilities.
    labels: the names of the labels.
    key: the name of the span group.
    """
    assert entities.probabilities is not None
    scores = iter(entities.probabilities.tolist())
    for doc, spans in zip(docs, make_doc_spans(docs, entities.spans, labels), strict=True):
        scored = list(zip(spans, islice(scores, len(spans)), strict=True))
        if key in doc.spans:
            scored = sorted(scored + _find_earlier(doc, key, spans), key=lambda item: item[0].start)
        attrs = {"scores": [score for _, score in scored]}
        doc.spans[key] = SpanGroup(doc, name=key, spans=[span for span, _ in scored], attrs=attrs)


def _find_earlier(doc: Doc, key: str, predicted: Sequence[Span]) -> list[ScoredSpan]:
    """Return the scored spans of a group that are entities of the doc, without those that are predicted again."""
    group = doc.spans[key]
    scores = group.attrs.get("scores", [])
    try:
        spans = list(group)
    except IndexError:  # Its tokens were merged since, and spaCy does not move the spans of groups.
        return []
    if len(spans) != len(scores):
        return []
    kept = {_identify(entity) for entity in doc.ents} - {_identify(span) for span in predicted}
    return [(span, score) for span, score in zip(spans, scores, strict=True) if _identify(span) in kept]


def _identify(span: Span) -> tuple[int, int, int]:
    return span.start, span.end, span.label
