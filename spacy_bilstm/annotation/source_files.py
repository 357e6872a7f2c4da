"""Find the files of a source: files, folders and globs, on this machine or at any address that fsspec knows."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from .records import SourceError

COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}
# The formats by suffix, and whether their files may be compressed.
FORMATS = {
    ".txt": "lines",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".spacy": "spacy",
}
_BINARY = ("parquet", "spacy")


@dataclass(frozen=True)
class SourceFile:
    """A file with texts.

    address: its path, or its address with the protocol, such as `s3://bucket/texts.jsonl`.
    name: its path relative to the folder that all files of the source share. It identifies the file in the output.
    size: its size in bytes.
    """

    address: str
    name: str
    size: int

    @property
    def format(self) -> str:
        """One of the values of `FORMATS`."""
        found = find_format(self.address)
        assert found is not None
        return found

    @property
    def compression(self) -> str | None:
        """The name of its compression for fsspec, or None."""
        return COMPRESSIONS.get(PurePosixPath(self.address).suffix.lower())


def find_format(path: str) -> str | None:
    """Return the format of a file, or None if its suffix is unknown.

    path: its path or address.
    RETURNS: one of the values of `FORMATS`.
    """
    second, last = ["", "", *(suffix.lower() for suffix in PurePosixPath(path).suffixes)][-2:]
    if last in COMPRESSIONS:
        found = FORMATS.get(second)
        return None if found in _BINARY else found
    return FORMATS.get(last)


def find_files(
    paths: str | Path | Iterable[str | Path],
    storage_options: dict[str, Any] | None = None,
    exclude: str | Path | None = None,
) -> list[SourceFile]:
    """Find the files of a source.

    paths: a file, a folder, a glob or an address that fsspec knows, or several. In folders, files with an unknown
        suffix and names that start with `.` or `_` are skipped.
    storage_options: options of fsspec's file system, such as the endpoint of an S3 server.
    exclude: a directory or an address. Files in it are left out, such as those of an earlier run.
    RETURNS: the files, sorted for each of the paths, each file once.
    RAISES: SourceError if there are none, or if a file has an unknown suffix.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    sizes: dict[str, int] = {}
    for path in given:
        sizes |= _find(str(path), storage_options or {}, exclude)
    if not sizes:
        raise SourceError("No source is given. Give at least one file, folder or address.")
    names = _name_files(list(sizes))
    return [SourceFile(address, name, size) for (address, size), name in zip(sizes.items(), names, strict=True)]


def open_file(file: SourceFile, storage_options: dict[str, Any] | None = None) -> Any:
    """Open a file for reading bytes as they are stored.

    file: the file.
    storage_options: see `find_files`.
    RETURNS: a seekable binary file object.
    """
    fs, path = url_to_fs(file.address, **(storage_options or {}))
    return fs.open(path, "rb")


def _find(path: str, options: dict[str, Any], exclude: str | Path | None) -> dict[str, int]:
    """Return the sizes of the files at a path, by address."""
    if not path:
        raise SourceError("The path of a source is empty. Give a file, a folder, a glob or an address.")
    try:
        fs, root = url_to_fs(path, **options)
    except (ImportError, ValueError) as error:  # The protocol's package is missing, or there is no such protocol.
        raise SourceError(f"Can't read {path}: {error}") from error
    if fs.isdir(root):
        found = _leave_out(fs, fs.find(root, detail=True), exclude)
        inside = {name: info for name, info in found.items() if find_format(name) and not _is_hidden(name, root)}
        if not inside:
            raise SourceError(f"{path} has no file that ends in {_list_suffixes()}.")
        return _get_sizes(fs, inside)
    if fs.exists(root):
        matches = {root: fs.info(root)}
    elif any(character in root for character in "*?["):
        matches = {name: info for name, info in fs.glob(root, detail=True).items() if info["type"] == "file"}
        matches = _leave_out(fs, matches, exclude)
    else:
        matches = {}
    if not matches:
        raise SourceError(f"There is no file {path}. Check the path.")
    unknown = [name for name in matches if find_format(name) is None]
    if unknown:
        raise SourceError(f"Can't read texts from {unknown[0]}. Give files that end in {_list_suffixes()}.")
    return _get_sizes(fs, matches)


def _leave_out(fs: fsspec.AbstractFileSystem, found: dict[str, Any], exclude: str | Path | None) -> dict[str, Any]:
    """Return the files that are not in a directory."""
    if exclude is None:
        return found
    if _is_local(fs):
        excluded, find_real = PurePath(os.path.realpath(exclude)), cache(os.path.realpath)
        folders = {name: PurePath(find_real(os.path.dirname(name))) for name in found}
    else:
        excluded = PurePath(exclude)
        folders = {name: PurePath(fs.unstrip_protocol(name)).parent for name in found}
    return {name: info for name, info in found.items() if not folders[name].is_relative_to(excluded)}


def _is_local(fs: fsspec.AbstractFileSystem) -> bool:
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _get_sizes(fs: fsspec.AbstractFileSystem, found: dict[str, Any]) -> dict[str, int]:
    local = _is_local(fs)
    return {name if local else fs.unstrip_protocol(name): int(found[name]["size"] or 0) for name in sorted(found)}


def _is_hidden(path: str, root: str) -> bool:
    parts = PurePosixPath(posixpath.relpath(path, root)).parts
    return any(part.startswith((".", "_")) for part in parts)


def _name_files(addresses: Sequence[str]) -> list[str]:
    """Return the addresses relative to the folder that all share; whole addresses if they share none."""
    try:
        shared = posixpath.commonpath([posixpath.dirname(address) for address in addresses])
    except ValueError:  # Absolute and relative paths, which are addresses of different file systems.
        return list(addresses)
    return [posixpath.relpath(address, shared) for address in addresses] if shared else list(addresses)


def _list_suffixes() -> str:
    return f"{', '.join(FORMATS)}; text formats also with {', '.join(COMPRESSIONS)}"
