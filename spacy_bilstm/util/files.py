"""Files that are whole or not there. What a command writes passes through here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Write a file beside its target and rename it when it is complete.

    target: the file to write; its directory is made if it is missing.
    RETURNS: the path to write to. If the block raises, that file is removed and the target stays as it was.
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
    """Write a directory beside its target and put it in its place when it is complete.

    target: the directory to write; what it held before is replaced as a whole.
    RETURNS: the path of the directory to fill. If the block raises, that is removed and the target stays as it was.
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
