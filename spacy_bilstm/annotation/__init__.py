"""Annotate large collections of texts in parts, so that an interrupted run continues where it stopped."""

from ..util.lock import DirectoryLockedError
from ..util.ray_runtime import RayMissingError
from .annotation import annotate
from .parts import PartsError, PartsSummary, Progress, read_parts, write_parts
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
