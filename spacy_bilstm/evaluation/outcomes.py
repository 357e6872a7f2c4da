"""What a pipeline got right and wrong in each doc, as spaCy's scorer sees it. Examples come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from spacy.pipeline import TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Span, Token
from spacy.training import Example


class Count(NamedTuple):
    """Numbers of true positives, false positives and false negatives."""

    tp: int
    fp: int
    fn: int


def _get_morph(token: Token) -> str:
    return (str(token.morph) or "_") if token.has_morph() else ""


# The attributes of tokens that spaCy scores as `{attr}_acc`. An empty value is missing annotation.
ATTRIBUTES: dict[str, Callable[[Token], str]] = {
    "tag": lambda token: token.tag_,
    "pos": lambda token: token.pos_,
    "morph": _get_morph,
    "lemma": lambda token: token.lemma_,
}


@dataclass(frozen=True)
class TokenOutcomes:
    """An attribute of a doc's tokens.

    gold: its value by the index of the reference's token, where it is annotated.
    predicted: indices of such tokens with the values predicted for them. A token that the pipeline cuts in two has
        two, one that it joins with another has none.
    """

    gold: dict[int, str]
    predicted: set[tuple[int, str]]

    @property
    def count(self) -> Count:
        """How many are right and wrong."""
        return count_sets(self.predicted, set(self.gold.items()))

    @property
    def confusions(self) -> list[tuple[int, str, str]]:
        """Index, gold value and predicted value of the wrong ones, in the order of the tokens."""
        return [(i, self.gold[i], value) for i, value in sorted(self.predicted) if value != self.gold[i]]

    def is_right(self, index: int) -> bool:
        """Whether a reference's token, which must be annotated, has its gold value."""
        return (index, self.gold[index]) in self.predicted


@dataclass(frozen=True)
class EntityOutcomes:
    """The entities of a doc.

    found, missed: gold entities.
    right, wrong: predicted entities; none where the gold annotation is missing.
    """

    found: list[Span]
    missed: list[Span]
    right: list[Span]
    wrong: list[Span]

    def count(self, label: str | None = None) -> Count:
        """How many are right and wrong, of one label or all."""
        n_right, n_wrong, n_missed = (
            sum(label in (None, span.label_) for span in spans) for spans in (self.right, self.wrong, self.missed)
        )
        return Count(n_right, n_wrong, n_missed)


@dataclass(frozen=True)
class CategoryOutcomes:
    """The categories of a doc: the gold ones and the predicted ones."""

    gold: set[str]
    predicted: set[str]

    def count(self, label: str | None = None) -> Count:
        """How many are right and wrong, of one label or all."""
        labels = self.gold | self.predicted if label is None else {label}
        return count_sets(self.predicted & labels, self.gold & labels)


def count_sets(predicted: Set[Any], gold: Set[Any]) -> Count:
    """Count what two sets share and what only one of them has."""
    return Count(len(predicted & gold), len(predicted - gold), len(gold - predicted))


def compare_tokens(example: Example, attr: str) -> TokenOutcomes:
    """Compare an attribute of tokens, one of ATTRIBUTES."""
    read = ATTRIBUTES[attr]
    gold = {token.i: value for token in example.reference if (value := read(token))}
    predicted = {(i, read(token)) for token, i in _align_tokens(example) if i in gold}
    return TokenOutcomes(gold, predicted)


def compare_entities(example: Example) -> EntityOutcomes:
    """Compare entities. One is passed over where a token's gold annotation is missing, as in spaCy's scores."""
    outcomes = EntityOutcomes([], [], [], [])
    if not example.reference.has_annotation("ENT_IOB"):
        return outcomes
    open_gold = {(ent.label_, ent.start, ent.end): ent for ent in example.reference.ents}
    for ent in example.predicted.ents:
        indices = example.alignment.x2y[ent.start : ent.end]
        if not len(indices):
            continue
        start, end = int(indices[0]), int(indices[-1]) + 1
        if any(token.ent_iob == 0 for token in example.reference[start:end]):
            continue
        gold = open_gold.pop((ent.label_, start, end), None)
        if gold is None:
            outcomes.wrong.append(ent)
        else:
            outcomes.found.append(gold)
            outcomes.right.append(ent)
    outcomes.missed.extend(open_gold.values())
    return outcomes


def compare_categories(example: Example, textcat: TextCategorizer) -> CategoryOutcomes:
    """Compare the categories that a text classifier knows."""
    gold = {label: score for label, score in example.reference.cats.items() if label in textcat.labels}
    predicted = {label: example.predicted.cats.get(label, 0.0) for label in textcat.labels}
    if isinstance(textcat, MultiLabel_TextCategorizer):
        threshold = textcat.cfg["threshold"]
        return CategoryOutcomes(
            {label for label, score in gold.items() if score > 0},
            {label for label in gold if predicted[label] >= threshold},
        )
    return CategoryOutcomes(
        *({max(scores, key=lambda label: scores[label])} if scores else set() for scores in (gold, predicted))
    )


def count_tokenization(example: Example) -> Count:
    """Count predicted tokens that are one of the reference's, and others."""
    if example.reference.has_unknown_spaces:
        return Count(0, 0, 0)
    n_tokens = sum(not token.is_space for token in example.predicted)
    n_right = len(_align_tokens(example))
    return Count(n_right, n_tokens - n_right, 0)


def count_sentences(example: Example) -> Count:
    """Count sentences with the right start and end."""
    if not example.reference.has_annotation("SENT_START"):
        return Count(0, 0, 0)
    aligned = example.get_aligned_spans_x2y(example.predicted.sents)
    return count_sets(_describe_spans(aligned), _describe_spans(example.reference.sents))


def count_spans(example: Example, key: str) -> Count:
    """Count the spans of a group with the right start, end and label."""
    if key not in example.reference.spans:
        return Count(0, 0, 0)
    predicted = example.predicted.spans.get(key, [])
    aligned = example.get_aligned_spans_x2y(predicted, allow_overlap=True)
    return count_sets(_describe_spans(aligned), _describe_spans(example.reference.spans[key]))


def count_arcs(example: Example, labeled: bool) -> Count:
    """Count tokens with the right head and, if `labeled`, the right label; as in spaCy's scores, not punctuation."""
    gold = {
        (token.i, token.head.i, token.dep_.lower() if labeled else "")
        for token in example.reference
        if token.dep and token.dep_.lower() not in ("p", "punct")
    }
    aligned = {token.i: i for token, i in _align_tokens(example)}
    predicted = set()
    n_unaligned = 0
    for token in example.predicted:
        if token.is_space or token.dep_.lower() in ("p", "punct"):
            continue
        if token.i in aligned and not example.reference[aligned[token.i]].dep:
            continue
        if token.i not in aligned or token.head.i not in aligned:
            n_unaligned += 1
        else:
            predicted.add((aligned[token.i], aligned[token.head.i], token.dep_.lower() if labeled else ""))
    count = count_sets(predicted, gold)
    return count._replace(fp=count.fp + n_unaligned)


def _describe_spans(spans: Iterable[Span]) -> set[tuple[str, int, int]]:
    return {(span.label_, span.start, span.end) for span in spans}


def _align_tokens(example: Example) -> list[tuple[Token, int]]:
    """The predicted tokens that are, or are a part of, one token of the reference, with its index."""
    align = example.alignment.x2y
    return [
        (token, int(align[token.i][0]))
        for token in example.predicted
        if not token.is_space and align.lengths[token.i] == 1
    ]
