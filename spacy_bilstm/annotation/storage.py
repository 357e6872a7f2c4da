"""A directory of small files, on this machine or at an address that fsspec knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from ..util.files import atomic_write
from ..util.lock import lock_directory

_LOCK = "_lock"


class Storage:
    """A directory of files that are written whole.

    address: its path, or its address, such as `s3://bucket/annotated`.
    storage_options: options of fsspec's file system.
    """

    def __init__(self, address: str | Path, storage_options: dict[str, Any] | None = None) -> None:
        self.address = os.fspath(address)
        self._fs, self._root = url_to_fs(self.address, **(storage_options or {}))
        self.is_local = isinstance(self._fs, LocalFileSystem)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes out while the block runs. There are no locks on storage that is not local.

        RAISES: DirectoryLockedError if another process writes there.
        """
        if not self.is_local:
            yield
            return
        directory = Path(self._root)
        directory.mkdir(parents=True, exist_ok=True)
        with lock_directory(directory, _LOCK):
            yield

    def list_names(self, folder: str = "") -> list[str]:
        """Return the names in the directory or in a folder of it, except the lock, drafts and hidden files."""
        path = f"{self._root}/{folder}" if folder else self._root
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(path, detail=False)
        except FileNotFoundError:
            return []
        names = (name.rstrip("/").rsplit("/", 1)[-1] for name in found)
        return sorted(name for name in names if name != _LOCK and not name.startswith("."))

    def write(self, name: str, data: bytes) -> None:
        """Write a file. On this machine and on object stores, it is complete or missing.

        name: its name, which may begin with a folder.
        data: its content.
        """
        if self.is_local:
            with atomic_write(Path(self._root) / name) as draft:
                draft.write_bytes(data)
        else:
            self._fs.pipe_file(f"{self._root}/{name}", data)

    def read(self, name: str) -> bytes:
        """Read a file.

        name: its name, which may begin with a folder.
        RETURNS: its content.
        """
        content: bytes = self._fs.cat_file(f"{self._root}/{name}")
        return content

    def read_all(self, names: Sequence[str]) -> list[bytes]:
        """Read several files, at the same time where the storage can."""
        if not names:
            return []
        found = self._fs.cat([f"{self._root}/{name}" for name in names])
        if isinstance(found, bytes):
            return [found]
        return list(found.values())
