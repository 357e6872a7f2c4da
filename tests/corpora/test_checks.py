"""Checks of a corpus: each gap that a pipeline could not learn from is named."""

from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bilstm.corpora import count_corpus
from spacy_bilstm.corpora.checks import check_docs

VOCAB = spacy.blank("en").vocab
COMPLETE = {"words": ["a", "b", "c"], "ents": ["B-X", "O", "O"], "sent_starts": [True, False, True]}


def check(*annotations: dict[str, Any]) -> list[str]:
    docs = [Doc(VOCAB, **annotation) for annotation in annotations]
    return check_docs(docs, count_corpus(docs))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ents": None, "sent_starts": None}, "Nothing is annotated: there are no entities, tags"),
        ({"ents": ["O", "O", "O"]}, "No token is in an entity, although entities are annotated"),
        ({"ents": ["B-X", "", "B-X"]}, "No token is annotated as outside an entity"),
        ({"sent_starts": [True, False, False]}, "Every document has one sentence. A senter or parser would never see"),
        ({"words": ["a"] * 10_001, "ents": ["B-X", "O"] * 5_000 + ["O"], "sent_starts": [1, -1, 1] * 3_333 + [1, -1]},
         "1 document has more than 10,000 tokens, up to 10,001."),
    ],
)  # fmt: skip
def test_a_gap_is_named(changes: dict[str, Any], message: str) -> None:
    (found,) = check(COMPLETE | changes)
    assert found.startswith(message)


@pytest.mark.parametrize(
    "others",
    [
        [],
        [{"words": ["a", "b"], "sent_starts": [True, False]}],
        [{"words": ["a", "b"]}],
        [{"words": ["a", "b"], "tags": ["X", "Y"], "ents": ["O", "O"]}],
    ],
)
def test_a_complete_corpus_has_no_gap(others: list[dict[str, Any]]) -> None:
    assert check(COMPLETE, *others) == []


@pytest.mark.parametrize("annotation", ["tags", "pos", "lemmas", "morphs"])
def test_any_annotation_is_annotation(annotation: str) -> None:
    values = {"pos": ["NOUN", "VERB"], "morphs": ["A=1", "A=2"]}.get(annotation, ["x", "y"])
    assert check({"words": ["a", "b"], annotation: values}) == []


def test_sentences_alone_are_enough_for_a_senter() -> None:
    assert check({"words": ["a", "b"], "sent_starts": [True, True]}) == []


def test_categories_are_annotation() -> None:
    doc = Doc(VOCAB, words=["a", "b"])
    doc.cats = {"X": 0.0}
    assert check_docs([doc], count_corpus([doc])) == []
