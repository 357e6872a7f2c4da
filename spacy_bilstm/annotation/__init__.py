"""Annotate large collections of texts in parts, so that an interrupted run continues where it stopped."""

from .parts import PartsError, PartsSummary, Progress, read_parts, write_parts
from .records import BadRecord, Record
from .sources import SourceError, TextStream, read_texts

__all__ = [
    "BadRecord",
    "PartsError",
    "PartsSummary",
    "Progress",
    "Record",
    "SourceError",
    "TextStream",
    "read_parts",
    "read_texts",
    "write_parts",
]
