"""Measures how well the confidences of entities match the share of entities that are correct."""

from __future__ import annotations

from dataclasses import dataclass

import numpy

from ..pipeline.ner_scorer import N_BINS, assign_bins, get_calibration_error, judge_entities
from .annotation import PredictedCorpus


@dataclass(frozen=True)
class Bin:
    """The entities with a confidence in one interval.

    n: the number of entities.
    confidence: their mean confidence, 0 to 1.
    accuracy: the share of them that are correct.
    """

    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """How reliable confidences are.

    calibration_error: the expected calibration error, 0 to 1.
    bins: the bins that have entities, in order of increasing confidence.
    """

    calibration_error: float
    bins: list[Bin]


def measure_reliability(corpus: PredictedCorpus) -> Reliability | None:
    """Compare confidences with the share of entities that are correct.

    corpus: the annotated corpus.
    RETURNS: the reliability, or None if there are no confidences or no entities with gold annotation.
    """
    if corpus.confidences is None:
        return None
    entities = list(judge_entities(corpus.examples, corpus.confidences))
    error = get_calibration_error(entities)
    if error is None:
        return None
    confidence, is_correct = numpy.array(entities, dtype="float64").T
    numbers = assign_bins(confidence)
    members = [numbers == number for number in range(N_BINS)]
    bins = [
        Bin(int(of.sum()), float(confidence[of].mean()), float(is_correct[of].mean())) for of in members if of.any()
    ]
    return Reliability(error, bins)
