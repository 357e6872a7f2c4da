"""The table of corpus formats: the suffix and the reader of each. A new format is a member and an entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language

from .columns import read_columns
from .corpus_file import CorpusFile
from .docs import AnnotatedText
from .jsonl import read_jsonl
from .tags import Scheme
from .treebank import read_treebank


class Format(str, Enum):
    """The format of a corpus file."""

    conllu = "conllu"
    columns = "columns"
    jsonl = "jsonl"


class FormatEntry(NamedTuple):
    """What reads a format.

    suffixes: the suffixes of its files; none for the format of all other files.
    read: its reader. It takes the file, a blank pipeline for the tokenizer and the scheme of entity tags, None to
        detect it; it yields the texts, and records problems in the file.
    """

    suffixes: tuple[str, ...]
    read: Callable[[CorpusFile, Language, Scheme | None], Iterator[AnnotatedText]]


FORMATS: dict[Format, FormatEntry] = {
    Format.conllu: FormatEntry((".conllu",), read_treebank),
    Format.columns: FormatEntry((), read_columns),
    Format.jsonl: FormatEntry((".jsonl", ".json"), read_jsonl),
}


def detect_format(path: Path) -> Format:
    """Return the format of a file, by its suffix.

    path: the file.
    RETURNS: the format with the suffix of the file; `columns` if there is none.
    """
    suffix = path.suffix.lower()
    return next((name for name, entry in FORMATS.items() if suffix in entry.suffixes), Format.columns)


def describe_default_formats() -> str:
    """Return a sentence that says which suffix has which format.

    RETURNS: the sentence.
    """
    suffixes = [f"{name.value} for {' and '.join(entry.suffixes)}" for name, entry in FORMATS.items() if entry.suffixes]
    return f"By default {', '.join(suffixes)}, {Format.columns.value} for all others"
