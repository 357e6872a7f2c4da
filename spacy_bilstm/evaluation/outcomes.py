"""Compares the predicted annotation of each doc with its gold annotation, as spaCy's scorer does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.pipeline import EntityLinker, TextCategorizer
from spacy.pipeline.textcat_multilabel import MultiLabel_TextCategorizer
from spacy.tokens import Span, Token
from spacy.training import Example

from ..pipeline.ner_scorer import align_entity
from .annotation import PredictedCorpus


class Count(NamedTuple):
    """Numbers of true positives, false positives and false negatives."""

    tp: int
    fp: int
    fn: int


def _get_morph(token: Token) -> str:
    return (str(token.morph) or "_") if token.has_morph() else ""


# The attributes of tokens that spaCy scores as `{attr}_acc`. An empty value means missing annotation.
ATTRIBUTES: dict[str, Callable[[Token], str]] = {
    "tag": lambda token: token.tag_,
    "pos": lambda token: token.pos_,
    "morph": _get_morph,
    "lemma": lambda token: token.lemma_,
}
ATTRIBUTE_NAMES = {"tag": "Tags", "pos": "Parts of speech", "morph": "Morphology", "lemma": "Lemmas"}


@dataclass(frozen=True)
class TokenOutcomes:
    """One attribute of a doc's tokens.

    gold: the gold value of each annotated token, by the token's index in the reference.
    predicted: pairs of the index of an annotated token and a value predicted for it. A gold token that the pipeline
        splits in two has two predicted values. One that it merges with another has none.
    """

    gold: dict[int, str]
    predicted: set[tuple[int, str]]

    def count(self) -> Count:
        """Count correct and incorrect values."""
        return count_sets(self.predicted, set(self.gold.items()))

    @property
    def confusions(self) -> list[tuple[int, str, str]]:
        """The index, gold value and predicted value of each incorrect prediction, in the order of the tokens."""
        return [(i, self.gold[i], value) for i, value in sorted(self.predicted) if value != self.gold[i]]

    def is_correct(self, index: int) -> bool:
        """Return whether the gold value of a token is predicted. The token must be annotated."""
        return (index, self.gold[index]) in self.predicted


@dataclass(frozen=True)
class EntityOutcomes:
    """The entities of a doc.

    found, missed: the gold entities.
    correct, incorrect: the predicted entities, without those whose gold annotation is missing.
    """

    found: list[Span]
    missed: list[Span]
    correct: list[Span]
    incorrect: list[Span]

    @property
    def gold_labels(self) -> list[str]:
        """The label of each gold entity."""
        return [span.label_ for span in self.found + self.missed]

    @property
    def predicted_labels(self) -> list[str]:
        """The label of each predicted entity."""
        return [span.label_ for span in self.correct + self.incorrect]

    def count(self, label: str | None = None) -> Count:
        """Count correct, incorrect and missed entities, of one label or of all."""
        tp, fp, fn = (
            sum(label in (None, span.label_) for span in spans) for spans in (self.correct, self.incorrect, self.missed)
        )
        return Count(tp, fp, fn)


@dataclass(frozen=True)
class CategoryOutcomes:
    """The gold and the predicted categories of a doc."""

    gold_labels: set[str]
    predicted_labels: set[str]

    def count(self, label: str | None = None) -> Count:
        """Count correct, incorrect and missed categories, of one label or of all."""
        labels = self.gold_labels | self.predicted_labels if label is None else {label}
        return count_sets(self.predicted_labels & labels, self.gold_labels & labels)


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of each doc of a corpus, for all annotation that is both predicted and in the corpus.

    tokens: for each attribute of tokens, the outcomes of each doc.
    entities, categories: the outcomes of each doc, or an empty list if the corpus or the pipeline has none.
    """

    tokens: dict[str, list[TokenOutcomes]]
    entities: list[EntityOutcomes]
    categories: list[CategoryOutcomes]


def compare_corpus(nlp: Language, corpus: PredictedCorpus) -> Outcomes:
    """Compare the annotation that a pipeline predicts for a corpus with the gold annotation."""
    examples, scores = corpus.examples, corpus.scores
    attributes = [attr for attr in ATTRIBUTES if scores.get(f"{attr}_acc") is not None]
    textcats = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, TextCategorizer)]
    has_categories = textcats and any(example.reference.cats for example in examples)
    return Outcomes(
        {attr: [compare_tokens(example, attr) for example in examples] for attr in attributes},
        [compare_entities(example) for example in examples] if scores.get("ents_f") is not None else [],
        # With two text classifiers, the last one overwrites the categories and scores of the first.
        [compare_categories(example, textcats[-1]) for example in examples] if has_categories else [],
    )


def count_sets(predicted: Set[Any], gold: Set[Any]) -> Count:
    """Count the items that are in both sets, only predicted, and only gold."""
    return Count(len(predicted & gold), len(predicted - gold), len(gold - predicted))


def compare_tokens(example: Example, attr: str) -> TokenOutcomes:
    """Compare an attribute of tokens, one of ATTRIBUTES."""
    read = ATTRIBUTES[attr]
    gold = {token.i: value for token in example.reference if (value := read(token))}
    predicted = {(i, read(token)) for token, i in _align_tokens(example) if i in gold}
    return TokenOutcomes(gold, predicted)


def compare_entities(example: Example) -> EntityOutcomes:
    """Compare entities. Like spaCy's scores, this skips predicted entities without gold annotation."""
    outcomes = EntityOutcomes([], [], [], [])
    unmatched = {(ent.label_, ent.start, ent.end): ent for ent in example.reference.ents}
    for ent in example.predicted.ents:
        aligned = align_entity(example, ent)
        if aligned is None:
            continue
        gold = unmatched.pop(aligned, None)
        if gold is None:
            outcomes.incorrect.append(ent)
        else:
            outcomes.found.append(gold)
            outcomes.correct.append(ent)
    outcomes.missed.extend(unmatched.values())
    return outcomes


def compare_categories(example: Example, textcat: TextCategorizer) -> CategoryOutcomes:
    """Compare the categories that are labels of a text classifier."""
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
    """Count predicted tokens that are also gold tokens, and those that are not."""
    if example.reference.has_unknown_spaces:
        return Count(0, 0, 0)
    n_tokens = sum(not token.is_space for token in example.predicted)
    n_correct = len(_align_tokens(example))
    return Count(n_correct, n_tokens - n_correct, 0)


def count_sentences(example: Example) -> Count:
    """Count sentences with the correct start and end."""
    if not example.reference.has_annotation("SENT_START"):
        return Count(0, 0, 0)
    aligned = example.get_aligned_spans_x2y(example.predicted.sents)
    return count_sets(_describe_spans(aligned), _describe_spans(example.reference.sents))


def count_spans(example: Example, key: str) -> Count:
    """Count the spans of a span group with the correct start, end and label."""
    if key not in example.reference.spans:
        return Count(0, 0, 0)
    predicted = example.predicted.spans.get(key, [])
    aligned = example.get_aligned_spans_x2y(predicted, allow_overlap=True)
    return count_sets(_describe_spans(aligned), _describe_spans(example.reference.spans[key]))


def count_links(example: Example) -> Count:
    """Count the identifiers in a knowledge base of predicted entities with the place of a gold entity, as spaCy does.

    An incorrect identifier is a false positive and a false negative. "NIL" is not an identifier.
    """
    gold = {(ent.start_char, ent.end_char): ent.kb_id_ for ent in example.reference.ents}
    links = [
        (gold[place], ent.kb_id_) for ent in example.predicted.ents if (place := (ent.start_char, ent.end_char)) in gold
    ]
    n_correct = sum(one == other != EntityLinker.NIL for one, other in links)
    n_gold, n_predicted = (sum(link[side] != EntityLinker.NIL for link in links) for side in (0, 1))
    return Count(n_correct, n_predicted - n_correct, n_gold - n_correct)


def count_arcs(example: Example, labeled: bool) -> Count:
    """Count tokens with the correct head and, if `labeled`, the correct label. Like spaCy, this skips punctuation."""
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
    """Return the predicted tokens that equal a gold token or are part of only one, with that token's index."""
    align = example.alignment.x2y
    return [
        (token, int(align[token.i][0]))
        for token in example.predicted
        if not token.is_space and align.lengths[token.i] == 1
    ]
