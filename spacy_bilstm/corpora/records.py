"""Turn a JSON object, as spaCy's users and Prodigy write it, into a text with annotation.

| key | value |
|---|---|
| `text` | the text; spaCy's tokenizer splits it, unless the object has `tokens` |
| `tokens` | the tokens: strings, or Prodigy's objects with `text`, `start` and `end` |
| `spans`, `entities` or `ents` | entities: `[start, end, label]` or `{"start": , "end": , "label": }`, in characters |
| `tags` or `ner_tags` | an entity tag for each of the `tokens`, in IOB1, IOB2 or BILUO |
| `pos_tags` | a part-of-speech tag for each of the `tokens` |
| `cats` | categories with their scores: `{"NEWS": 1.0}` |
| `answer` | Prodigy's decision; only lines with "accept" are read |

An object without a key for entities has no entity annotation, which differs from having no entities.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from spacy.language import Language
from spacy.tokens import Doc

from .docs import AnnotatedText, find_spaces
from .spans import tag_spans
from .tags import Scheme, to_iob2

SPAN_KEYS = ("spans", "entities", "ents")
TAG_KEYS = ("tags", "ner_tags")
POS_KEY = "pos_tags"
Record = dict[str, Any]


class RecordError(ValueError):
    """A JSON object is not a text with annotation."""


def read_record(record: Record, line: int, nlp: Language, scheme: Scheme) -> tuple[AnnotatedText, list[str]]:
    """Read a JSON object.

    record: the object.
    line: number of its line in the file, from 1.
    nlp: provides the tokenizer.
    scheme: the scheme of entity tags.
    RETURNS: the text, and a warning for each part of its entity annotation that is treated as missing.
    RAISES: RecordError if the object can't be read.
    """
    tokens = _make_tokens(record, nlp)
    entities, warnings = _read_entities(record, tokens, scheme)
    text = AnnotatedText(
        line=line,
        words=[token.text for token in tokens],
        spaces=[bool(token.whitespace_) for token in tokens],
        entities=entities,
        tags=_get_tags(record, POS_KEY, tokens) if POS_KEY in record else None,
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


def _read_entities(record: Record, tokens: Doc, scheme: Scheme) -> tuple[list[str], list[str]]:
    """Return an entity tag in IOB2 for each token, and warnings."""
    keys = [key for key in (*SPAN_KEYS, *TAG_KEYS) if key in record]
    if len(keys) > 1:
        raise RecordError(f"there are both '{keys[0]}' and '{keys[1]}'. Keep the one that contains the entities.")
    if not keys:
        return [""] * len(tokens), []
    if keys[0] in TAG_KEYS:
        tags, invalid = to_iob2(_get_tags(record, keys[0], tokens), scheme)
        return tags, [f"token {i + 1}: {message}" for i, message in invalid]
    spans = record[keys[0]]
    if not isinstance(spans, list):
        raise RecordError(f"'{keys[0]}' is not a list.")
    return tag_spans([_read_span(span, len(tokens.text)) for span in spans], tokens)


def _read_span(span: Any, length: int) -> tuple[int, int, str]:
    if isinstance(span, dict):
        span = [span.get("start"), span.get("end"), span.get("label")]
    if not isinstance(span, list) or len(span) != 3 or not all(map(isinstance, span, (int, int, str))) or not span[2]:
        raise RecordError(f"the span {span} is not [start, end, label] or an object with these keys.")
    start, end, label = span
    if not 0 <= start < end <= length:
        raise RecordError(f"the span {start}-{end} is not within the text, which has {length} characters.")
    return start, end, label


def _read_cats(record: Record) -> dict[str, float]:
    cats = record.get("cats", {})
    if not isinstance(cats, dict) or not all(isinstance(score, (int, float)) for score in cats.values()):
        raise RecordError("'cats' is not an object of scores such as {\"NEWS\": 1.0}.")
    return {label: float(score) for label, score in cats.items()}


def _get_tags(record: Record, key: str, tokens: Doc) -> list[str]:
    """Return the tags of a key; there must be one for each token."""
    tags: list[str] = record[key]
    if "tokens" not in record or len(tags) != len(tokens):
        n_tokens = len(tokens) if "tokens" in record else "no"
        raise RecordError(f"there are {len(tags)} '{key}' for {n_tokens} 'tokens'. Write one for each token.")
    return tags
