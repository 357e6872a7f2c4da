"""Counts which values of a tag are confused with which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from spacy.training import Example

from .outcomes import ATTRIBUTE_NAMES, Outcomes, TokenOutcomes

# The attributes of tokens that have few values.
_TAGS = ("tag", "pos")
_N_CONFUSIONS = 15
_N_IN_MATRIX = 12
_N_WORDS = 3


@dataclass(frozen=True)
class Confusion:
    """A gold value and an incorrect value that is predicted for it.

    gold, predicted: the values.
    n: how often this happens.
    n_gold: how often the gold value occurs.
    words: the words that it happens to most often.
    """

    gold: str
    predicted: str
    n: int
    n_gold: int
    words: list[str]


@dataclass(frozen=True)
class ConfusionMatrix:
    """How often each value is predicted for each gold value.

    values: the values.
    counts: a row for each gold value, with a column for each predicted value.
    """

    values: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class TagConfusions:
    """The confusions of one kind of tag.

    attr: the attribute of tokens, "tag" or "pos".
    name: the name to show.
    matrix: the values with the most confusions.
    most_frequent: the most frequent confusions, in descending order.
    """

    attr: str
    name: str
    matrix: ConfusionMatrix
    most_frequent: list[Confusion]


def find_tag_confusions(examples: Sequence[Example], outcomes: Outcomes) -> list[TagConfusions]:
    """Return the confusions of each kind of tag that has any.

    examples: the annotated docs.
    outcomes: their outcomes.
    """
    result = []
    for attr in _TAGS:
        docs = outcomes.tokens.get(attr, [])
        confusions = list_confusions(examples, docs, _N_CONFUSIONS) if docs else []
        if confusions:
            result.append(TagConfusions(attr, ATTRIBUTE_NAMES[attr], make_matrix(docs, _N_IN_MATRIX), confusions))
    return result


def list_confusions(examples: Sequence[Example], docs: Sequence[TokenOutcomes], n: int) -> list[Confusion]:
    """Return the n most frequent confusions.

    examples: the annotated docs.
    docs: the outcomes of an attribute of their tokens.
    n: the maximum number of confusions, >= 1.
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


def make_matrix(docs: Sequence[TokenOutcomes], n: int) -> ConfusionMatrix:
    """Return the confusion matrix of the n values with the most confusions, the most frequent gold value first."""
    n_gold = Counter(value for doc in docs for value in doc.gold.values())
    pairs = Counter((doc.gold[i], value) for doc in docs for i, value in doc.predicted)
    n_errors: Counter[str] = Counter()
    for (gold, predicted), count in pairs.items():
        if gold != predicted:
            n_errors[gold] += count
            n_errors[predicted] += count
    worst = sorted(n_errors, key=lambda value: (-n_errors[value], value))[:n]
    values = sorted(worst, key=lambda value: (-n_gold[value], value))
    return ConfusionMatrix(values, [[pairs[gold, predicted] for predicted in values] for gold in values])
