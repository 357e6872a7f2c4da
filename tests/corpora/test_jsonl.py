"""JSONL: texts with spans, tokens with tags, categories; a span that is not one of tokens leaves them unknown."""

import json
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm.corpora.jsonl import read_jsonl
from spacy_bilstm.corpora.problems import Problems

NLP = spacy.blank("en")
TEXT = "Ann Lee left Rio."


def read(*records: dict[str, Any]) -> tuple[list[Doc], Problems]:
    problems = Problems()
    lines = [json.dumps(record) for record in records]
    return list(read_jsonl(lines, NLP, "x.jsonl", problems)), problems


def entity_tags(doc: Doc) -> list[str]:
    return [f"{token.ent_iob_}-{token.ent_type_}".strip("-") for token in doc]


@pytest.mark.parametrize("key", ["spans", "entities", "ents"])
def test_spans_in_characters_become_entities(key: str) -> None:
    spans = [[0, 7, "PER"], {"start": 13, "end": 16, "label": "LOC", "token_start": 3}]
    (doc, plain), problems = read({"text": TEXT, key: spans, "answer": "accept"}, {"text": "No.", key: []})
    assert problems == Problems()
    assert entity_tags(doc) == ["B-PER", "I-PER", "O", "B-LOC", "O"]
    assert doc.text == TEXT
    assert entity_tags(plain) == ["O", "O"]


def test_tokens_with_tags_and_parts_of_speech() -> None:
    record = {"tokens": ["Ann", "left"], "tags": ["U-PER", "O"], "pos_tags": ["NNP", "VBD"]}
    (doc,), problems = read(record)
    assert problems == Problems()
    assert (doc.text, entity_tags(doc)) == ("Ann left", ["B-PER", "O"])
    assert [token.tag_ for token in doc] == ["NNP", "VBD"]


def test_prodigys_tokens_keep_their_text() -> None:
    tokens = [{"text": "Ann", "start": 0, "end": 3, "id": 0}, {"text": "!?", "start": 3, "end": 5, "id": 1}]
    (doc,), _ = read({"text": "Ann!?", "tokens": tokens, "spans": [[0, 3, "PER"]]})
    assert (doc.text, [token.text for token in doc], entity_tags(doc)) == ("Ann!?", ["Ann", "!?"], ["B-PER", "O"])


def test_categories_without_entities_leave_them_missing() -> None:
    (doc,), problems = read({"text": TEXT, "cats": {"NEWS": 1, "SPORT": False}, "spans": None})
    assert problems == Problems()
    assert doc.cats == {"NEWS": 1.0, "SPORT": 0.0}
    assert not doc.has_annotation("ENT_IOB")


@pytest.mark.parametrize(
    ("spans", "tags"),
    [
        ([[0, 5, "PER"]], ["", "", "O", "O", "O"]),
        ([[0, 8, "PER"]], ["", "", "O", "O", "O"]),
        ([[0, 7, "PER"], [4, 12, "X"]], ["B-PER", "I-PER", "", "O", "O"]),
    ],
)
def test_spans_that_do_not_fit_leave_their_tokens_missing(spans: list[Any], tags: list[str]) -> None:
    (_, doc), problems = read({"text": "Before"}, {"text": TEXT, "spans": spans})
    assert entity_tags(doc) == tags
    (warning,) = problems.warnings
    assert str(warning).startswith("x.jsonl, line 2: the span ")


def test_what_was_not_accepted_is_left_out_and_said() -> None:
    docs, problems = read({"text": TEXT, "spans": [], "answer": "reject"})
    assert docs == []
    assert str(problems.warnings[0]) == "x.jsonl, line 1: its answer is 'reject', so the line is left out."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "neither 'text' nor 'tokens'"),
        ('{"text": " "}', "the 'text' is not a string with a word in it"),
        ('{"text": "a", "spans": [[0, 2, "X"]]}', "the span 0-2 is not within the text, which has 1 characters"),
        ('{"text": "a", "spans": [[0, 1]]}', "the span [0, 1] is not [start, end, label]"),
        ('{"text": "a", "spans": [], "ents": []}', "both 'spans' and 'ents'"),
        ('{"text": "a", "tags": ["O"]}', "1 'tags' for no 'tokens'"),
        ('{"tokens": ["a"], "tags": ["O", "O"]}', "2 'tags' for 1 'tokens'"),
        ('{"tokens": ["a"], "tags": [3]}', "the 'tags' are not a list of strings"),
        ('{"tokens": "a"}', "the 'tokens' are not a list of words"),
        ('{"tokens": ["a"], "text": "b"}', "the 'tokens' do not spell the 'text'"),
        ('{"text": "a", "cats": ["X"]}', "the 'cats' are not an object of scores"),
        ('{"text": "a", "spans": 3}', "the 'spans' are not a list"),
    ],
)
def test_what_cannot_be_read_is_an_error(line: str, message: str) -> None:
    problems = Problems()
    assert list(read_jsonl(["", line], NLP, "x.jsonl", problems)) == []
    (error,) = problems.errors
    assert str(error).startswith(f"x.jsonl, line 2: {message}")


@given(st.text("Ab .é🙂\n", min_size=1), st.data())
def test_any_text_keeps_its_text_and_any_span_its_tokens(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    docs, problems = read({"text": text, "spans": [[start, end, "X"]]})
    for doc in docs:
        assert doc.text == text
        touched = [token.idx < end and start < token.idx + len(token) for token in doc]
        assert [tag != "O" for tag in entity_tags(doc)] == touched
        assert bool(doc.ents) != bool(problems.warnings)
    assert bool(docs) == bool(text.strip())
