"""Blocks: empty lines end sentences, and the file marks documents in one of several ways."""

import pytest

from spacy_bilstm.corpora.blocks import split_blocks


def describe(text: str) -> str:
    """Return the first token of each block, after | where a document and after / where a paragraph starts."""
    blocks, _ = split_blocks(text.split("\n"))
    return "".join(
        "|" * block.starts_document + "/" * block.starts_paragraph + block.rows[0].fields[0] for block in blocks
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a O\n\nb O\n\nc O\n", "abc"),
        ("-DOCSTART- -X- O O\n\na O\n\nb O\n\n-DOCSTART- O\n\nc O\n", "|ab|c"),
        ("a O\n-DOCSTART- O\nb O\n", "a|b"),
        ("# newdoc id = 1\n# newpar\na O\n\nb O\n\n# newdoc\n\nc O\n", "|/ab|c"),
        ("a O\n\nb O\n\n\nc O\n\nd O\n", "ab|cd"),
        ("a O\n\n\nb O\n\n\nc O\n", "abc"),
        ("\n\n\na O\n\nb O\n\n\n\n", "ab"),
        ("-DOCSTART- O\n\na O\n\n\nb O\n\nc O\n", "|abc"),
        ("a O\n\n" * 150 + "\n" + "b O\n\n" * 150, "a" * 150 + "b" * 150),
    ],
    ids=[
        "no marks",
        "DOCSTART",
        "DOCSTART without empty lines",
        "newdoc",
        "two empty lines",
        "two empty lines everywhere",
        "empty lines at the ends",
        "DOCSTART and empty lines",
        "a stray empty line",
    ],
)
def test_documents_and_paragraphs_are_found(text: str, expected: str) -> None:
    assert describe(text) == expected


def test_a_block_has_its_comments_and_first_line() -> None:
    (first, second), separator = split_blocks(["# a = 1", "x\tO", "", "", "# b = 2", "y\tO"])
    assert separator == "\t"
    assert (first.start, first.comments, first.rows[0].line) == (1, {"a": "1"}, 2)
    assert (second.start, second.comments, second.rows) == (5, {"b": "2"}, [(6, ["y", "O"])])
