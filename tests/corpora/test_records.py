"""Records: a JSON object that is not a text with annotation is refused with the reason."""

from typing import Any

import pytest
import spacy

from spacy_bilstm.corpora.records import RecordError, read_record
from spacy_bilstm.corpora.tags import Scheme

NLP = spacy.blank("en")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "there is neither 'text' nor 'tokens'"),
        ({"text": " "}, "'text' is not a string with a word in it"),
        ({"text": "a", "spans": [[0, 2, "X"]]}, "the span 0-2 is not within the text, which has 1 characters"),
        ({"text": "a", "spans": [[0, 1]]}, "the span [0, 1] is not [start, end, label]"),
        ({"text": "a", "tags": ["O"]}, "there are 1 'tags' for no 'tokens'"),
        ({"tokens": ["a"], "tags": ["O", "O"]}, "there are 2 'tags' for 1 'tokens'"),
        ({"tokens": "a"}, "'tokens' is not a list of words"),
        ({"tokens": ["a"], "text": "b"}, "the 'tokens', each with at most one space after it, do not spell the 'text'"),
        ({"text": "a", "cats": ["X"]}, "'cats' is not an object of scores"),
        ({"text": "a", "cats": {"X": 2}}, "'cats' is not an object of scores from 0 to 1"),
        ({"text": "a", "cats": {"X": 10**400}}, "'cats' is not an object of scores from 0 to 1"),
        ({"text": "a", "spans": [[0, True, "X"]]}, "the span [0, True, 'X'] is not [start, end, label]"),
        ({"text": "a", "spans": [[0, 1, " "]]}, "the span [0, 1, ' '] is not [start, end, label]"),
        (
            {"text": "a", "spans": [{"start": 0, "end": 1, "labels": []}]},
            "the span {'start': 0, 'end': 1, 'labels': []}",
        ),
        ({"text": "a" * 1_000_001}, "this text has 1,000,001 characters, but spaCy's pipelines accept 1,000,000"),
    ],
)
def test_an_object_that_cannot_be_read_is_refused(record: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError) as raised:
        read_record(record, 1, NLP, Scheme.iob2)
    assert str(raised.value).startswith(message)


def test_the_tokens_of_a_text_are_those_of_the_tokenizer() -> None:
    text, warnings = read_record({"text": "Don't  go."}, 7, NLP, Scheme.iob2)
    assert warnings == []
    assert text.line == 7
    assert text.words == ["Do", "n't", " ", "go", "."]
    assert text.spaces == [False, True, False, False, False]
    assert text.entities == [""] * 5


@pytest.mark.parametrize(
    "span",
    [
        [0, 7, "PER"],
        {"start": 0, "end": 7, "label": "PER"},
        {"start_offset": 0, "end_offset": 7, "label": "PER", "id": 3},
        {"start": 0, "end": 7, "labels": ["PER"], "text": "Ann Lee"},
    ],
)
def test_spans_are_read_as_tools_write_them(span: Any) -> None:
    text, warnings = read_record({"text": "Ann Lee left.", "spans": [span]}, 1, NLP, Scheme.iob2)
    assert text.entities == ["B-PER", "I-PER", "O", "O"]
    assert warnings == []


def test_shifted_offsets_leave_the_entities_of_the_text_missing() -> None:
    span = {"start": 3, "end": 6, "label": "PER", "text": "Ann"}  # A tool that counts the emoji as two characters.
    text, (warning,) = read_record({"text": "🙂 Ann left.", "spans": [span]}, 1, NLP, Scheme.iob2)
    assert text.entities == [""] * 4
    assert warning.startswith("the span 3-6 is 'nn ' in the text, but 'Ann' in the file.")
