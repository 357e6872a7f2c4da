"""Texts to annotate, and records that can't be annotated."""

from __future__ import annotations

from dataclasses import dataclass

from spacy.tokens import Doc


@dataclass(frozen=True)
class Record:
    """A text to annotate.

    id: identifies it in the output.
    text: the text.
    doc: the Doc, if the source is a `.spacy` file.
    place: where it comes from: the name of the file and the number of its line, row or Doc, from 1.
    """

    id: str | int
    text: str
    doc: Doc | None = None
    place: str = ""


@dataclass(frozen=True)
class BadRecord:
    """A record that can't be annotated.

    place: as in `Record`; the name of the file alone if the rest of a file can't be read.
    reason: what is wrong with it.
    id: its id, if it could be read.
    """

    place: str
    reason: str
    id: str | int | None = None


class SourceError(ValueError):
    """The texts can't be read."""
