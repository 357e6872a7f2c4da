"""The scorer of `bilstm_ner`: spaCy's entity scores and the calibration error of the confidences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy
from numpy.typing import ArrayLike
from spacy.scorer import get_ner_prf
from spacy.tokens import Span
from spacy.training import Example

from .entities import Ints

N_BINS = 10


class JudgedEntity(NamedTuple):
    """A predicted entity.

    confidence: its confidence, 0 to 1.
    is_correct: whether a gold entity has the same tokens and label.
    """

    confidence: float
    is_correct: bool


def make_ner_scorer_v1() -> Callable[..., dict[str, Any]]:
    """Return the scorer of `bilstm_ner`."""
    return score_ner


def score_ner(examples: Iterable[Example], *, confidences: str | None = None, **kwargs: Any) -> dict[str, Any]:
    """Score entities as spaCy's `ner` does, and their confidences.

    examples: the examples.
    confidences: the span group of the predicted docs that holds the entities and their confidences, or None.
    kwargs: other settings of the component, which are ignored.
    RETURNS: `ents_p`, `ents_r`, `ents_f` and `ents_per_type` as for spaCy's `ner`, and `ents_ece`, the expected
        calibration error of the confidences, 0 to 1, or None if there are no confidences.
    """
    examples = list(examples)
    entities = list(judge_entities(examples, confidences)) if confidences is not None else []
    return {**get_ner_prf(examples), "ents_ece": get_calibration_error(entities)}


def judge_entities(examples: Iterable[Example], key: str) -> Iterator[JudgedEntity]:
    """Compare predicted entities that have a confidence with the gold entities.

    Like spaCy's scores, this skips an entity if the gold annotation of one of its tokens is missing.

    examples: the examples.
    key: the span group of the predicted docs that holds the entities and their confidences.
    RETURNS: the confidence of each entity and whether the entity is correct.
    """
    for example in examples:
        if key not in example.predicted.spans:
            continue
        group = example.predicted.spans[key]
        gold = {(ent.label_, ent.start, ent.end) for ent in example.reference.ents}
        for span, confidence in zip(group, group.attrs.get("scores", ()), strict=False):
            aligned = align_entity(example, span)
            if aligned is not None:
                yield JudgedEntity(float(confidence), aligned in gold)


def align_entity(example: Example, span: Span) -> tuple[str, int, int] | None:
    """Find the gold tokens that a predicted entity covers, as spaCy's scores do.

    example: the example.
    span: the entity, a span of the predicted doc.
    RETURNS: its label, and the indices of its first gold token and of the gold token after its last one. None if it
        covers no gold token, or one without gold annotation: spaCy does not score such an entity.
    """
    indices = example.alignment.x2y[span.start : span.end]
    if not len(indices):
        return None
    start, end = int(indices[0]), int(indices[-1]) + 1
    if any(token.ent_iob == 0 for token in example.reference[start:end]):
        return None
    return span.label_, start, end


def get_calibration_error(entities: Sequence[tuple[float, bool]]) -> float | None:
    """Compute the expected calibration error (Naeini et al. 2015; Guo et al. 2017).

    It compares the mean confidence in each bin of `assign_bins` with the share of entities that are correct. The error
    is the mean absolute difference, weighted by the number of entities in the bin.

    entities: for each entity its confidence, 0 to 1, and whether it is correct.
    RETURNS: the error, 0 to 1, or None if there are no entities.
    """
    if not entities:
        return None
    confidence, is_correct = numpy.array(entities, dtype="float64").T
    # The difference of sums is the difference of means times the number of entities in the bin.
    differences = numpy.bincount(assign_bins(confidence), weights=confidence - is_correct, minlength=N_BINS)
    return float(numpy.abs(differences).sum() / len(entities))


def assign_bins(confidences: ArrayLike) -> Ints:
    """Assign confidences to ten bins of equal width: [0, 0.1), [0.1, 0.2), ..., [0.9, 1].

    confidences: the confidences, 0 to 1. Shape `(n_entities,)`.
    RETURNS: the number of each confidence's bin, 0 to 9. Shape `(n_entities,)`.
    """
    bins: Ints = (numpy.asarray(confidences) * N_BINS).astype("int64").clip(max=N_BINS - 1)
    return bins
