"""Turn entities given as spans of characters into entity tags."""

from __future__ import annotations

from collections.abc import Sequence

from spacy.tokens import Doc


def tag_spans(spans: Sequence[tuple[int, int, str]], tokens: Doc) -> tuple[list[str], list[str]]:
    """Turn spans of characters into an entity tag for each token.

    spans: start, end and label of each entity; `end` is the first character after it.
    tokens: the text with its tokens.
    RETURNS: the tags in IOB2; and a warning for each span that does not start and end with words or overlaps another.
        Its tokens have the tag "", missing, unless they belong to another span.
    """
    tags = ["O"] * len(tokens)
    warnings = []
    for start, end, label in sorted(spans):
        inside = [token.i for token in tokens if token.idx < end and start < token.idx + len(token)]
        text = tokens.text[start:end]
        span = f"the span {start}-{end} '{text}' {label}"
        if tokens.char_span(start, end) is None or text != text.strip():
            warnings.append(f"{span} does not start and end with words. The annotation of its tokens is missing.")
            new_tags = [""] * len(inside)
        else:
            new_tags = [f"B-{label}"] + [f"I-{label}"] * (len(inside) - 1)
        if all(tags[i] == "O" for i in inside):
            for i, tag in zip(inside, new_tags, strict=True):
                tags[i] = tag
        else:
            warnings.append(f"{span} overlaps another span. The annotation of tokens in this span only is missing.")
            for i in inside:
                tags[i] = "" if tags[i] == "O" else tags[i]
    return tags, warnings
