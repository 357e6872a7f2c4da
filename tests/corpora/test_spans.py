"""Spans: entities become tags; tokens of spans that do not fit have missing annotation."""

import pytest
import spacy

from spacy_bilstm.corpora.spans import tag_spans

DOC = spacy.blank("en").make_doc("Ann Lee left Rio.")


def test_spans_of_words_become_tags() -> None:
    spans = [(13, 16, "LOC"), (0, 7, "PER")]
    assert tag_spans(spans, DOC) == (["B-PER", "I-PER", "O", "B-LOC", "O"], [])


@pytest.mark.parametrize("end", [5, 8], ids=["inside a word", "after a space"])
def test_tokens_of_a_span_that_does_not_end_with_a_word_are_missing(end: int) -> None:
    tags, (warning,) = tag_spans([(0, end, "PER")], DOC)
    assert tags == ["", "", "O", "O", "O"]
    assert f"the span 0-{end}" in warning
    assert "does not start and end with words" in warning


def test_tokens_that_only_the_second_of_two_overlapping_spans_has_are_missing() -> None:
    tags, (warning,) = tag_spans([(0, 7, "PER"), (4, 12, "X")], DOC)
    assert tags == ["B-PER", "I-PER", "", "O", "O"]
    assert "the span 4-12 'Lee left' X overlaps another span" in warning
