"""Formats: the suffix of a file tells its format."""

from pathlib import Path

import pytest

from spacy_bilstm.corpora.formats import FORMATS, Format, describe_default_formats, detect_format


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.conllu", Format.conllu),
        ("x.jsonl", Format.jsonl),
        ("x.json", Format.jsonl),
        ("x.JSON", Format.jsonl),
        ("x.conll", Format.columns),
        ("x", Format.columns),
    ],
)
def test_the_suffix_tells_the_format(name: str, expected: Format) -> None:
    assert detect_format(Path(name)) is expected


def test_every_format_has_a_reader_and_suffixes_of_its_own() -> None:
    assert set(FORMATS) == set(Format)
    suffixes = [suffix for entry in FORMATS.values() for suffix in entry.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert [name for name, entry in FORMATS.items() if not entry.suffixes] == [Format.columns]


def test_the_defaults_are_described() -> None:
    assert (
        describe_default_formats()
        == "By default conllu for .conllu, jsonl for .jsonl and .json, columns for all others"
    )
