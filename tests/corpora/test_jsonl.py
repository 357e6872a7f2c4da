"""JSONL: each line becomes a text with annotation, and every problem has its line."""

import json
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import make_doc
from spacy_bilstm.corpora.jsonl import read_jsonl
from spacy_bilstm.corpora.problems import Problems

NLP = spacy.blank("en")
TEXT = "Ann Lee left Rio."


def read(*records: dict[str, Any]) -> tuple[list[Doc], Problems]:
    file = CorpusFile("x.jsonl", [json.dumps(record) for record in records])
    docs = [make_doc(text, NLP.vocab, file) for text in read_jsonl(file, NLP, None)]
    return [doc for doc in docs if doc is not None], file.problems


def entity_tags(doc: Doc) -> list[str]:
    return [f"{token.ent_iob_}-{token.ent_type_}".strip("-") for token in doc]


@pytest.mark.parametrize("key", ["spans", "entities", "ents"])
def test_spans_of_characters_become_entities(key: str) -> None:
    spans = [[0, 7, "PER"], {"start": 13, "end": 16, "label": "LOC", "token_start": 3}]
    (doc, plain), problems = read({"text": TEXT, key: spans, "answer": "accept"}, {"text": "No.", key: []})
    assert problems == Problems()
    assert entity_tags(doc) == ["B-PER", "I-PER", "O", "B-LOC", "O"]
    assert doc.text == TEXT
    assert entity_tags(plain) == ["O", "O"]


def test_tokens_have_entity_tags_and_parts_of_speech() -> None:
    record = {"tokens": ["Ann", "left"], "tags": ["U-PER", "O"], "pos_tags": ["NNP", "VBD"]}
    (doc,), problems = read(record)
    assert problems == Problems()
    assert (doc.text, entity_tags(doc)) == ("Ann left", ["B-PER", "O"])
    assert [token.tag_ for token in doc] == ["NNP", "VBD"]


def test_an_invalid_tag_is_a_warning_and_missing() -> None:
    (doc,), problems = read({"tokens": ["Ann", "left"], "ner_tags": ["B-PER", "I-X"]})
    assert entity_tags(doc) == ["B-PER", ""]
    (warning,) = problems.warnings
    assert str(warning).startswith("x.jsonl, line 1: token 2: 'I-X' follows 'B-PER'")


def test_tokens_of_prodigy_keep_the_text() -> None:
    tokens = [{"text": "Ann", "start": 0, "end": 3, "id": 0}, {"text": "!?", "start": 3, "end": 5, "id": 1}]
    (doc,), _ = read({"text": "Ann!?", "tokens": tokens, "spans": [[0, 3, "PER"]]})
    assert (doc.text, [token.text for token in doc], entity_tags(doc)) == ("Ann!?", ["Ann", "!?"], ["B-PER", "O"])


def test_categories_without_entities_leave_the_entities_missing() -> None:
    (doc,), problems = read({"text": TEXT, "cats": {"NEWS": 1, "SPORT": False}, "spans": None})
    assert problems == Problems()
    assert doc.cats == {"NEWS": 1.0, "SPORT": 0.0}
    assert not doc.has_annotation("ENT_IOB")


def test_a_span_that_is_not_made_of_words_is_a_warning_with_its_line() -> None:
    (_, doc), problems = read({"text": "Before"}, {"text": TEXT, "spans": [[0, 5, "PER"]]})
    assert entity_tags(doc) == ["", "", "O", "O", "O"]
    (warning,) = problems.warnings
    assert str(warning).startswith("x.jsonl, line 2: the span 0-5 'Ann L' PER does not start and end with words")


def test_a_line_that_was_not_accepted_is_skipped_with_a_warning() -> None:
    docs, problems = read({"text": TEXT, "spans": [], "answer": "reject"})
    assert docs == []
    assert str(problems.warnings[0]) == "x.jsonl, line 1: the answer is 'reject', so this line is skipped."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "this line is not JSON"),
        ("[]", "this line is not a JSON object"),
        ('{"tokens": ["a"], "tags": [null]}', "'tags' is not a list of strings"),
        ('{"text": "\\ud83d"}', "this line is not JSON: \\ud83d is an unpaired surrogate"),
        ('{"text": "a", "cats": {"X": NaN}}', "this line is not JSON: NaN is not a JSON number"),
        ("[" * 100_000, "this line is not JSON: maximum recursion depth"),
        ("{}", "there is neither 'text' nor 'tokens'"),
    ],
)
def test_a_line_that_cannot_be_read_is_an_error(line: str, message: str) -> None:
    file = CorpusFile("x.jsonl", ["", line])
    assert list(read_jsonl(file, NLP, None)) == []
    (error,) = file.problems.errors
    assert str(error).startswith(f"x.jsonl, line 2: {message}")


@given(st.text("Ab .é🙂\n", min_size=1), st.data())
def test_any_text_keeps_its_characters_and_any_span_its_tokens(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    docs, problems = read({"text": text, "spans": [[start, end, "X"]]})
    for doc in docs:
        assert doc.text == text
        touched = [token.idx < end and start < token.idx + len(token) for token in doc]
        assert [tag != "O" for tag in entity_tags(doc)] == touched
        assert bool(doc.ents) != bool(problems.warnings)
    assert bool(docs) == bool(text.strip())


# The entities of a text: pieces of one or more words, each with a label, or "" outside.
words = st.text("Aé🙂'\u00a0\u2028\\\"", min_size=1, max_size=4)
pieces = st.tuples(st.lists(words, min_size=1, max_size=3), st.sampled_from(["", "", "X", "Y z"]))


@given(st.lists(pieces, min_size=1, max_size=5))
def test_any_doc_is_read_as_it_was_written(content: list[tuple[list[str], str]]) -> None:
    tokens = [word for piece, _ in content for word in piece]
    tags = [f"{'I' if i else 'B'}-{label}" if label else "O" for piece, label in content for i in range(len(piece))]
    gold = Doc(NLP.vocab, words=tokens, spaces=[True] * (len(tokens) - 1) + [False], ents=tags)
    if not gold.text.strip():
        return
    as_tokens = {"tokens": tokens, "tags": tags}
    spans = [[ent.start_char, ent.end_char, ent.label_] for ent in gold.ents]
    as_text = {"text": gold.text, "tokens": tokens, "spans": spans}
    docs, problems = read(as_tokens, as_text)
    unread = [ent for ent in gold.ents if ent.text != ent.text.strip()]  # Spans that start or end with a space.
    assert len(problems.warnings) == len(unread)
    for doc in docs[: 1 if unread else 2]:
        assert doc.text == gold.text
        assert entity_tags(doc) == entity_tags(gold)
