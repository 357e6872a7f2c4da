"""JSON values: lines, lists and pretty-printed documents are read, and every error has its line."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.json_values import read_json_values
from spacy_bilstm.util.lines import split_lines


def read(text: str) -> tuple[list[tuple[int, Any]], list[str]]:
    file = CorpusFile("x.json", split_lines(text))
    return [tuple(value) for value in read_json_values(file)], [str(error) for error in file.problems.errors]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": 1}\n\n{"a": 2}\n', [(1, {"a": 1}), (3, {"a": 2})]),
        ('\n[{"a": 1}, {"a": 2}]\n', [(2, [{"a": 1}, {"a": 2}])]),
        ('[\n {"a":\n  1},\n\n {"a": 2}\n]\n', [(2, {"a": 1}), (5, {"a": 2})]),
        ('{\n "a": [\n 1]\n}', [(1, {"a": [1]})]),
        ("\n [\n]", []),
        ('{"a": "\\ud83d\\ude42 \u2028"}', [(1, {"a": "🙂 \u2028"})]),
        ("", []),
    ],
    ids=["lines", "list in a line", "list", "object", "empty list", "characters", "empty file"],
)
def test_lines_and_documents_are_read(text: str, values: list[tuple[int, Any]]) -> None:
    assert read(text) == (values, [])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"a": 1}\n{"a": \n{"a": 2}\nx\n', [2, 4]),
        ('{"a": \n{"a": 2}\n', [1]),
        ('[\n{"a": 1},\n{"a" 2},\n"b"]', [3]),
        ('[\n{"a": 1},\n"b"\n"c"]', [4]),
        ("[\n1\n]\n2", [4]),
        ("[\n1\n", [3]),
        ('{"a": 1} {"a": 2}', [1]),
        ('[\n{"a": 1},\n{"a": "\\ud83d"},\n3]', [3]),
        ("[\n1,\n[Infinity]]", [3]),
        ("x", [1]),
    ],
)
def test_every_error_has_its_line(text: str, lines: list[int]) -> None:
    _, errors = read(text)
    assert [error.split(": this line is not JSON: ")[0] for error in errors] == [f"x.json, line {n}" for n in lines]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(st.lists(st.dictionaries(st.text(), json_values, max_size=3), min_size=1, max_size=4), st.booleans())
def test_any_values_are_found_again(values: list[Any], ascii_only: bool) -> None:
    written = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    assert [value for _, value in read("\n".join(written))[0]] == values
    assert read(json.dumps(values, indent=1, ensure_ascii=ascii_only))[0][-1][1] == values[-1]
