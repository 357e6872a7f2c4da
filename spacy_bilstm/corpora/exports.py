"""Turn the exports of annotation tools and libraries into records with the same keys.

These are read: doccano, Label Studio, Prodigy, Hugging Face's datasets with the names of their tags, spaCy's examples
of version 2, and records that already have the keys of `records`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .export import Export, Record, RecordError, is_list_of
from .json_values import JsonValue
from .label_studio import is_task, read_task
from .tags import MISSING, is_tag

SPAN_KEYS = ("spans", "entities", "ents")
TAG_KEYS = ("tags", "ner_tags")
# doccano writes spans or categories under these keys, Prodigy a category, Hugging Face tags or a category.
LABEL_KEYS = ("label", "labels")
TOKEN_KEYS = ("tokens", "words")
NAME_KEYS = ("label_names", "id2label", "label2id")
READ_KEYS = {"text", "pos_tags", "cats", "answer", *SPAN_KEYS, *TAG_KEYS, *LABEL_KEYS, *TOKEN_KEYS, *NAME_KEYS}
# Views of Prodigy where a text without spans is a text without entities.
SPAN_VIEWS = ("ner_manual", "spans_manual")
# Words in the names of keys that look like annotation.
ANNOTATION_WORDS = set(
    re.findall(
        r"\w+",
        """accept annotation annotations cat cats categories category choice choices chunk class classes completions dep
        deps entities entity head heads intent label labels ner predictions relation relations result results sentiment
        span spans tag tags topic""",
    )
)
IGNORED_NUMBER = -100  # Hugging Face's label for tokens that are not annotated.


def list_records(value: JsonValue) -> Iterator[JsonValue]:
    """Yield the records that a JSON value contains.

    value: an object, a pair of a text and its annotation as in spaCy 2, a list of these, or an object with a list of
        pairs under `annotations`.
    RETURNS: the objects, with the line of the value.
    RAISES: RecordError if the value is something else.
    """
    content = value.value
    if isinstance(content, dict):
        pairs = content.get("annotations")
        if not isinstance(pairs, list) or "text" in content or not any(map(_is_pair, pairs)):
            yield value
            return
        content = [pair for pair in pairs if pair is not None]
    if _is_pair(content):
        yield JsonValue(value.line, _read_pair(*content))
    elif content and is_list_of(content, dict, list):
        for item in content:
            yield from list_records(JsonValue(value.line, item))
    else:
        raise RecordError('this line is not a JSON object such as {"text": "...", "spans": []}.')


def read_export(record: Record, line: int, names: dict[int, str]) -> Export:
    """Read a record of any tool.

    record: the JSON object.
    line: number of its line in the file, from 1.
    names: the names of labels that are numbers, as far as the file has given them before.
    RETURNS: the record with the keys that `records` reads.
    RAISES: RecordError if the annotation is not as any tool writes it.
    """
    record = {key: value for key, value in record.items() if value is not None}
    if is_task(record):
        return read_task(record, line)
    if not isinstance(record.get("cats", {}), dict):
        raise RecordError("'cats' is not an object of scores such as {\"NEWS\": 1.0}.")
    names = names | read_names(record)
    export = Export(line, {key: record[key] for key in ("text", "cats") if key in record})
    tokens = next((record[key] for key in TOKEN_KEYS if key in record), None)
    if tokens is not None:
        export.record["tokens"] = tokens
    if is_list_of(record.get("pos_tags"), int):
        export.unread.append("pos_tags")
    elif "pos_tags" in record:
        export.record["pos_tags"] = record["pos_tags"]
    _read_entities(record, export, names)
    _read_labels(record, export, names)
    _read_prodigy(record, export)
    _find_unread(record, export)
    return export


def read_names(record: Record) -> dict[int, str]:
    """Return the names of labels that are numbers.

    record: a JSON object, which may have them under `label_names`, `id2label` or `label2id`.
    RETURNS: the name of each number.
    RAISES: RecordError if they are not names.
    """
    names: Any = next((record[key] for key in NAME_KEYS if key in record), [])
    if isinstance(names, list):
        names = dict(enumerate(names))
    elif isinstance(names, dict) and "label2id" in record:
        names = {number: name for name, number in names.items()}
    try:
        found = {int(number): name for number, name in names.items()}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise RecordError(f'the names of the labels are not a list such as ["O", "B-PER"]: {error}.') from error
    if not is_list_of(list(found.values()), str):
        raise RecordError("the names of the labels are not strings.")
    return found


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def _read_pair(text: str, annotation: Record) -> Record:
    """Read a pair of spaCy 2, whose `tags` are parts of speech."""
    names = {"words": "tokens", "tags": "pos_tags"}
    return {"text": text, **{names.get(key, key): value for key, value in annotation.items()}}


def _read_entities(record: Record, export: Export, names: dict[int, str]) -> None:
    """Read the keys that hold nothing but entities."""
    for key in (*SPAN_KEYS, *TAG_KEYS):
        value = record.get(key)
        if key in TAG_KEYS or (value and is_list_of(value, str)):
            _set_entities(export, "tags", key, _name_numbers(key, value, names))
        else:
            _set_entities(export, "spans", key, value)


def _set_entities(export: Export, kind: str, key: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, list):
        raise RecordError(f"'{key}' is not a list.")
    if export.entity_key:
        raise RecordError(f"there are both '{export.entity_key}' and '{key}'. Keep the one that contains the entities.")
    export.entity_key = key
    export.record[kind] = value


def _read_labels(record: Record, export: Export, names: dict[int, str]) -> None:
    """Read the keys that hold spans, tags or categories."""
    for key in LABEL_KEYS:
        value = _name_numbers(key, record.get(key), names)
        if value == []:
            export.annotated = True
        elif isinstance(value, str):
            export.choices.setdefault("", []).append(value)
        elif is_list_of(value, str):
            if _are_tags(value, export.record.get("tokens")):
                _set_entities(export, "tags", key, value)
            else:
                export.choices.setdefault("", []).extend(value)
        elif is_list_of(value, list, dict):
            _set_entities(export, "spans", key, value)
        elif value is not None:
            export.unread.append(key)


def _are_tags(values: list[str], tokens: Any) -> bool:
    is_one_per_token = isinstance(tokens, list) and len(tokens) == len(values)
    return is_one_per_token and all(is_tag(value) or value in MISSING for value in values)


def _name_numbers(key: str, value: Any, names: dict[int, str]) -> Any:
    """Return a value with the names of its numbers, or as it is if it has none."""
    numbers = value if isinstance(value, list) else [value]
    if not numbers or not is_list_of(numbers, int):
        return value
    if not names:
        raise RecordError(
            f"'{key}' has numbers, and their names are not in the file. Add a first line with the names, such as "
            '{"label_names": ["O", "B-PER", "I-PER"]}. In Hugging Face\'s datasets they are '
            f'dataset.features["{key}"].feature.names.'
        )
    unknown = [number for number in numbers if number not in names and number != IGNORED_NUMBER]
    if unknown:
        raise RecordError(f"'{key}' has the number {unknown[0]}, which has no name. Complete the names of the labels.")
    found = [names.get(number, "") for number in numbers]
    return found if isinstance(value, list) else found[0]


def _read_prodigy(record: Record, export: Export) -> None:
    """Read the answer, the choices and the view of Prodigy."""
    answer = record.get("answer", "accept")
    is_binary = "answer" in record and isinstance(record.get("label"), str) and record.get("_view_id") not in SPAN_VIEWS
    if is_binary and _asks_about_spans(record):  # The label is that of the spans.
        export.choices.clear()
        is_binary = False
    if is_binary and answer in ("accept", "reject"):  # A decision about this category alone.
        export.record["cats"] = {**export.record.get("cats", {}), record["label"]: float(answer == "accept")}
        export.choices.clear()
        _drop_highlights(export, record["label"])
    elif answer != "accept":
        export.skipped = f"the answer is '{answer}', so this line is skipped."
    options, accepted = record.get("options"), record.get("accept", [])
    if isinstance(accepted, list) and isinstance(options, list) and is_list_of(options, dict):
        labels = {str(option.get("id")): _name_option(option) for option in options}
        export.options["accept"] = set(labels.values())
        export.choices["accept"] = [labels.get(str(id_), str(id_)) for id_ in accepted]
    if record.get("_view_id") in SPAN_VIEWS and not export.has_entities:
        export.record["spans"] = []


def _asks_about_spans(record: Record) -> bool:
    """Return whether a binary task asks about its spans, as `ner.teach` does, and not about a category of the text."""
    spans = record.get("spans")
    if record.get("_view_id") == "classification" or not spans or not is_list_of(spans, dict):
        return False
    return all(span.get("label") == record["label"] for span in spans)


def _drop_highlights(export: Export, label: str) -> None:
    """Remove the spans of a task about a category, which only show why it was asked, such as matches of patterns."""
    spans = export.record.pop("spans", [])
    if any(not isinstance(span, dict) or span.get("label") not in (None, "", label) for span in spans):
        export.unread.append("spans")


def _name_option(option: dict[str, Any]) -> str:
    """Return the label of an option: its id, or its text if the id is a number."""
    return str(option["id"] if isinstance(option.get("id"), str) else option.get("text", option.get("id")))


def _find_unread(record: Record, export: Export) -> None:
    """List the keys that look like annotation and are not read."""
    read = READ_KEYS | ({"accept", "options"} if export.options else set())
    for key, value in record.items():
        if key in read or key.startswith("_") or not isinstance(value, (str, list, dict)) or not value:
            continue
        is_structured = isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value)
        if is_structured or ANNOTATION_WORDS & set(re.split(r"[^a-z]+", key.lower())):
            export.unread.append(key)
