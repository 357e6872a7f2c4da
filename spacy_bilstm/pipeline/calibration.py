"""The temperature and the threshold that fit a recogniser's confidences best. Examples come in."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from spacy.training import Example

from .entities import Floats
from .ner import BiLSTMEntityRecognizer
from .ner_scorer import find_outcomes, get_calibration_error

_KEY = "spacy_bilstm_calibration"
_LOWEST, _HIGHEST = 0.1, 10.0
# Half of the best F is the threshold: this one finds all that an F of 0.04 needs.
_LOWEST_THRESHOLD = 0.02
# The search ends when it knows the temperature to one part in a thousand.
_PRECISION = 1e-3
_DIGITS = 3
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


@dataclass(frozen=True)
class Accuracy:
    """How right the entities above a threshold are.

    threshold: the threshold, 0 for the entities of the most probable analysis.
    n_right: number of predicted entities that are right.
    n_predicted: number of predicted entities.
    n_gold: number of gold entities.
    """

    threshold: float
    n_right: int
    n_predicted: int
    n_gold: int

    @classmethod
    def count(cls, threshold: float, outcomes: Floats, n_gold: int) -> Accuracy:
        """Count the outcomes of `_predict`."""
        return cls(threshold, int(outcomes[:, 1].sum()), len(outcomes), n_gold)

    @property
    def precision(self) -> float:
        """Share of the predicted entities that are right."""
        return self.n_right / self.n_predicted if self.n_predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold entities that are predicted."""
        return self.n_right / self.n_gold if self.n_gold else 0.0

    @property
    def f_score(self) -> float:
        """Harmonic mean of precision and recall."""
        n_both = self.n_predicted + self.n_gold
        return 2 * self.n_right / n_both if n_both else 0.0


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

    best = round(math.exp(_minimize(log_loss, math.log(_LOWEST), math.log(_HIGHEST))), _DIGITS)
    after = _measure(recognizer, examples, best)
    recognizer.cfg["temperature"] = best
    return before, after


def fit_threshold(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example]) -> tuple[Accuracy, Accuracy]:
    """Find the threshold with the best F and give it to a recogniser.

    Of true probabilities, half of the best F is the threshold that has it (Lipton et al. 2014), so the temperature
    should be fitted before. Where the examples have no better F with it, the recogniser stays as it is.

    recognizer: the recogniser, whose setting `threshold` is changed.
    examples: as for `fit_temperature`.
    RETURNS: the accuracy with the threshold it had and with the one it has now.
    RAISES: ValueError if the examples have no entities, or none that is found.
    """
    n_gold = sum(len(example.reference.ents) for example in examples)
    own = recognizer.cfg["threshold"]
    outcomes = _predict(recognizer, examples, threshold=own)
    before = Accuracy.count(own, outcomes, n_gold)
    # The most probable of overlapping spans goes first, so a higher threshold leaves the first ones of these.
    outcomes = _predict(recognizer, examples, threshold=_LOWEST_THRESHOLD)
    outcomes = outcomes[numpy.argsort(-outcomes[:, 0], kind="stable")]
    n_right, n_predicted = outcomes[:, 1].cumsum(), numpy.arange(1, len(outcomes) + 1)
    if not outcomes[:, 1].any():
        raise ValueError(
            f"A threshold can't be fitted: '{recognizer.name}' finds {len(outcomes)} spans for {n_gold} entities, and "
            "none of them is right. Use more examples, or train it for longer."
        )
    # No threshold parts spans with the same confidence, up to rounding.
    is_last = numpy.append(-numpy.diff(outcomes[:, 0]) > 1e-6, True)
    threshold = round(float((n_right / (n_predicted + n_gold))[is_last].max()), _DIGITS)
    after = Accuracy.count(threshold, outcomes[outcomes[:, 0] >= threshold], n_gold)
    if after.f_score <= before.f_score:
        return before, before
    recognizer.cfg["threshold"] = threshold
    return before, after


def _measure(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example], temperature: float) -> Calibration:
    outcomes = _predict(recognizer, examples, threshold=0.0, temperature=temperature)
    confidences, is_right = outcomes.T
    if not 0 < is_right.sum() < len(is_right):
        raise ValueError(
            f"A temperature can't be fitted: '{recognizer.name}' finds {len(is_right)} entities of which "
            f"{int(is_right.sum())} are right, but some must be right and some not. Use more examples, and such that "
            "it was not trained with."
        )
    clipped = confidences.clip(1e-12, 1.0 - 1e-12)
    log_loss = -numpy.log(numpy.where(is_right == 1.0, clipped, 1.0 - clipped)).mean()
    error = get_calibration_error(list(zip(confidences.tolist(), is_right == 1.0, strict=True)))
    assert error is not None
    return Calibration(temperature, len(is_right), float(log_loss), error)


def _predict(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example], **settings: float) -> Floats:
    """Confidences that a recogniser with some settings has, and 1 or 0 for right or wrong. Shape `(n_entities, 2)`."""
    predicted = [Example(example.predicted.copy(), example.reference) for example in examples]
    docs = [example.predicted for example in predicted]
    own = dict(recognizer.cfg)
    try:
        recognizer.cfg.update({**settings, "confidences": _KEY})
        recognizer.set_annotations(docs, recognizer.predict(docs))
    finally:
        recognizer.cfg.update(own)
    return numpy.array(list(find_outcomes(predicted, _KEY)), dtype="float64").reshape(-1, 2)


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
