"""Names and numbers in the form that tables and plots show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath


def shorten_names(names: Sequence[str]) -> list[str]:
    """Shorten paths: remove the folders that all of them share at their start or end.

    names: the paths or names.
    RETURNS: the short names, in the same order.
    """
    if len(names) < 2:
        return list(names)
    parts = [list(PurePath(name).parts) for name in names]
    for end in (0, -1):
        while all(len(path) > 1 for path in parts) and len({path[end] for path in parts}) == 1:
            for path in parts:
                del path[end]
    return [str(PurePath(*path)) for path in parts]


def format_count(number: float) -> str:
    """Format a number of words or documents, or a speed."""
    return f"{number:,.0f}" if number >= 100 else f"{number:,.1f}"
