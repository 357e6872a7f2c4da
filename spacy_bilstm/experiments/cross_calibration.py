"""Measure what a fitted temperature and threshold change on data that they were not fitted to.

python -m spacy_bilstm.experiments.cross_calibration model/model-best --corpus corpus/ewt/dev.spacy

Blocks of documents of the corpus alternate between two halves. The settings fitted to one half predict the other, and
both halves are scored together. The fits are those of `spacy bilstm calibrate --threshold`, on gold tokens.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
import spacy
from spacy.language import Language
from spacy.training import Corpus, Example

from ..pipeline.calibration import fit_temperature, fit_threshold
from ..pipeline.ner import BiLSTMEntityRecognizer
from ..pipeline.ner_scorer import get_calibration_error, judge_entities, score_ner

BLOCK_SIZE = 125
N_DRAWS = 200
_KEY = "confidences"
_SCORES = ("ents_p", "ents_r", "ents_f", "ents_ece")

Fit = Callable[[BiLSTMEntityRecognizer, Sequence[Example]], object]
FITS: dict[str, tuple[Fit, ...]] = {
    "not fitted": (),
    "temperature": (fit_temperature,),
    "temperature and threshold": (fit_temperature, fit_threshold),
}
"""The fits to compare."""


@dataclass(frozen=True)
class HeldOutScores:
    """The scores with settings that were fitted to the other half.

    settings: the fitted temperature and threshold for each half.
    scores: `"ents_p"`, `"ents_r"`, `"ents_f"` and `"ents_ece"` of both halves together, from 0 to 1.
    chance_ece: the mean calibration error that correct probabilities would have on as many entities, from 0 to 1.
    """

    settings: list[tuple[float, float]]
    scores: dict[str, float]
    chance_ece: float


def cross_calibrate(nlp: Language, examples: Sequence[Example], pipe: str = "ner") -> dict[str, HeldOutScores]:
    """Fit an entity recogniser to each half of the examples and predict the other half.

    nlp: the pipeline. The temperature and the threshold of its recogniser are changed.
    examples: examples that it was not trained with. Their predicted docs are not annotated yet.
    pipe: the name of the entity recogniser, a `bilstm_ner`.
    RETURNS: the scores for each key of `FITS`.
    RAISES: ValueError if the component is not a `bilstm_ner`.
    """
    recognizer = nlp.get_pipe(pipe)
    if not isinstance(recognizer, BiLSTMEntityRecognizer):
        raise ValueError(f"'{pipe}' is not a bilstm_ner. Use the name of one.")
    with nlp.select_pipes(enable=nlp.pipe_names[: nlp.pipe_names.index(pipe)]):
        docs = list(nlp.pipe(example.predicted for example in examples))
    halves: list[list[Example]] = [[], []]
    for i, (doc, example) in enumerate(zip(docs, examples, strict=True)):
        halves[i // BLOCK_SIZE % 2].append(Example(doc, example.reference))
    return {name: _score_held_out(recognizer, halves, fits) for name, fits in FITS.items()}


def _score_held_out(
    recognizer: BiLSTMEntityRecognizer, halves: Sequence[list[Example]], fits: Sequence[Fit]
) -> HeldOutScores:
    predicted: list[Example] = []
    settings = []
    for half, other in zip(halves, reversed(halves), strict=True):
        recognizer.cfg.update({"confidences": _KEY, "temperature": 1.0, "threshold": 0.0})
        for fit in fits:
            fit(recognizer, other)
        settings.append((recognizer.cfg["temperature"], recognizer.cfg["threshold"]))
        copies = [Example(example.predicted.copy(), example.reference) for example in half]
        docs = [example.predicted for example in copies]
        recognizer.set_annotations(docs, recognizer.predict(docs))
        predicted += copies
    scores = score_ner(predicted, confidences=_KEY)
    return HeldOutScores(settings, {name: scores[name] for name in _SCORES}, _estimate_chance_ece(predicted))


def _estimate_chance_ece(examples: Sequence[Example]) -> float:
    """Draw whether each entity is correct from its confidence, many times, and return the mean calibration error."""
    confidences = numpy.array([entity.confidence for entity in judge_entities(examples, _KEY)])
    rng = numpy.random.default_rng(0)
    draws = [confidences > rng.random(len(confidences)) for _ in range(N_DRAWS)]
    errors = [get_calibration_error(list(zip(confidences.tolist(), draw.tolist(), strict=True))) for draw in draws]
    return statistics.mean(error for error in errors if error is not None)


def main() -> None:
    """Read the command line and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="directory or package of a pipeline")
    parser.add_argument("--corpus", required=True, help=".spacy file that it was not trained on")
    parser.add_argument("--pipe", default="ner", help="name of the entity recogniser")
    arguments = parser.parse_args()
    nlp = spacy.load(arguments.model)
    examples = list(Corpus(arguments.corpus, gold_preproc=True)(nlp))
    for name, result in cross_calibrate(nlp, examples, arguments.pipe).items():
        settings = "; ".join(f"temperature {temperature}, threshold {least}" for temperature, least in result.settings)
        scores = {**result.scores, "ece by chance": result.chance_ece}
        print(f"{name} ({settings}): {', '.join(f'{key} {100 * score:.1f}' for key, score in scores.items())}")


if __name__ == "__main__":
    main()
