"""Whether entities are right as often as their confidences say. Examples come in, bins go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from spacy.training import Example

from ..pipeline.ner_scorer import N_BINS, find_outcomes, get_calibration_error


@dataclass(frozen=True)
class Bin:
    """Entities of like confidence.

    n: how many.
    confidence: their mean confidence.
    share_right: the share of them that is right.
    """

    n: int
    confidence: float
    share_right: float


@dataclass(frozen=True)
class Calibration:
    """How good confidences are.

    error: the expected calibration error, 0 to 1.
    bins: the bins that have entities, of rising confidence.
    """

    error: float
    bins: list[Bin]


def calibrate(examples: Sequence[Example], confidences: str) -> Calibration | None:
    """Compare confidences with what is right.

    examples: the examples.
    confidences: the span group of the predicted docs that has entities and their confidences.
    RETURNS: the calibration, or None if there are no entities to judge.
    """
    outcomes = list(find_outcomes(examples, confidences))
    error = get_calibration_error(outcomes)
    if error is None:
        return None
    confidence, is_right = numpy.array(outcomes, dtype="float64").T
    numbers = numpy.minimum((confidence * N_BINS).astype("int64"), N_BINS - 1)
    members = [numbers == number for number in range(N_BINS)]
    bins = [Bin(int(of.sum()), float(confidence[of].mean()), float(is_right[of].mean())) for of in members if of.any()]
    return Calibration(error, bins)
