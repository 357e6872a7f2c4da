"""Read the JSON values of a file: one in each line (JSONL), or a single JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from .corpus_file import CorpusFile

SPACE = re.compile(r"[ \t\n]*")
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonValue(NamedTuple):
    """A JSON value, and the number of its first line in the file, from 1."""

    line: int
    value: Any


class _JsonError(ValueError):
    """A text is not JSON."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def read_json_values(file: CorpusFile) -> list[JsonValue]:
    """Read the JSON values of a file.

    file: the file. If its first line is not complete JSON, the file may be a single document; if that is a list, its
        items are the values. A line or document that is not JSON is an error.
    RETURNS: the values that could be read, in order.
    """
    lines = [(number, line) for number, line in enumerate(file.lines, start=1) if line.strip(" \t")]
    document_error = None
    if lines and not _is_json(lines[0][1]):
        try:
            return list(_read_document("\n".join(file.lines)))
        except _JsonError as error:
            document_error = error
    values: list[JsonValue] = []
    errors: list[_JsonError] = []
    for number, line in lines:
        try:
            values.append(JsonValue(number, _parse(line, 0, number)[0]))
        except _JsonError as error:
            errors.append(error)
    if document_error is not None and not any(isinstance(value, (dict, list)) for _, value in values):
        errors = [document_error]
    for problem in errors:
        file.error(problem.line, f"this line is not JSON: {problem.message}.")
    return values


def _is_json(line: str) -> bool:
    try:
        _parse(line, 0, 1)
    except _JsonError:
        return False
    return True


def _read_document(text: str) -> Iterator[JsonValue]:
    """Yield the items of a list, or the value if it is not a list."""
    position, line = _skip_space(text, 0, 1)
    if not text.startswith("[", position):
        yield JsonValue(line, _parse(text, position, line)[0])
        return
    position, line = _skip_space(text, position + 1, line)
    while not text.startswith("]", position):
        value, end = _parse(text, position, line, whole=False)
        yield JsonValue(line, value)
        position, line = _skip_space(text, end, line + text.count("\n", position, end))
        if text.startswith(",", position):
            position, line = _skip_space(text, position + 1, line)
        elif not text.startswith("]", position):
            raise _JsonError(line, "a comma or ']' is missing after an item of the list")
    position, line = _skip_space(text, position + 1, line)
    if position < len(text):
        raise _JsonError(line, "there is more text after the list")


def _skip_space(text: str, position: int, line: int) -> tuple[int, int]:
    """Return the position of the next character that is not space, and its line."""
    match = SPACE.match(text, position)
    end = match.end() if match else position
    return end, line + text.count("\n", position, end)


def _parse(text: str, position: int, line: int, whole: bool = True) -> tuple[Any, int]:
    """Return the JSON value at a position and its end; `whole` means that nothing may follow."""
    try:
        value, end = _DECODER.raw_decode(text, _skip_space(text, position, line)[0])
    except json.JSONDecodeError as error:
        first_line = line + text.count("\n", position, error.pos)
        raise _JsonError(first_line, f"{error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _JsonError(line, str(error)) from error
    if whole and _skip_space(text, end, line)[0] < len(text):
        raise _JsonError(line + text.count("\n", position, end), "there is more text after the value")
    if SURROGATE.search(text, position, end):
        _refuse_surrogates(value, line)
    return value, end


def _refuse_surrogates(value: Any, line: int) -> None:
    r"""Refuse an unpaired surrogate, such as "\ud83d" alone, which no text can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise _JsonError(
            line, f"{half} is an unpaired surrogate. Write both surrogates, or the character itself"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
