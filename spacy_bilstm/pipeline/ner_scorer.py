"""The scores of named entities. Examples come in, spaCy's scores and a calibration error go out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy
from spacy.scorer import get_ner_prf
from spacy.training import Example

N_BINS = 10


def make_ner_scorer_v1() -> Callable[..., dict[str, Any]]:
    """Give the scorer of `bilstm_ner`."""
    return score_ner


def score_ner(examples: Iterable[Example], *, confidences: str | None = None, **kwargs: Any) -> dict[str, Any]:
    """Score entities as spaCy's `ner` does, and their confidences.

    examples: the examples.
    confidences: the span group of the predicted docs that has the entities and their confidences, or None.
    kwargs: further settings of a component, which have no effect.
    RETURNS: `ents_p`, `ents_r`, `ents_f` and `ents_per_type` as spaCy's `ner`, and `ents_ece`, the expected calibration
        error of the confidences, 0 to 1, or None where there are none.
    """
    examples = list(examples)
    outcomes = list(find_outcomes(examples, confidences)) if confidences is not None else []
    return {**get_ner_prf(examples), "ents_ece": get_calibration_error(outcomes)}


def find_outcomes(examples: Iterable[Example], key: str) -> Iterator[tuple[float, bool]]:
    """Give the confidence of each predicted entity and whether the entity is right.

    An entity is right if a gold entity has its tokens and its label. As in spaCy's scores, one is passed over where a
    token's gold annotation is missing.

    examples: the examples.
    key: the span group of the predicted docs that has the entities and their confidences.
    """
    for example in examples:
        if key not in example.predicted.spans or not example.reference.has_annotation("ENT_IOB"):
            continue
        group = example.predicted.spans[key]
        gold = {(ent.label_, ent.start, ent.end) for ent in example.reference.ents}
        for span, confidence in zip(group, group.attrs.get("scores", ()), strict=False):
            indices = example.alignment.x2y[span.start : span.end]
            if len(indices):
                start, end = int(indices[0]), int(indices[-1]) + 1
                if all(token.ent_iob != 0 for token in example.reference[start:end]):
                    yield float(confidence), (span.label_, start, end) in gold


def get_calibration_error(outcomes: list[tuple[float, bool]]) -> float | None:
    """Give the expected calibration error (Naeini et al. 2015; Guo et al. 2017).

    Confidences are put into ten bins of equal width: [0, 0.1), [0.1, 0.2) and so on to [0.9, 1]. The error is the mean
    over all entities of the difference, in their bin, of the mean confidence and the share that is right.

    outcomes: a confidence, 0 to 1, and whether the entity is right, for each entity.
    RETURNS: the error, 0 to 1, or None if there are no outcomes.
    """
    if not outcomes:
        return None
    confidence, is_right = numpy.array(outcomes, dtype="float64").T
    bins = numpy.minimum((confidence * N_BINS).astype("int64"), N_BINS - 1)
    # The difference of sums is that of means times the number of entities in the bin.
    differences = numpy.bincount(bins, weights=confidence - is_right, minlength=N_BINS)
    return float(numpy.abs(differences).sum() / len(outcomes))
