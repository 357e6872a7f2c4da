"""Say which entities a pipeline finds, by what training knew of them; from anywhere.

python docs/entity_errors.py ours/model-best --train corpus/ewt/train.spacy --dev corpus/ewt/dev.spacy

The tokens are those of the annotation. Prints two Markdown tables: annotated entities by how familiar they are, and by
label.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span

OUTCOMES = ("found", "other label", "other bounds", "missed")
Place = tuple[int, int]


class Known:
    """What training had: words, and the labels of names."""

    def __init__(self, docs: Iterable[Doc]) -> None:
        """Read the words and names of docs, whatever their case."""
        self.words: set[str] = set()
        self.labels: dict[str, set[str]] = defaultdict(set)
        for doc in docs:
            self.words.update(token.lower_ for token in doc)
            for entity in doc.ents:
                self.labels[entity.text.lower()].add(entity.label_)

    def describe(self, entity: Span) -> str:
        """Say how familiar an entity is."""
        labels = self.labels.get(entity.text.lower())
        if labels is not None:
            return "name seen with this label" if entity.label_ in labels else "name seen with another label"
        is_known = all(token.lower_ in self.words for token in entity)
        return "name unseen, of words seen" if is_known else "name unseen, with a word unseen"


def read(path: str, nlp: Language) -> list[Doc]:
    """Read the docs of a .spacy file that have entity annotation."""
    return [doc for doc in DocBin().from_disk(path).get_docs(nlp.vocab) if doc.has_annotation("ENT_IOB")]


def predict(nlp: Language, docs: list[Doc]) -> list[Doc]:
    """Annotate docs of the same tokens."""
    copies = [
        Doc(nlp.vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])
        for doc in docs
    ]
    return list(nlp.pipe(copies))


def judge(entity: Span, predicted: dict[Place, str]) -> str:
    """Say what became of an annotated entity."""
    label = predicted.get((entity.start, entity.end))
    if label is not None:
        return "found" if label == entity.label_ else "other label"
    overlaps = any(start < entity.end and end > entity.start for start, end in predicted)
    return "other bounds" if overlaps else "missed"


def format_table(corner: str, rows: dict[str, Counter[str]]) -> str:
    """Give a Markdown table of counts."""
    lines = [f"| {corner} | " + " | ".join(("entities", *OUTCOMES)) + " |", "|---" * (len(OUTCOMES) + 2) + "|"]
    for name, counts in sorted(rows.items(), key=lambda row: -sum(row[1].values())):
        total = sum(counts.values())
        cells = [f"{counts[outcome]} ({100 * counts[outcome] / total:.0f} %)" for outcome in OUTCOMES]
        lines.append(f"| {name} | {total} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Compare a pipeline's entities with those of a corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline", help="directory or package of a pipeline")
    parser.add_argument("--train", required=True, help="the corpus it was trained on, a .spacy file")
    parser.add_argument("--dev", required=True, help="the corpus to look at")
    arguments = parser.parse_args()
    nlp = spacy.load(arguments.pipeline)
    known = Known(read(arguments.train, nlp))
    gold = read(arguments.dev, nlp)
    by_familiarity: dict[str, Counter[str]] = defaultdict(Counter)
    by_label: dict[str, Counter[str]] = defaultdict(Counter)
    n_predicted = n_spurious = 0
    for annotated, doc in zip(gold, predict(nlp, gold), strict=True):
        predicted = {(entity.start, entity.end): entity.label_ for entity in doc.ents}
        for entity in annotated.ents:
            outcome = judge(entity, predicted)
            by_familiarity[known.describe(entity)][outcome] += 1
            by_label[entity.label_][outcome] += 1
        n_predicted += len(predicted)
        n_spurious += sum(
            all(entity.end <= start or entity.start >= end for entity in annotated.ents) for start, end in predicted
        )
    print(format_table("", by_familiarity), format_table("label", by_label), sep="\n\n")
    print(f"\nOf {n_predicted} entities predicted, {n_spurious} are where none is annotated.")


if __name__ == "__main__":
    main()
