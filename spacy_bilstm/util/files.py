"""Write files and directories so that none is left half-written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Write a file next to its target and rename it when it is complete.

    target: the file to write; its directory is created if it is missing.
    RETURNS: the path to write to. If the block raises, this file is removed and the target stays as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield draft
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def directory_written_whole(target: Path) -> Iterator[Path]:
    """Write a directory next to its target and rename it when it is complete.

    target: the directory to write; a directory that exists there is replaced as a whole.
    RETURNS: the path of the directory to create and fill. If the block raises, this directory is removed and the target
        stays as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft, old = (target.with_name(f".{target.name}.{os.getpid()}.{part}") for part in ("part", "old"))
    try:
        yield draft
        if target.exists():
            os.replace(target, old)
        os.replace(draft, target)
    finally:
        for leftover in (draft, old):
            shutil.rmtree(leftover, ignore_errors=True)
