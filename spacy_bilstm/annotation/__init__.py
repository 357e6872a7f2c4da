"""Annotate large collections of texts in parts, so that an interrupted run continues where it stopped."""

from .annotation import annotate
from .lock import DirectoryLockedError
from .parts import PartsError, PartsSummary, Progress, read_parts, write_parts
from .ray_engine import RayMissingError
from .records import BadRecord, Record
from .sources import SourceError, TextStream, read_texts

__all__ = [
    "BadRecord",
    "DirectoryLockedError",
    "PartsError",
    "PartsSummary",
    "Progress",
    "RayMissingError",
    "Record",
    "SourceError",
    "TextStream",
    "annotate",
    "read_parts",
    "read_texts",
    "write_parts",
]
