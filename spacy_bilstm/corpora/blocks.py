"""Split a file in columns into blocks of rows, one per sentence, with their comments and document boundaries."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .tags import MISSING, is_tag

COMMENT = re.compile(r"#[ \t]*([^ \t]+[ \t]+=([ \t]|$)|newdoc\b|newpar\b)")
DOCUMENT = re.compile(r"newdoc(?=[ \t=]|$)")
PARAGRAPH = re.compile(r"newpar(?=[ \t=]|$)")
DOCUMENT_START = "-DOCSTART-"
# Longer documents are not what two blank lines mark: then they are stray.
MAX_MEAN_SENTENCES = 100


class Row(NamedTuple):
    """The fields of a line, and its number in the file, from 1."""

    line: int
    fields: list[str]


@dataclass
class Block:
    """The rows between two empty lines.

    start: number of its first line in the file, from 1.
    comments: its `# key = value` lines.
    rows: its rows, at least one.
    starts_document, starts_paragraph: whether the file marks the start of a document or paragraph before it.
    n_empty_lines: number of empty lines before it.
    """

    start: int
    comments: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    starts_document: bool = False
    starts_paragraph: bool = False
    n_empty_lines: int = 0


def is_empty(line: str) -> bool:
    """Return whether a line has only spaces and tabs.

    line: the line. Other whitespace, such as a no-break space, may be a token.
    RETURNS: whether it is empty.
    """
    return not line.strip(" \t")


def split_blocks(lines: Sequence[str]) -> tuple[list[Block], str]:
    """Split the lines of a file in columns into blocks.

    lines: the lines. Tabs separate the columns if most lines have one; otherwise spaces and tabs do.
    RETURNS: the blocks, in order, and the separator, a tab or a space. `-DOCSTART-` and `# newdoc` start documents. In
        a file without them, two empty lines do, if single ones occur as well.
    """
    separator = _find_separator(lines)
    blocks = [block for block in _read_blocks(lines, separator) if block.rows]
    if not any(block.starts_document for block in blocks):
        _mark_documents_by_empty_lines(blocks)
    return blocks, separator


def find_width(blocks: Sequence[Block]) -> int:
    """Return the most frequent number of columns.

    blocks: the blocks, with at least one row.
    RETURNS: the number.
    """
    return Counter(len(row.fields) for block in blocks for row in block.rows).most_common(1)[0][0]


def _find_separator(lines: Sequence[str]) -> str:
    rows = [line for line in lines if not is_empty(line) and not line.startswith("#")]
    return "\t" if 2 * sum("\t" in line for line in rows) > len(rows) else " "


def _read_blocks(lines: Sequence[str], separator: str) -> Iterator[Block]:
    """Yield the blocks, also those without rows."""
    block = Block(1)
    for number, line in enumerate(lines, start=1):
        is_document_start = line.startswith(DOCUMENT_START)
        if is_empty(line) or is_document_start:
            if block.rows:
                yield block
                block = Block(number)
            block.n_empty_lines += not is_document_start
            block.starts_document |= is_document_start
            block.comments = {}
            continue
        if not block.rows and not block.comments:
            block.start = number
        if not block.rows and _is_comment(line, separator):
            _read_comment(block, line[1:].strip(" \t"))
        else:
            block.rows.append(Row(number, split_row(line, separator)))
    yield block


def split_row(line: str, separator: str) -> list[str]:
    """Split a line into its columns.

    line: the line.
    separator: a tab; or a space, which also means several spaces or tabs.
    RETURNS: the fields.
    """
    if separator == "\t":
        return [value.strip(" ") for value in line.split("\t")]
    return re.split(r"[ \t]+", line.strip(" \t"))


def _is_comment(line: str, separator: str) -> bool:
    """Return whether a line before the first row of a block is a comment.

    Tokens start with "#" too. They have a tag in the last column, or at least several columns.
    """
    if COMMENT.match(line):
        return True
    if not line.startswith("# "):
        return False
    last = split_row(line, " ")[-1]
    return (separator == "\t" and "\t" not in line) or not (is_tag(last) or last in MISSING)


def _read_comment(block: Block, comment: str) -> None:
    key, _, value = comment.partition("=")
    block.comments[key.strip()] = value.strip()
    block.starts_document |= DOCUMENT.match(comment) is not None
    block.starts_paragraph |= PARAGRAPH.match(comment) is not None


def _mark_documents_by_empty_lines(blocks: Sequence[Block]) -> None:
    gaps = [block.n_empty_lines for block in blocks[1:]]
    n_documents = 1 + sum(gap > 1 for gap in gaps)
    if 1 in gaps and len(blocks) <= MAX_MEAN_SENTENCES * n_documents:
        for block, gap in zip(blocks[1:], gaps, strict=True):
            block.starts_document = gap > 1
