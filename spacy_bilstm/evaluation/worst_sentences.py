"""Finds the sentences with the most errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spacy.tokens import Doc, Span

from .annotation import PredictedCorpus
from .outcomes import CategoryOutcomes, Outcomes


@dataclass(frozen=True)
class Piece:
    """A piece of a text: an entity, or the text between two entities.

    text: the piece.
    label: the entity's label, or "" if it is not an entity.
    is_correct: whether the prediction and the gold annotation agree on it.
    confidence: the predicted entity's confidence, 0 to 1, or None.
    """

    text: str
    label: str = ""
    is_correct: bool = True
    confidence: float | None = None


@dataclass(frozen=True)
class IncorrectToken:
    """A word with an incorrect tag: the word, its gold tag and its predicted tag."""

    text: str
    gold: str
    predicted: str


@dataclass(frozen=True)
class Sentence:
    """A sentence with errors.

    n_errors: the number of missed and incorrect entities, incorrect tags, and missed and incorrect categories.
    text: the sentence.
    gold, predicted: its text cut at the gold and at the predicted entities; empty if entities are not scored.
    tokens: the words with incorrect tags.
    categories: its gold and predicted categories, or None if these are equal or not scored.
    """

    n_errors: int
    text: str
    gold: list[Piece]
    predicted: list[Piece]
    tokens: list[IncorrectToken]
    categories: CategoryOutcomes | None

    @property
    def has_entities(self) -> bool:
        """Whether it has a gold or a predicted entity."""
        return any(piece.label for piece in self.gold + self.predicted)


def find_worst_sentences(corpus: PredictedCorpus, outcomes: Outcomes, n: int) -> list[Sentence]:
    """Return the n sentences with the most errors, the worst first.

    A doc without gold sentences counts as one sentence. So does any doc if categories are scored: they belong to whole
    docs.

    corpus: the annotated corpus.
    outcomes: its outcomes.
    n: the maximum number of sentences, >= 0.
    """
    sentences = [
        _describe(corpus, outcomes, number, sentence)
        for number, example in enumerate(corpus.examples)
        for sentence in _split(example.reference, whole=bool(outcomes.categories))
    ]
    with_errors = [sentence for sentence in sentences if sentence.n_errors]
    return sorted(with_errors, key=lambda sentence: -sentence.n_errors)[:n]


def _split(doc: Doc, whole: bool) -> list[Span]:
    if whole or not doc.has_annotation("SENT_START"):
        return [doc[:]]
    return list(doc.sents)


def _describe(corpus: PredictedCorpus, outcomes: Outcomes, number: int, sentence: Span) -> Sentence:
    example = corpus.examples[number]
    tokens = _list_incorrect_tokens(outcomes, number, sentence)
    n_errors = len(tokens)
    gold: list[Piece] = []
    predicted: list[Piece] = []
    if outcomes.entities:
        entities = outcomes.entities[number]
        missed, incorrect = (_select(spans, sentence) for spans in (entities.missed, entities.incorrect))
        n_errors += len(missed) + len(incorrect)
        gold = _cut_at_entities(sentence, _select(example.reference.ents, sentence), missed, {})
        confidences = _read_confidences(example.predicted, corpus.confidences)
        predicted = _cut_at_entities(sentence, _select(example.predicted.ents, sentence), incorrect, confidences)
    categories = outcomes.categories[number] if outcomes.categories else None
    if categories is not None:
        n_incorrect = len(categories.gold_labels ^ categories.predicted_labels)
        n_errors += n_incorrect
        categories = categories if n_incorrect else None
    return Sentence(n_errors, sentence.text, gold, predicted, tokens, categories)


def _list_incorrect_tokens(outcomes: Outcomes, number: int, sentence: Span) -> list[IncorrectToken]:
    """Return the words with incorrect fine-grained tags, or parts of speech if there are no fine-grained tags."""
    attr = next((attr for attr in ("tag", "pos") if attr in outcomes.tokens), None)
    confusions = outcomes.tokens[attr][number].confusions if attr else []
    return [
        IncorrectToken(sentence.doc[i].text, gold, predicted)
        for i, gold, predicted in confusions
        if sentence.start <= i < sentence.end
    ]


def _select(spans: Sequence[Span], sentence: Span) -> list[Span]:
    """Return the spans that start in a sentence, by character: the gold and the predicted tokens can differ."""
    return [span for span in spans if sentence.start_char <= span.start_char < sentence.end_char]


def _read_confidences(doc: Doc, key: str | None) -> dict[tuple[int, int], float]:
    if key is None or key not in doc.spans:
        return {}
    group = doc.spans[key]
    scores = group.attrs.get("scores", ())
    return {(span.start, span.end): float(score) for span, score in zip(group, scores, strict=True)}


def _cut_at_entities(
    sentence: Span, entities: Sequence[Span], errors: Sequence[Span], confidences: dict[tuple[int, int], float]
) -> list[Piece]:
    incorrect = {(span.start, span.end) for span in errors}
    text = sentence.doc.text
    pieces = []
    position = sentence.start_char
    for span in entities:
        place = (span.start, span.end)
        pieces.append(Piece(text[position : span.start_char]))
        pieces.append(Piece(span.text, span.label_, place not in incorrect, confidences.get(place)))
        position = span.end_char
    pieces.append(Piece(text[position : sentence.end_char]))
    return [piece for piece in pieces if piece.text]
