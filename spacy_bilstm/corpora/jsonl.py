"""JSON Lines become spaCy docs: one object a line, as spaCy's users and Prodigy write them.

| key | value |
|---|---|
| `text` | the text; spaCy's tokenizer of the language makes its tokens, unless there are `tokens` too |
| `tokens` | the tokens: strings, or Prodigy's objects with `text`, `start` and `end` |
| `spans`, `entities` or `ents` | entities: `[start, end, label]` or `{"start": , "end": , "label": }`, in characters |
| `tags` or `ner_tags` | an entity tag for each of the `tokens`, in IOB1, IOB2 or BILUO |
| `pos_tags` | a part-of-speech tag for each of the `tokens` |
| `cats` | categories with their scores: `{"NEWS": 1.0}` |
| `answer` | Prodigy's; a line that was not accepted is left out |

Without one of the keys for entities, a line has no entity annotation, which is not the same as having no entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeGuard

import srsly
from spacy.language import Language
from spacy.tokens import Doc

from .columns import find_spaces
from .problems import Problems
from .tags import Scheme, detect_scheme, to_iob2

SPAN_KEYS = ("spans", "entities", "ents")
TAG_KEYS = ("tags", "ner_tags")
POS_KEY = "pos_tags"
Record = dict[str, Any]


class RecordError(ValueError):
    """A line's object cannot become a doc."""


def read_jsonl(
    lines: Iterable[str], nlp: Language, source: str, problems: Problems, scheme: Scheme | None = None
) -> Iterator[Doc]:
    """Read JSON Lines as docs.

    lines: the file's lines.
    nlp: gives the tokenizer and the docs' vocabulary.
    source: the file's name, for messages.
    problems: takes up what is wrong: a line of which no doc can be made is an error; a span that does not start and end
        with words or overlaps another, and a tag that is not valid, are warnings, and the annotation is missing there.
    scheme: the scheme of entity tags; None tells it from them.
    RETURNS: the docs, in order.
    """
    records = list(_read_records(lines, source, problems))
    scheme = scheme or detect_scheme(record[key] for _, record in records for key in TAG_KEYS if key in record)
    for number, record in records:
        if record.get("answer", "accept") != "accept":
            problems.warn(source, number, f"its answer is '{record['answer']}', so the line is left out.")
            continue
        try:
            doc, warnings = _make_doc(record, nlp, scheme)
        except RecordError as error:
            problems.error(source, number, str(error))
            continue
        for warning in warnings:
            problems.warn(source, number, warning)
        yield doc


def _read_records(lines: Iterable[str], source: str, problems: Problems) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = srsly.json_loads(line)
        except ValueError as error:
            problems.error(source, number, f"not JSON: {error}.")
            continue
        if not isinstance(record, dict):
            problems.error(source, number, 'not a JSON object, such as {"text": "...", "spans": []}.')
            continue
        record = {key: value for key, value in record.items() if value is not None}
        wrong = [key for key in (*TAG_KEYS, POS_KEY) if not _are_strings(record.get(key, []))]
        if wrong:
            problems.error(source, number, f"the '{wrong[0]}' are not a list of strings.")
        else:
            yield number, record


def _make_doc(record: Record, nlp: Language, scheme: Scheme) -> tuple[Doc, list[str]]:
    """Give the doc, and what is wrong with its entities."""
    tokens = _make_tokens(record, nlp)
    ents, warnings = _read_entities(record, tokens, scheme)
    doc = Doc(
        nlp.vocab,
        words=[token.text for token in tokens],
        spaces=[bool(token.whitespace_) for token in tokens],
        tags=_one_a_token(record, POS_KEY, tokens) if POS_KEY in record else None,
        ents=ents,
    )
    cats = record.get("cats", {})
    if not isinstance(cats, dict) or not all(isinstance(score, (int, float)) for score in cats.values()):
        raise RecordError("the 'cats' are not an object of scores, such as {\"NEWS\": 1.0}.")
    doc.cats = {label: float(score) for label, score in cats.items()}
    return doc, warnings


def _make_tokens(record: Record, nlp: Language) -> Doc:
    text, tokens = record.get("text"), record.get("tokens")
    if text is not None and (not isinstance(text, str) or not text.strip()):
        raise RecordError("the 'text' is not a string with a word in it.")
    if tokens is None:
        if text is None:
            raise RecordError("neither 'text' nor 'tokens'.")
        return nlp.make_doc(text)
    if isinstance(tokens, list):
        tokens = [token.get("text") if isinstance(token, dict) else token for token in tokens]
    if not _are_strings(tokens) or not tokens or not all(tokens):
        raise RecordError("the 'tokens' are not a list of words, or of objects with a 'text'.")
    spaces: list[bool] | None = [True] * (len(tokens) - 1) + [False]
    if text is not None:
        spaces = find_spaces(tokens, text)
    if spaces is None:
        raise RecordError("the 'tokens' do not spell the 'text', with at most one space behind each.")
    return Doc(nlp.vocab, words=tokens, spaces=spaces)


def _read_entities(record: Record, tokens: Doc, scheme: Scheme) -> tuple[list[str], list[str]]:
    """Give an entity tag in IOB2 for each token, and what is wrong."""
    keys = [key for key in (*SPAN_KEYS, *TAG_KEYS) if key in record]
    if len(keys) > 1:
        raise RecordError(f"both '{keys[0]}' and '{keys[1]}': keep the one that holds the entities.")
    if not keys:
        return [""] * len(tokens), []
    if keys[0] in TAG_KEYS:
        tags, wrong = to_iob2(_one_a_token(record, keys[0], tokens), scheme)
        return tags, [f"token {i + 1}: {message}" for i, message in wrong]
    spans = record[keys[0]]
    if not isinstance(spans, list):
        raise RecordError(f"the '{keys[0]}' are not a list.")
    return _tag_spans([_read_span(span, len(tokens.text)) for span in spans], tokens)


def _read_span(span: Any, length: int) -> tuple[int, int, str]:
    if isinstance(span, dict):
        span = [span.get("start"), span.get("end"), span.get("label")]
    if not isinstance(span, list) or len(span) != 3 or not all(map(isinstance, span, (int, int, str))) or not span[2]:
        raise RecordError(f"the span {span} is not [start, end, label] or an object of these.")
    start, end, label = span
    if not 0 <= start < end <= length:
        raise RecordError(f"the span {start}-{end} is not within the text, which has {length} characters.")
    return start, end, label


def _tag_spans(spans: Sequence[tuple[int, int, str]], tokens: Doc) -> tuple[list[str], list[str]]:
    tags = ["O"] * len(tokens)
    warnings = []
    for start, end, label in sorted(spans):
        inside = [token.i for token in tokens if token.idx < end and start < token.idx + len(token)]
        spanned = tokens.text[start:end]
        said = f"the span {start}-{end} '{spanned}' {label}"
        if tokens.char_span(start, end) is None or spanned != spanned.strip():
            warnings.append(f"{said} does not start and end with words: its tokens' annotation is missing.")
            new_tags = [""] * len(inside)
        else:
            new_tags = [f"B-{label}"] + [f"I-{label}"] * (len(inside) - 1)
        if all(tags[i] == "O" for i in inside):
            for i, tag in zip(inside, new_tags, strict=True):
                tags[i] = tag
        else:
            warnings.append(f"{said} overlaps another: where only this one is, annotation is missing.")
            for i in inside:
                tags[i] = "" if tags[i] == "O" else tags[i]
    return tags, warnings


def _one_a_token(record: Record, key: str, tokens: Doc) -> list[str]:
    tags: list[str] = record[key]
    if "tokens" not in record or len(tags) != len(tokens):
        n_tokens = len(tokens) if "tokens" in record else "no"
        raise RecordError(f"{len(tags)} '{key}' for {n_tokens} 'tokens'.")
    return tags


def _are_strings(values: object) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
