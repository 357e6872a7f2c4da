"""Say what a fitted temperature and threshold bring on data that they were not fitted to.

python docs/cross_calibrate.py model/model-best --corpus corpus/ewt/dev.spacy

The corpus, with gold tokens, is cut into blocks of documents that alternate between two halves. What is fitted to one
half predicts the other, as `spacy bilstm calibrate --threshold` would fit it, and the two are scored as one. What is
"by chance" is the calibration error that true confidences would have on so few entities.
"""

import argparse
import statistics
from collections.abc import Callable

import numpy
import spacy
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from spacy_bilstm.pipeline.calibration import fit_temperature, fit_threshold
from spacy_bilstm.pipeline.ner import BiLSTMEntityRecognizer
from spacy_bilstm.pipeline.ner_scorer import find_outcomes, get_calibration_error, score_ner

BLOCK = 125
KEY = "confidences"
N_DRAWS = 200
Fit = Callable[[BiLSTMEntityRecognizer, list[Example]], object]


def predict(recognizer: BiLSTMEntityRecognizer, examples: list[Example], fitted_to: list[Example], *fits: Fit) -> None:
    """Annotate the predicted docs of examples, after the settings were fitted to others."""
    recognizer.cfg.update({"confidences": KEY, "temperature": 1.0, "threshold": 0.0})
    for fit in fits:
        fit(recognizer, fitted_to)
    docs = [example.predicted for example in examples]
    recognizer.set_annotations(docs, recognizer.predict(docs))
    if fits:
        print(f"temperature {recognizer.cfg['temperature']}, threshold {recognizer.cfg['threshold']}")


def estimate_chance(examples: list[Example]) -> float:
    """Give the calibration error that confidences have where each is the truth, as so few entities are drawn."""
    confidences = numpy.array([confidence for confidence, _ in find_outcomes(examples, KEY)])
    rng = numpy.random.default_rng(0)
    draws = [confidences > rng.random(len(confidences)) for _ in range(N_DRAWS)]
    errors = [get_calibration_error(list(zip(confidences.tolist(), draw.tolist(), strict=True))) for draw in draws]
    return statistics.mean(error for error in errors if error is not None)


def main() -> None:
    """Print the scores without a fit, with the temperature, and with the threshold, too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a pipeline")
    parser.add_argument("--corpus", required=True, help="corpus in .spacy format that it was not trained with")
    parser.add_argument("--pipe", default="ner", help="name of the entity recogniser")
    arguments = parser.parse_args()
    nlp = spacy.load(arguments.model)
    recognizer = nlp.get_pipe(arguments.pipe)
    assert isinstance(recognizer, BiLSTMEntityRecognizer)
    examples = list(Corpus(arguments.corpus, gold_preproc=True)(nlp))
    with nlp.select_pipes(enable=nlp.pipe_names[: nlp.pipe_names.index(arguments.pipe)]):
        docs: list[Doc] = list(nlp.pipe(example.predicted for example in examples))
    ways: dict[str, tuple[Fit, ...]] = {
        "as it is": (),
        "temperature": (fit_temperature,),
        "temperature and threshold": (fit_temperature, fit_threshold),
    }
    for name, fits in ways.items():
        halves: list[list[Example]] = [[], []]
        for i, (doc, example) in enumerate(zip(docs, examples, strict=True)):
            halves[i // BLOCK % 2].append(Example(doc.copy(), example.reference))
        fresh = [[Example(example.predicted.copy(), example.reference) for example in half] for half in halves]
        for half, other in zip(halves, reversed(fresh), strict=True):
            predict(recognizer, half, other, *fits)
        scores = score_ner([*halves[0], *halves[1]], confidences=KEY)
        scores["by chance"] = estimate_chance([*halves[0], *halves[1]])
        values = {name: f"{100 * scores[name]:.1f}" for name in ("ents_p", "ents_r", "ents_f", "ents_ece", "by chance")}
        print(f"{name}: {values}")


if __name__ == "__main__":
    main()
