"""Room pipeline: the temperature at which confidences say how often entities are right. Examples come in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from spacy.training import Example

from .ner import BiLSTMEntityRecognizer
from .ner_scorer import find_outcomes, get_calibration_error

_KEY = "spacy_bilstm_calibration"
_LOWEST, _HIGHEST = 0.1, 10.0
# The search ends when it knows the temperature to one part in a thousand.
_PRECISION = 1e-3
_GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Calibration:
    """How well confidences at a temperature fit.

    temperature: the temperature.
    n_entities: number of predicted entities.
    log_loss: mean negative log probability that the confidences give to what is right and what is not, in nats.
    calibration_error: expected calibration error, as `ner_scorer.get_calibration_error` gives it.
    """

    temperature: float
    n_entities: int
    log_loss: float
    calibration_error: float


def fit_temperature(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example]) -> tuple[Calibration, Calibration]:
    """Find the temperature at which confidences fit best and give it to a recogniser (Guo et al. 2017).

    Which entities it finds does not change. The examples should not be those it was trained with, of which it is surer
    than of others.

    recognizer: the recogniser, whose setting `temperature` is changed.
    examples: examples whose predicted docs have gone through the pipeline up to the recogniser, and have no entities.
        They stay as they are.
    RETURNS: the fit at the temperature it had and at the one it has now.
    RAISES: ValueError if it finds no entity in the examples, or if all or none that it finds are right.
    """
    before = _measure(recognizer, examples, recognizer.cfg["temperature"])

    def log_loss(log_temperature: float) -> float:
        return _measure(recognizer, examples, math.exp(log_temperature)).log_loss

    best = math.exp(_minimize(log_loss, math.log(_LOWEST), math.log(_HIGHEST)))
    after = _measure(recognizer, examples, best)
    recognizer.cfg["temperature"] = best
    return before, after


def _measure(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example], temperature: float) -> Calibration:
    predicted = [Example(example.predicted.copy(), example.reference) for example in examples]
    docs = [example.predicted for example in predicted]
    settings = dict(recognizer.cfg)
    try:
        recognizer.cfg.update({"confidences": _KEY, "threshold": 0.0, "temperature": temperature})
        recognizer.set_annotations(docs, recognizer.predict(docs))
    finally:
        recognizer.cfg.update(settings)
    outcomes = list(find_outcomes(predicted, _KEY))
    n_right = sum(is_right for _, is_right in outcomes)
    if not 0 < n_right < len(outcomes):
        raise ValueError(
            f"A temperature can't be fitted: '{recognizer.name}' finds {len(outcomes)} entities of which {n_right} are "
            "right, but some must be right and some not. Use more examples, and such that it was not trained with."
        )
    confidences, is_right = numpy.array(outcomes, dtype="float64").T
    confidences = confidences.clip(1e-12, 1.0 - 1e-12)
    log_loss = -numpy.log(numpy.where(is_right == 1.0, confidences, 1.0 - confidences)).mean()
    error = get_calibration_error(outcomes)
    assert error is not None
    return Calibration(temperature, len(outcomes), float(log_loss), error)


def _minimize(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function with one minimum has it, by golden-section search (Kiefer 1953)."""
    left, right = high - _GOLDEN_RATIO * (high - low), low + _GOLDEN_RATIO * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > _PRECISION:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN_RATIO * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN_RATIO * (high - low)
            at_right = function(right)
    return (low + high) / 2.0
