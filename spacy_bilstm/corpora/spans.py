"""Turn entities given as spans of characters into entity tags."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from spacy.tokens import Doc


def tag_spans(spans: Sequence[tuple[int, int, str]], tokens: Doc) -> tuple[list[str], list[str]]:
    """Turn spans of characters into an entity tag for each token.

    spans: start, end and label of each entity; `end` is the first character after it.
    tokens: the text with its tokens.
    RETURNS: the tags in IOB2; and a warning for each span that does not start and end with words or overlaps another.
        Its tokens have the tag "", missing, unless they belong to another span.
    """
    starts = [token.idx for token in tokens]
    ends = [token.idx + len(token) for token in tokens]
    tags = ["O"] * len(tokens)
    warnings = []
    for start, end, label in sorted(spans):
        inside = range(bisect_right(ends, start), bisect_left(starts, end))
        text = tokens.text[start:end]
        span = f"the span {start}-{end} '{text}' {label}"
        fits = bool(inside) and starts[inside[0]] == start and ends[inside[-1]] == end and text == text.strip()
        if fits:
            new_tags = [f"B-{label}"] + [f"I-{label}"] * (len(inside) - 1)
        else:
            warnings.append(f"{span} does not start and end with words. The annotation of its tokens is missing.")
            new_tags = [""] * len(inside)
        if all(tags[i] == "O" for i in inside):
            for i, tag in zip(inside, new_tags, strict=True):
                tags[i] = tag
        else:
            warnings.append(f"{span} overlaps another span. The annotation of tokens in this span only is missing.")
            for i in inside:
                tags[i] = "" if tags[i] == "O" else tags[i]
    return tags, warnings
