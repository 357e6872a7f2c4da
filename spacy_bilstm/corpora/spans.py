"""Entities as spans, which may overlap, and the entity tags of those that do not."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple, Protocol

from spacy.tokens import Doc

# The group that spaCy's spancat reads by default: https://spacy.io/api/spancategorizer#config
SPANS_KEY = "sc"


class TokenSpan(NamedTuple):
    """An entity as a span of tokens.

    start, end: position of its first token, and of the first token after it.
    label: its label.
    kb_id: its identifier in a knowledge base, or "".
    """

    start: int
    end: int
    label: str
    kb_id: str = ""


class _Bounds(Protocol):
    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


def tag_spans(spans: Iterable[tuple[int, int, str, str]], tokens: Doc) -> tuple[list[str], list[TokenSpan], list[str]]:
    """Turn spans of characters into spans of tokens, and into an entity tag for each token.

    spans: start, end, label and identifier of each entity; `end` is the first character after it. Equal ones count
        once.
    tokens: the text with its tokens.
    RETURNS: the tags in IOB2, the spans of tokens in order, and a warning for each span that does not start and end
        with words. The tokens of such a span, and of one that overlaps an earlier one, have the tag "", missing,
        unless they belong to another span.
    """
    starts = [token.idx for token in tokens]
    ends = [token.idx + len(token) for token in tokens]
    tags = ["O"] * len(tokens)
    found, warnings = [], []
    for start, end, label, kb_id in sorted(set(spans)):
        inside = range(bisect_right(ends, start), bisect_left(starts, end))
        text = tokens.text[start:end]
        if inside and starts[inside[0]] == start and ends[inside[-1]] == end and text == text.strip():
            new_tags = make_tags(len(inside), label)
            found.append(TokenSpan(inside[0], inside[-1] + 1, label, kb_id))
        else:
            warnings.append(
                f"the span {start}-{end} '{text}' {label} does not start and end with words. The annotation of its "
                "tokens is missing."
            )
            new_tags = [""] * len(inside)
        if all(tags[i] == "O" for i in inside):
            for i, tag in zip(inside, new_tags, strict=True):
                tags[i] = tag
        else:
            for i in inside:
                tags[i] = "" if tags[i] == "O" else tags[i]
    return tags, found, warnings


def find_spans(tags: Sequence[str]) -> list[TokenSpan]:
    """Turn entity tags into spans.

    tags: the tags in IOB2, with "" for missing annotation.
    RETURNS: the spans, in order.
    """
    spans: list[TokenSpan] = []
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            spans.append(TokenSpan(i, i + 1, tag[2:]))
        elif tag.startswith("I-"):
            spans[-1] = spans[-1]._replace(end=i + 1)
    return spans


def tag_longest(spans: Iterable[TokenSpan], tags: list[str]) -> None:
    """Write the tags of spans in place, without those that are inside or across an earlier or longer one.

    spans: the spans.
    tags: a tag for each token, to be replaced where an entity is.
    """
    end = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= end:
            end = span.end
            tags[span.start : end] = make_tags(end - span.start, span.label)


def make_tags(length: int, label: str) -> list[str]:
    """Return the tags of an entity in IOB2.

    length: number of its tokens.
    label: its label.
    RETURNS: the tags.
    """
    return [f"B-{label}"] + [f"I-{label}"] * (length - 1)


def count_overlapping(spans: Iterable[_Bounds]) -> int:
    """Count the spans that share a token with another one.

    spans: the spans of a document.
    RETURNS: their number.
    """
    ordered = sorted(spans, key=lambda span: (span.start, span.end))
    count, end = 0, 0
    for span, following in zip_longest(ordered, ordered[1:]):
        count += span.start < end or (following is not None and following.start < span.end)
        end = max(end, span.end)
    return count
