"""The sentences with most errors. Outcomes come in; texts cut at their entities go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spacy.tokens import Doc, Span

from .annotation import Evaluation
from .outcomes import CategoryOutcomes
from .scores import Outcomes


@dataclass(frozen=True)
class Piece:
    """A piece of a text.

    text: the piece.
    label: the entity's label, or "" for what is no entity.
    is_right: whether prediction and gold agree on it.
    confidence: the predicted entity's confidence, 0 to 1, or None.
    """

    text: str
    label: str = ""
    is_right: bool = True
    confidence: float | None = None


@dataclass(frozen=True)
class WrongToken:
    """A word with a wrong tag: the word, the tag's gold value and its predicted value."""

    text: str
    gold: str
    predicted: str


@dataclass(frozen=True)
class Sentence:
    """A sentence with errors.

    n_errors: entities missed and made up, wrong tags, and categories missed and made up.
    text: the sentence.
    gold, predicted: the same text cut at its entities, or nothing where entities are not judged.
    tokens: the words with wrong tags.
    categories: gold and predicted categories, or None where these are right or not judged.
    """

    n_errors: int
    text: str
    gold: list[Piece]
    predicted: list[Piece]
    tokens: list[WrongToken]
    categories: CategoryOutcomes | None

    @property
    def has_entities(self) -> bool:
        """Whether there is an entity on either side."""
        return any(piece.label for piece in self.gold + self.predicted)


def find_worst(evaluation: Evaluation, found: Outcomes, n: int) -> list[Sentence]:
    """Give the n sentences with most errors, in that order.

    A doc whose gold sentences are known is cut into these, unless its categories are judged, which belong to the whole.

    evaluation: the annotated corpus.
    found: its outcomes.
    n: how many.
    """
    sentences = [
        _describe(evaluation, found, number, unit)
        for number, example in enumerate(evaluation.examples)
        for unit in _cut(example.reference, whole=bool(found.categories))
    ]
    wrong = [sentence for sentence in sentences if sentence.n_errors]
    return sorted(wrong, key=lambda sentence: -sentence.n_errors)[:n]


def _cut(doc: Doc, whole: bool) -> list[Span]:
    if whole or not doc.has_annotation("SENT_START"):
        return [doc[:]]
    return list(doc.sents)


def _describe(evaluation: Evaluation, found: Outcomes, number: int, unit: Span) -> Sentence:
    example = evaluation.examples[number]
    tokens = _list_wrong_tokens(found, number, unit)
    n_errors = len(tokens)
    gold: list[Piece] = []
    predicted: list[Piece] = []
    if found.entities:
        outcomes = found.entities[number]
        missed, wrong = (_select(spans, unit) for spans in (outcomes.missed, outcomes.wrong))
        n_errors += len(missed) + len(wrong)
        gold = _cut_at_entities(unit, _select(example.reference.ents, unit), missed, {})
        confidences = _read_confidences(example.predicted, evaluation.confidences)
        predicted = _cut_at_entities(unit, _select(example.predicted.ents, unit), wrong, confidences)
    categories = found.categories[number] if found.categories else None
    if categories is not None:
        n_wrong = len(categories.gold ^ categories.predicted)
        n_errors += n_wrong
        categories = categories if n_wrong else None
    return Sentence(n_errors, unit.text, gold, predicted, tokens, categories)


def _list_wrong_tokens(found: Outcomes, number: int, unit: Span) -> list[WrongToken]:
    """Wrong fine tags, or coarse ones where there are no fine ones."""
    attr = next((attr for attr in ("tag", "pos") if attr in found.tokens), None)
    confusions = found.tokens[attr][number].confusions if attr else []
    return [
        WrongToken(unit.doc[i].text, gold, predicted) for i, gold, predicted in confusions if unit.start <= i < unit.end
    ]


def _select(spans: Sequence[Span], unit: Span) -> list[Span]:
    """Those that start within a sentence. Both docs have the same text, but not always the same tokens."""
    return [span for span in spans if unit.start_char <= span.start_char < unit.end_char]


def _read_confidences(doc: Doc, key: str | None) -> dict[tuple[int, int], float]:
    if key is None or key not in doc.spans:
        return {}
    group = doc.spans[key]
    scores = group.attrs.get("scores", ())
    return {(span.start, span.end): float(score) for span, score in zip(group, scores, strict=True)}


def _cut_at_entities(
    unit: Span, entities: Sequence[Span], errors: Sequence[Span], confidences: dict[tuple[int, int], float]
) -> list[Piece]:
    wrong = {(span.start, span.end) for span in errors}
    text = unit.doc.text
    pieces = []
    position = unit.start_char
    for span in entities:
        place = (span.start, span.end)
        pieces.append(Piece(text[position : span.start_char]))
        pieces.append(Piece(span.text, span.label_, place not in wrong, confidences.get(place)))
        position = span.end_char
    pieces.append(Piece(text[position : unit.end_char]))
    return [piece for piece in pieces if piece.text]
