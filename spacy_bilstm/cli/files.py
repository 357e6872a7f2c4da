"""Room cli: files that are whole or not there. What a command writes passes through here."""

from __future__ import annotations

import os
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
