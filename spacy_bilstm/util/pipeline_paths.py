"""Find the files of a pipeline."""

from __future__ import annotations

from pathlib import Path

from spacy.util import get_package_path, is_package


def find_pipeline(name: str | Path) -> Path:
    """Return the directory of a pipeline.

    name: its path, or the name of an installed package, which comes first.
    RETURNS: the directory of the package, or the path itself, whether it exists or not.
    """
    # Python 3.10 takes the empty name for that of a package.
    return get_package_path(str(name)) if str(name) and is_package(str(name)) else Path(name)
