"""A lock on a directory that ends with the process that holds it, even if the process is killed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Locks of fcntl hold between processes only.
_held: set[str] = set()
_guard = threading.Lock()


class DirectoryLockedError(RuntimeError):
    """Another process writes to the directory."""

    def __init__(self, directory: Path, owner: str) -> None:
        super().__init__(
            f"Another process{f' ({owner})' if owner else ''} is writing to {directory}. Wait until it ends, stop it, "
            "or choose another directory."
        )


@contextmanager
def lock_directory(directory: Path, name: str) -> Iterator[None]:
    """Keep other calls and processes out of a directory.

    directory: the directory, which exists.
    name: the name of the lock file in it. The file stays there; only its lock counts.
    RAISES: DirectoryLockedError if the directory is locked.
    """
    key = os.path.realpath(directory)
    with _guard:
        if key in _held:
            raise DirectoryLockedError(directory, f"process {os.getpid()}")
        _held.add(key)
    try:
        descriptor = os.open(directory / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _try_lock(descriptor):
                raise DirectoryLockedError(directory, os.pread(descriptor, 100, 0).decode() if os.name != "nt" else "")
            os.truncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()}".encode())
            yield
        finally:
            os.close(descriptor)
    finally:
        _held.discard(key)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            # A byte that is never written, because Windows also locks it against reading.
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            # Unlike flock, child processes that outlive a killed process don't keep this lock.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
