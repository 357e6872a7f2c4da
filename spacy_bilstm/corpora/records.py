"""Turn a record, a JSON object with these keys, into a text with annotation.

| key | value |
|---|---|
| `text` | the text; spaCy's tokenizer splits it, unless the record has `tokens` |
| `tokens` | the tokens: strings, or Prodigy's objects with a `text` |
| `spans` | entities: `[start, end, label]` or objects with `start` and `end` or `start_offset` and `end_offset`, in \
characters, and `label` or `labels`, and `kb_id`, the identifier in a knowledge base, \
if there is one; they may overlap |
| `tags` | instead of spans, an entity tag for each of the `tokens`, in IOB1, IOB2 or BILUO |
| `pos_tags` | a part-of-speech tag for each of the `tokens` |
| `cats` | categories with their scores: `{"NEWS": 1.0}` |

A record without spans and tags has no entity annotation, which differs from having no entities.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

from spacy.language import Language
from spacy.tokens import Doc

from .docs import MAX_LENGTH, AnnotatedText, describe_length, find_spaces
from .export import Record, RecordError
from .spans import TokenSpan, tag_spans
from .tags import Scheme, to_iob2


class _Span(NamedTuple):
    start: int
    end: int
    label: str
    kb_id: str
    text: str | None


def read_record(record: Record, line: int, nlp: Language, scheme: Scheme) -> tuple[AnnotatedText, list[str]]:
    """Read a record.

    record: the JSON object.
    line: number of its line in the file, from 1.
    nlp: provides the tokenizer.
    scheme: the scheme of entity tags.
    RETURNS: the text, and a warning for each part of its entity annotation that is treated as missing.
    RAISES: RecordError if the record can't be read.
    """
    tokens = _make_tokens(record, nlp)
    entities, spans, warnings = _read_entities(record, tokens, scheme)
    text = AnnotatedText(
        line=line,
        words=[token.text for token in tokens],
        spaces=[bool(token.whitespace_) for token in tokens],
        entities=entities,
        spans=spans,
        tags=_get_tags(record, "pos_tags", tokens) if "pos_tags" in record else None,
        cats=_read_cats(record),
    )
    return text, warnings


def are_strings(values: object) -> TypeGuard[list[str]]:
    """Return whether a value is a list of strings.

    values: the value.
    RETURNS: whether it is such a list.
    """
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _make_tokens(record: Record, nlp: Language) -> Doc:
    text, tokens = record.get("text"), record.get("tokens")
    if text is not None and (not isinstance(text, str) or not text.strip()):
        raise RecordError("'text' is not a string with a word in it.")
    if tokens is None:
        if text is None:
            raise RecordError("there is neither 'text' nor 'tokens'. Add one of them.")
        if len(text) > MAX_LENGTH:
            raise RecordError(describe_length(len(text)))
        return nlp.make_doc(text)
    if isinstance(tokens, list):
        tokens = [token.get("text") if isinstance(token, dict) else token for token in tokens]
    if not are_strings(tokens) or not tokens or not all(tokens):
        raise RecordError("'tokens' is not a list of words, or of objects with a 'text'.")
    spaces: list[bool] | None = [True] * (len(tokens) - 1) + [False]
    if text is not None:
        spaces = find_spaces(tokens, text)
    if spaces is None:
        raise RecordError("the 'tokens', each with at most one space after it, do not spell the 'text'.")
    return Doc(nlp.vocab, words=tokens, spaces=spaces)


def _read_entities(record: Record, tokens: Doc, scheme: Scheme) -> tuple[list[str], list[TokenSpan] | None, list[str]]:
    """Return an entity tag in IOB2 for each token, the entities if they are spans, and warnings."""
    if "tags" in record:
        tags, invalid = to_iob2(_get_tags(record, "tags", tokens), scheme)
        return tags, None, [f"token {i + 1}: {message}" for i, message in invalid]
    if "spans" not in record:
        return [""] * len(tokens), None, []
    text = tokens.text
    spans = [span for value in record["spans"] for span in _read_span(value, len(text))]
    for span in spans:
        found = text[span.start : span.end]
        if span.text is not None and span.text.split() != found.split():
            # The offsets of a tool that counts emoji as two characters are shifted in the whole text.
            warning = f"the span {span.start}-{span.end} is '{found}' in the text, but '{span.text}' in the file. "
            return [""] * len(tokens), None, [warning + "The entities of this text are missing. Correct the offsets."]
    return tag_spans((span[:4] for span in spans), tokens)


def _read_span(value: Any, length: int) -> list[_Span]:
    """Return the spans of an item: one for each of its labels."""
    found: list[Any] = []
    text, kb_id = None, ""
    if isinstance(value, dict):
        labels = value["labels"] if isinstance(value.get("labels"), list) else [value.get("label")]
        offsets = [value.get(key, value.get(f"{key}_offset")) for key in ("start", "end")]
        found = [[*offsets, label] for label in labels]
        text = value.get("text") if isinstance(value.get("text"), str) else None
        kb_id = value["kb_id"] if isinstance(value.get("kb_id"), str) else ""
    elif isinstance(value, list):
        found = [value]
    spans = []
    for span in found:
        types = [type(part) for part in span]
        if types != [int, int, str] or not span[2].strip():
            raise RecordError(f"the span {value} is not [start, end, label] or an object with these keys.")
        start, end, label = span
        if not 0 <= start < end <= length:
            raise RecordError(f"the span {start}-{end} is not within the text, which has {length} characters.")
        spans.append(_Span(start, end, label, kb_id, text))
    if not spans:
        raise RecordError(f"the span {value} is not [start, end, label] or an object with these keys.")
    return spans


def _read_cats(record: Record) -> dict[str, float]:
    cats = record.get("cats", {})
    if not isinstance(cats, dict) or not all(
        isinstance(score, (int, float)) and 0 <= score <= 1 for score in cats.values()
    ):
        raise RecordError("'cats' is not an object of scores from 0 to 1 such as {\"NEWS\": 1.0}.")
    return {label: float(score) for label, score in cats.items()}


def _get_tags(record: Record, key: str, tokens: Doc) -> list[str]:
    """Return the tags of a key; there must be one for each token."""
    tags: Any = record[key]
    if not are_strings(tags):
        raise RecordError(f"'{key}' is not a list of strings.")
    if "tokens" not in record or len(tags) != len(tokens):
        n_tokens = len(tokens) if "tokens" in record else "no"
        raise RecordError(f"there are {len(tags)} '{key}' for {n_tokens} 'tokens'. Write one for each token.")
    return tags
