"""Count the entities that a pipeline finds, by whether their names were seen in training, and by label.

python -m spacy_bilstm.experiments.entity_errors ours/model-best --train corpus/ewt/train.spacy \
    --dev corpus/ewt/dev.spacy

The pipeline predicts on the gold tokens. The program prints two Markdown tables.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

OUTCOMES = ("found", "other label", "other bounds", "missed")


class SeenInTraining:
    """The words and the entities of the training corpus, in lower case."""

    def __init__(self, docs: Iterable[Doc]) -> None:
        """Read them from docs."""
        self.words: set[str] = set()
        self.labels: dict[str, set[str]] = defaultdict(set)
        for doc in docs:
            self.words.update(token.lower_ for token in doc)
            for entity in doc.ents:
                self.labels[entity.text.lower()].add(entity.label_)

    def describe(self, entity: Span) -> str:
        """Return which part of an entity was seen in training, in words."""
        labels = self.labels.get(entity.text.lower())
        if labels is not None:
            return "name seen with this label" if entity.label_ in labels else "name seen with another label"
        all_seen = all(token.lower_ in self.words for token in entity)
        return "unseen name, all words seen" if all_seen else "unseen name, with an unseen word"


@dataclass(frozen=True)
class EntityErrors:
    """What became of the gold entities.

    by_name: the number of gold entities with each of `OUTCOMES`, by what training saw of their names.
    by_label: the same by label.
    n_predicted: number of predicted entities.
    n_spurious: number of predicted entities that overlap no gold entity.
    """

    by_name: Mapping[str, Counter[str]]
    by_label: Mapping[str, Counter[str]]
    n_predicted: int
    n_spurious: int


def count_entity_errors(nlp: Language, train: Sequence[Doc], gold: Sequence[Doc]) -> EntityErrors:
    """Compare the entities that a pipeline predicts with gold entities.

    nlp: the pipeline.
    train: the docs that it was trained on.
    gold: other docs. The pipeline predicts on their tokens.
    RETURNS: the counts.
    """
    seen = SeenInTraining(train)
    by_name: dict[str, Counter[str]] = defaultdict(Counter)
    by_label: dict[str, Counter[str]] = defaultdict(Counter)
    n_predicted = n_spurious = 0
    for annotated, doc in zip(gold, _predict(nlp, gold), strict=True):
        predicted = {(entity.start, entity.end): entity.label_ for entity in doc.ents}
        for entity in annotated.ents:
            outcome = _find_outcome(entity, predicted)
            by_name[seen.describe(entity)][outcome] += 1
            by_label[entity.label_][outcome] += 1
        n_predicted += len(predicted)
        n_spurious += sum(
            all(entity.end <= start or entity.start >= end for entity in annotated.ents) for start, end in predicted
        )
    return EntityErrors(by_name, by_label, n_predicted, n_spurious)


def read_docs(path: str | Path, nlp: Language) -> list[Doc]:
    """Read the docs of a `.spacy` file that have entity annotation."""
    return [doc for doc in DocBin().from_disk(path).get_docs(nlp.vocab) if doc.has_annotation("ENT_IOB")]


def make_table(corner: str, rows: Mapping[str, Counter[str]]) -> str:
    """Make a Markdown table of counts.

    corner: the header of the first column.
    rows: the counts by the first column's text.
    RETURNS: the table, the largest total first.
    """
    lines = [f"| {corner} | " + " | ".join(("entities", *OUTCOMES)) + " |", "|---" * (len(OUTCOMES) + 2) + "|"]
    for name, counts in sorted(rows.items(), key=lambda row: -sum(row[1].values())):
        total = sum(counts.values())
        cells = [f"{counts[outcome]} ({100 * counts[outcome] / total:.0f} %)" for outcome in OUTCOMES]
        lines.append(f"| {name} | {total} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _predict(nlp: Language, docs: Sequence[Doc]) -> list[Doc]:
    copies = [
        Doc(nlp.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])
        for doc in docs
    ]
    return list(nlp.pipe(copies))


def _find_outcome(entity: Span, predicted: Mapping[tuple[int, int], str]) -> str:
    label = predicted.get((entity.start, entity.end))
    if label is not None:
        return "found" if label == entity.label_ else "other label"
    overlaps = any(start < entity.end and end > entity.start for start, end in predicted)
    return "other bounds" if overlaps else "missed"


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", help="directory or package of a pipeline")
    parser.add_argument("--train", required=True, help=".spacy file that it was trained on")
    parser.add_argument("--dev", required=True, help=".spacy file to predict on")
    arguments = parser.parse_args()
    nlp = spacy.load(arguments.pipeline)
    errors = count_entity_errors(nlp, read_docs(arguments.train, nlp), read_docs(arguments.dev, nlp))
    print(make_table("", errors.by_name), make_table("label", errors.by_label), sep="\n\n")
    print(f"\n{errors.n_spurious} of {errors.n_predicted} predicted entities overlap no gold entity.")


if __name__ == "__main__":
    main()
