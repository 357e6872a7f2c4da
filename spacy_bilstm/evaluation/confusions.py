"""Which values of a tag are taken for which. Outcomes of all docs come in, counts go out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from spacy.training import Example

from .outcomes import TokenOutcomes

_N_WORDS = 3


@dataclass(frozen=True)
class Confusion:
    """A value that was taken for another one.

    gold, predicted: the values.
    n: how often.
    n_gold: how often the gold value is there.
    words: the words that it happened to most often.
    """

    gold: str
    predicted: str
    n: int
    n_gold: int
    words: list[str]


@dataclass(frozen=True)
class Matrix:
    """Gold values, from top to bottom, against predicted values, from left to right.

    values: the values.
    counts: for each gold value, how often each value was predicted for it.
    """

    values: list[str]
    counts: list[list[int]]


def list_confusions(examples: Sequence[Example], docs: Sequence[TokenOutcomes], n: int) -> list[Confusion]:
    """Give the n most frequent confusions.

    examples: the docs.
    docs: the outcomes of an attribute of their tokens.
    n: how many, >= 1.
    """
    n_gold = Counter(value for doc in docs for value in doc.gold.values())
    words: dict[tuple[str, str], Counter[str]] = {}
    for example, doc in zip(examples, docs, strict=True):
        for i, gold, predicted in doc.confusions:
            words.setdefault((gold, predicted), Counter())[example.reference[i].text] += 1
    ordered = sorted(words.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        Confusion(gold, predicted, counter.total(), n_gold[gold], [word for word, _ in counter.most_common(_N_WORDS)])
        for (gold, predicted), counter in ordered[:n]
    ]


def make_matrix(docs: Sequence[TokenOutcomes], n: int) -> Matrix:
    """Count the n values that are in most confusions against each other, the most frequent gold value first."""
    n_gold = Counter(value for doc in docs for value in doc.gold.values())
    pairs = Counter((doc.gold[i], value) for doc in docs for i, value in doc.predicted)
    n_errors: Counter[str] = Counter()
    for (gold, predicted), count in pairs.items():
        if gold != predicted:
            n_errors[gold] += count
            n_errors[predicted] += count
    worst = sorted(n_errors, key=lambda value: (-n_errors[value], value))[:n]
    values = sorted(worst, key=lambda value: (-n_gold[value], value))
    return Matrix(values, [[pairs[gold, predicted] for predicted in values] for gold in values])
