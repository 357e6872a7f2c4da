"""Fits the temperature and the threshold of an entity recogniser to annotated examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy
from spacy.language import Language
from spacy.training import Corpus, Example
from tqdm import tqdm

from .entities import Floats
from .ner import BiLSTMEntityRecognizer
from .ner_scorer import get_calibration_error, judge_entities

_KEY = "spacy_bilstm_calibration"
_LOWEST, _HIGHEST = 0.1, 10.0
# The best threshold is half of the best F, so this finds the best threshold if that F is at least 0.04.
_LOWEST_THRESHOLD = 0.02
# The search stops when it knows the temperature to one part in a thousand.
_PRECISION = 1e-3
_DIGITS = 3
_GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class TemperatureFit:
    """How well the confidences at a temperature match the gold entities.

    temperature: the temperature.
    n_entities: the number of predicted entities.
    log_loss: the mean negative log probability that the confidences assign to whether each entity is correct, in nats.
    calibration_error: the expected calibration error, 0 to 1, as `ner_scorer.get_calibration_error` returns it.
    """

    temperature: float
    n_entities: int
    log_loss: float
    calibration_error: float


@dataclass(frozen=True)
class ThresholdFit:
    """How well the entities predicted with a threshold match the gold entities.

    threshold: the threshold, or 0 for the entities of the most probable tag sequence.
    n_correct: the number of predicted entities that are correct.
    n_predicted: the number of predicted entities.
    n_gold: the number of gold entities.
    """

    threshold: float
    n_correct: int
    n_predicted: int
    n_gold: int

    @property
    def precision(self) -> float:
        """The share of predicted entities that are correct."""
        return self.n_correct / self.n_predicted if self.n_predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of gold entities that are predicted."""
        return self.n_correct / self.n_gold if self.n_gold else 0.0

    @property
    def f_score(self) -> float:
        """The harmonic mean of precision and recall."""
        total = self.n_predicted + self.n_gold
        return 2 * self.n_correct / total if total else 0.0


@dataclass(frozen=True)
class CalibrationResult:
    """The fits before and after a calibration.

    temperature: the fit at the old and at the new temperature.
    threshold: the fit with the old and with the new threshold, the same object twice if no threshold has a better F.
        None if the threshold was not fitted.
    """

    temperature: tuple[TemperatureFit, TemperatureFit]
    threshold: tuple[ThresholdFit, ThresholdFit] | None


def calibrate(
    nlp: Language,
    data: str | Path | Iterable[Example],
    pipe: str = "ner",
    *,
    threshold: bool = False,
    gold_preproc: bool = False,
    progress: bool = False,
) -> CalibrationResult:
    """Fit the temperature of an entity recogniser and, on request, its threshold.

    Use data that the pipeline was not trained with: it is more confident about its training data. This changes the
    settings of the component and its section of the pipeline's config, so `nlp.to_disk` saves the fitted values.

    nlp: the pipeline.
    data: a corpus in `.spacy` format, or examples. The predicted docs of examples must not be annotated yet.
    pipe: the name of the entity recogniser, a `bilstm_ner`.
    threshold: whether to fit the threshold too, for the best F.
    gold_preproc: whether to use the gold tokens and sentences of the corpus.
    progress: whether to show a progress bar in a terminal.
    RETURNS: how well the confidences fit before and after, and how well the entities match if the threshold is fitted.
    RAISES: ValueError if the pipeline has no such entity recogniser, or if the examples are not enough for a fit. The
        pipeline is unchanged then.
    """
    recognizer = _get_recognizer(nlp, pipe)
    if isinstance(data, (str, Path)):
        data = Corpus(data, gold_preproc=gold_preproc)(nlp)
    examples = _annotate_up_to(nlp, pipe, list(data), progress)
    with _restored_on_error(recognizer):
        temperature = fit_temperature(recognizer, examples)
        result = CalibrationResult(temperature, fit_threshold(recognizer, examples) if threshold else None)
    _write_into_config(nlp, pipe, recognizer)
    return result


def fit_temperature(
    recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example]
) -> tuple[TemperatureFit, TemperatureFit]:
    """Find the temperature with the lowest log loss and set it (Guo et al. 2017).

    The temperature does not change which entities are predicted without a threshold. Use examples that the recogniser
    was not trained with: it is more confident about its training data.

    recognizer: the recogniser. Its setting `temperature` is changed.
    examples: the examples. The components before the recogniser must have annotated their predicted docs, which have no
        entities. They are not changed.
    RETURNS: the fit at the old and at the new temperature.
    RAISES: ValueError if no entity is predicted, if all predicted entities are correct, or if none is.
    """
    before = _measure(recognizer, examples, recognizer.cfg["temperature"])

    def log_loss(log_temperature: float) -> float:
        return _measure(recognizer, examples, math.exp(log_temperature)).log_loss

    best = round(math.exp(_minimize(log_loss, math.log(_LOWEST), math.log(_HIGHEST))), _DIGITS)
    after = _measure(recognizer, examples, best)
    recognizer.cfg["temperature"] = best
    return before, after


def fit_threshold(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example]) -> tuple[ThresholdFit, ThresholdFit]:
    """Find the threshold with the best F and set it.

    If the confidences are true probabilities, the best threshold is half of the best F (Lipton et al. 2014), so fit the
    temperature first. If no threshold has a better F on the examples, the recogniser is not changed.

    recognizer: the recogniser. Its setting `threshold` is changed.
    examples: as for `fit_temperature`.
    RETURNS: the fit with the old and with the new threshold, or the old one twice if that is not changed.
    RAISES: ValueError if the examples have no entities, or if no predicted entity is correct.
    """
    n_gold = sum(len(example.reference.ents) for example in examples)
    own = recognizer.cfg["threshold"]
    before = _count(own, _predict_and_judge(recognizer, examples, threshold=own), n_gold)
    # The most probable one of overlapping spans is chosen first, so a higher threshold keeps the first of these spans.
    judged = _predict_and_judge(recognizer, examples, threshold=_LOWEST_THRESHOLD)
    judged = judged[numpy.argsort(-judged[:, 0], kind="stable")]
    n_correct, n_predicted = judged[:, 1].cumsum(), numpy.arange(1, len(judged) + 1)
    if not judged[:, 1].any():
        raise ValueError(
            f"Can't fit a threshold: '{recognizer.name}' predicts {len(judged)} spans for {n_gold} entities, and none "
            "of them is correct. Use more examples, or train the recogniser for longer."
        )
    # A threshold can't separate spans whose confidences are equal up to rounding errors.
    is_last = numpy.append(-numpy.diff(judged[:, 0]) > 1e-6, True)
    threshold = round(float((n_correct / (n_predicted + n_gold))[is_last].max()), _DIGITS)
    after = _count(threshold, judged[judged[:, 0] >= threshold], n_gold)
    if after.f_score <= before.f_score:
        return before, before
    recognizer.cfg["threshold"] = threshold
    return before, after


def _get_recognizer(nlp: Language, pipe: str) -> BiLSTMEntityRecognizer:
    recognizer = nlp.get_pipe(pipe) if nlp.has_pipe(pipe) else None
    if not isinstance(recognizer, BiLSTMEntityRecognizer):
        names = [name for name, component in nlp.pipeline if isinstance(component, BiLSTMEntityRecognizer)]
        raise ValueError(f"The pipeline has no bilstm_ner '{pipe}'. It has these: {', '.join(names) or 'none'}.")
    return recognizer


def _annotate_up_to(nlp: Language, pipe: str, examples: list[Example], progress: bool) -> list[Example]:
    """Return the examples, with predicted docs that the components before the recogniser have annotated."""
    with nlp.select_pipes(enable=nlp.pipe_names[: nlp.pipe_names.index(pipe)]):
        docs = nlp.pipe(example.predicted.copy() for example in examples)
        pairs = zip(docs, examples, strict=True)
        bar = tqdm(pairs, total=len(examples), unit="doc", leave=False, disable=None if progress else True)
        return [Example(doc, example.reference) for doc, example in bar]


@contextmanager
def _restored_on_error(recognizer: BiLSTMEntityRecognizer) -> Iterator[None]:
    own = dict(recognizer.cfg)
    try:
        yield
    except BaseException:
        recognizer.cfg.update(own)
        raise


def _write_into_config(nlp: Language, pipe: str, recognizer: BiLSTMEntityRecognizer) -> None:
    """Write the fitted settings into the pipeline's config, so `spacy.load` recognises an overridden one."""
    fitted = {name: recognizer.cfg[name] for name in ("temperature", "threshold")}
    nlp.get_pipe_config(pipe).update(fitted)
    recognizer.configure(fitted)


def _count(threshold: float, judged: Floats, n_gold: int) -> ThresholdFit:
    return ThresholdFit(threshold, int(judged[:, 1].sum()), len(judged), n_gold)


def _measure(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example], temperature: float) -> TemperatureFit:
    judged = _predict_and_judge(recognizer, examples, threshold=0.0, temperature=temperature)
    confidences, is_correct = judged.T
    if not 0 < is_correct.sum() < len(is_correct):
        raise ValueError(
            f"Can't fit a temperature: '{recognizer.name}' predicts {len(is_correct)} entities, and "
            f"{int(is_correct.sum())} of them are correct. Use examples with both correct and incorrect predictions: "
            "more of them, and none that the recogniser was trained with."
        )
    clipped = confidences.clip(1e-12, 1.0 - 1e-12)
    log_loss = -numpy.log(numpy.where(is_correct == 1.0, clipped, 1.0 - clipped)).mean()
    error = get_calibration_error(list(zip(confidences.tolist(), is_correct == 1.0, strict=True)))
    assert error is not None
    return TemperatureFit(temperature, len(is_correct), float(log_loss), error)


def _predict_and_judge(recognizer: BiLSTMEntityRecognizer, examples: Sequence[Example], **settings: float) -> Floats:
    """Predict entities with some settings. Return confidences, and 1 if correct, else 0. Shape `(n_entities, 2)`."""
    predicted = [Example(example.predicted.copy(), example.reference) for example in examples]
    docs = [example.predicted for example in predicted]
    own = dict(recognizer.cfg)
    try:
        recognizer.cfg.update({**settings, "confidences": _KEY})
        recognizer.set_annotations(docs, recognizer.predict(docs))
    finally:
        recognizer.cfg.update(own)
    return numpy.array(list(judge_entities(predicted, _KEY)), dtype="float64").reshape(-1, 2)


def _minimize(function: Callable[[float], float], low: float, high: float) -> float:
    """Find the minimum of a function that has only one, by golden-section search (Kiefer 1953)."""
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
