"""Measure how the scores of a pipeline change with the whitespace of the texts.

python -m spacy_bilstm.experiments.whitespace model/model-best corpus/sample/dev.spacy

Other whitespace replaces the spaces between words. The pipeline tokenizes the changed texts itself. Gold entities move
with their words.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..util.docbin import read_docs
from .replaced_spaces import find_spaces, replace_spaces

SEED = 0
Perturbation = Callable[[int, random.Random], list[str]]
"""Makes the whitespace in place of a number of spaces."""


@dataclass(frozen=True)
class WhitespaceScores:
    """The scores of a pipeline on one version of a corpus, from 0 to 1; None without such a component or annotation.

    tag_acc: the accuracy of the tags of words.
    ents_f: the F-score of the entities.
    """

    tag_acc: float | None
    ents_f: float | None


def double_spaces(n_spaces: int, rng: random.Random) -> list[str]:
    """Double every space."""
    return ["  "] * n_spaces


def insert_no_break_spaces(n_spaces: int, rng: random.Random) -> list[str]:
    """Replace 20 % of the spaces with no-break spaces."""
    return _replace_some(n_spaces, rng, "\xa0")


def insert_tabs(n_spaces: int, rng: random.Random) -> list[str]:
    """Replace 20 % of the spaces with tabs."""
    return _replace_some(n_spaces, rng, "\t")


def break_lines(n_spaces: int, rng: random.Random) -> list[str]:
    """Replace every eighth space with a line break."""
    return ["\n" if i % 8 == 7 else " " for i in range(n_spaces)]


PERTURBATIONS: dict[str, Perturbation] = {
    "every space doubled": double_spaces,
    "20 % no-break spaces": insert_no_break_spaces,
    "a newline every 8 words": break_lines,
    "20 % tabs": insert_tabs,
}
"""The perturbations to measure."""


def perturb(doc: Doc, perturbation: Perturbation, rng: random.Random) -> Doc:
    """Make a copy of a doc with other whitespace and the same annotation.

    doc: the doc, with gold annotation. It is not modified.
    perturbation: makes the whitespace.
    rng: the random generator that it uses.
    RETURNS: the copy. Its whitespace is tokenized as spaCy's tokenizer does.
    """
    return replace_spaces(doc, perturbation(len(find_spaces(doc)), rng))


def score_whitespace(
    nlp: Language, docs: Sequence[Doc], perturbations: Mapping[str, Perturbation] = PERTURBATIONS
) -> dict[str, WhitespaceScores]:
    """Evaluate a pipeline on docs as they are and with other whitespace.

    nlp: the pipeline.
    docs: docs with gold annotation.
    perturbations: the perturbations, by name.
    RETURNS: the scores for "as it is" and for each name.
    """
    scores = {"as it is": _score(nlp, docs)}
    for name, perturbation in perturbations.items():
        rng = random.Random(SEED)
        scores[name] = _score(nlp, [perturb(doc, perturbation, rng) for doc in docs])
    return scores


def _replace_some(n_spaces: int, rng: random.Random, whitespace: str) -> list[str]:
    return [whitespace if rng.random() < 0.2 else " " for _ in range(n_spaces)]


def _score(nlp: Language, docs: Sequence[Doc]) -> WhitespaceScores:
    scores = nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in docs])
    return WhitespaceScores(scores.get("tag_acc"), scores.get("ents_f"))


def main() -> None:
    """Read the command line and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="directory or package of a pipeline")
    parser.add_argument("corpus", help=".spacy file that it was not trained on")
    arguments = parser.parse_args()
    nlp = spacy.load(arguments.model)
    for name, scores in score_whitespace(nlp, read_docs(arguments.corpus, nlp.vocab)).items():
        values = ((key, value) for key, value in vars(scores).items() if value is not None)
        print(f"{name}: {', '.join(f'{key} {100 * value:.1f}' for key, value in values)}")


if __name__ == "__main__":
    main()
