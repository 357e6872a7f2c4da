"""Spans: entities become tags; tokens of spans that do not fit have missing annotation."""

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.corpora.spans import TokenSpan, count_overlapping, find_spans, tag_longest, tag_spans

DOC = spacy.blank("en").make_doc("Ann Lee left Rio.")


def test_spans_of_words_become_tags() -> None:
    spans = [(13, 16, "LOC", ""), (0, 7, "PER", "Q1"), (13, 16, "LOC", "")]
    tags, found, warnings = tag_spans(spans, DOC)
    assert tags == ["B-PER", "I-PER", "O", "B-LOC", "O"]
    assert found == [TokenSpan(0, 2, "PER", "Q1"), TokenSpan(3, 4, "LOC")]
    assert warnings == []


@pytest.mark.parametrize("end", [5, 8], ids=["inside a word", "after a space"])
def test_tokens_of_a_span_that_does_not_end_with_a_word_are_missing(end: int) -> None:
    tags, found, (warning,) = tag_spans([(0, end, "PER", "")], DOC)
    assert (tags, found) == (["", "", "O", "O", "O"], [])
    assert f"the span 0-{end}" in warning
    assert "does not start and end with words" in warning


def test_tokens_that_only_the_second_of_two_overlapping_spans_has_are_missing() -> None:
    tags, found, warnings = tag_spans([(0, 7, "PER", ""), (4, 12, "X", "")], DOC)
    assert tags == ["B-PER", "I-PER", "", "O", "O"]
    assert found == [TokenSpan(0, 2, "PER"), TokenSpan(1, 3, "X")]
    assert warnings == []


bounds = st.tuples(st.integers(0, 9), st.integers(1, 4)).map(lambda pair: (pair[0], sum(pair)))


@given(st.lists(bounds, max_size=8))
def test_each_span_that_shares_a_token_with_another_is_counted(pairs: list[tuple[int, int]]) -> None:
    spans = [TokenSpan(start, end, "X") for start, end in pairs]
    expected = sum(
        any(i != j and span.start < other.end and other.start < span.end for j, other in enumerate(spans))
        for i, span in enumerate(spans)
    )
    assert count_overlapping(spans) == expected


@given(st.lists(bounds, max_size=8))
def test_the_longest_spans_become_tags_and_the_tags_the_same_spans(pairs: list[tuple[int, int]]) -> None:
    spans = {TokenSpan(start, end, "X") for start, end in pairs}
    tags = ["O"] * 13
    tag_longest(spans, tags)
    kept = find_spans(tags)
    assert set(kept) <= spans
    assert count_overlapping(kept) == 0
    for start, end, *_ in spans - set(kept):
        assert any(start < span.end and span.start < end for span in kept)
