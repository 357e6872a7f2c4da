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
        ({"text": "a", "spans": [], "ents": []}, "there are both 'spans' and 'ents'"),
        ({"text": "a", "tags": ["O"]}, "there are 1 'tags' for no 'tokens'"),
        ({"tokens": ["a"], "tags": ["O", "O"]}, "there are 2 'tags' for 1 'tokens'"),
        ({"tokens": "a"}, "'tokens' is not a list of words"),
        ({"tokens": ["a"], "text": "b"}, "the 'tokens', each with at most one space after it, do not spell the 'text'"),
        ({"text": "a", "cats": ["X"]}, "'cats' is not an object of scores"),
        ({"text": "a", "spans": 3}, "'spans' is not a list"),
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
