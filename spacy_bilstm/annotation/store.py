"""A store of parts: files that are written one after the other, by a run that may be killed and continued.

A part consists of a data file and, written after it, a small JSON file in `_parts`. It exists only with the second.
Names that start with `_` are not data, as in other programs that read folders of Parquet files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .records import BadRecord
from .storage import Storage

MANIFEST = "_manifest.json"
BAD_RECORDS = "_bad.jsonl"
_PARTS = "_parts"
_FORMAT = "spacy-bilstm parts"
_VERSION = 1
# Differences of settings that say nothing to a reader.
_DIGESTS = {
    "model_hash": "the pipeline has other files",
    "teachers_digest": "the teachers have other files",
}


class PartsError(ValueError):
    """The directory can't be continued with these settings and sources."""


@dataclass(frozen=True)
class PartInfo:
    """Facts about a part.

    records: number of records, the bad ones included.
    documents, words: number of its Docs and of their tokens.
    bad: its records that could not be annotated.
    digest: identifies its records: their ids and texts.
    last: whether no part follows.
    source_bytes: stored bytes of the source that were read for it.
    seconds: time to annotate and write it.
    """

    records: int
    documents: int
    words: int
    bad: list[BadRecord]
    digest: str
    last: bool
    source_bytes: int = 0
    seconds: float = 0.0


@dataclass
class Counts:
    """Totals over parts. `bad` is the number of records that could not be annotated."""

    parts: int = 0
    records: int = 0
    documents: int = 0
    words: int = 0
    bad: int = 0
    source_bytes: int = 0

    def add(self, info: PartInfo) -> None:
        """Add a part."""
        self.parts += 1
        self.records += info.records
        self.documents += info.documents
        self.words += info.words
        self.bad += len(info.bad)
        self.source_bytes += info.source_bytes


@dataclass
class PartStore:
    """A directory of parts.

    storage: the directory.
    suffix: the suffix of data files, such as `.parquet`.
    done: the parts that exist, by name.
    complete: whether all parts exist.
    """

    storage: Storage
    suffix: str
    done: dict[str, PartInfo] = field(default_factory=dict)
    complete: bool = False
    _manifest: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def begin(self, settings: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Lock the directory, and read which parts exist. When the block ends, the manifest has the counts.

        settings: what determines the content of the parts, as JSON values. Each call must have the same.
        facts: other facts for the manifest, such as versions, of the latest call.
        RAISES: PartsError if the directory has other settings or other content; DirectoryLockedError if another process
            writes to it.
        """
        names = self.storage.list_names() if self.storage.is_local else []
        if names and MANIFEST not in names:  # Before the lock creates its file.
            raise PartsError(
                f"{self.storage.address} contains {names[0]}, which is not part of an annotation. "
                "Choose a new or empty directory."
            )
        with self.storage.lock():
            self._read_parts()
            self._check(json.loads(json.dumps(settings)))
            self._manifest |= {"facts": facts or {}}
            if not self.complete:
                self._write_manifest()
            try:
                yield
            finally:
                self._write_manifest()

    def is_complete(self) -> bool:
        """Return whether the directory has all parts, without a lock."""
        try:
            return bool(json.loads(self.storage.read(MANIFEST))["complete"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def commit(self, name: str, data: bytes, info: PartInfo) -> None:
        """Write a part. Afterwards it exists, or an exception is raised.

        name: its name without suffix.
        data: the content of its data file.
        info: the facts about it.
        """
        write_part(self.storage, name + self.suffix, data, info)
        self.done[name] = info

    def finish(self) -> None:
        """Record that all parts exist, and list the records that could not be annotated."""
        bad = [record for name in sorted(self.done) for record in self.done[name].bad]
        lines = [json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in bad]
        self.storage.write(BAD_RECORDS, "".join(lines).encode("utf8"))
        self.complete = True

    def count(self) -> Counts:
        """Return the totals over the parts that exist."""
        counts = Counts()
        for info in self.done.values():
            counts.add(info)
        return counts

    def _check(self, settings: dict[str, Any]) -> None:
        """Compare the settings with those of the manifest, or begin a manifest."""
        names = self.storage.list_names()
        if MANIFEST not in names and names:
            raise PartsError(f"{self.storage.address} contains {names[0]}. Choose a new or empty directory.")
        self._manifest = {"format": _FORMAT, "version": _VERSION, "settings": settings}
        if MANIFEST not in names:
            return
        try:
            found = json.loads(self.storage.read(MANIFEST))
            known = (found["format"], found["version"])
            stored = dict(found["settings"])
        except (ValueError, KeyError, TypeError) as error:
            raise PartsError(
                f"{self.storage.address}/{MANIFEST} is damaged ({error}). Choose another directory."
            ) from error
        if known != (_FORMAT, _VERSION):
            raise PartsError(
                f"{self.storage.address} was written by another version of this package. Choose another directory."
            )
        different = sorted(name for name in settings.keys() | stored.keys() if stored.get(name) != settings.get(name))
        if not different:
            self.complete = bool(found.get("complete"))
            self._manifest = found
        elif self.done or any(name not in (MANIFEST, BAD_RECORDS, _PARTS) for name in names):
            name = different[0]
            before, now = stored.get(name), settings.get(name)
            change = _DIGESTS.get(name) or f"{name} was {_shorten(before, now)} and is now {_shorten(now, before)}"
            raise PartsError(
                f"{self.storage.address} was begun with other settings: {change}. "
                "Use the same settings, or choose another directory."
            )

    def _read_parts(self) -> None:
        names = [name for name in self.storage.list_names(_PARTS) if name.endswith(".json")]
        contents = self.storage.read_all([f"{_PARTS}/{name}" for name in names])
        for name, content in zip(names, contents, strict=True):
            try:
                values = json.loads(content)
                bad = [BadRecord(**record) for record in values.pop("bad")]
                self.done[name.removesuffix(".json")] = PartInfo(bad=bad, **values)
            except (ValueError, KeyError, TypeError):  # Storage that is not local may have half of a file.
                continue

    def _write_manifest(self) -> None:
        self._manifest |= {"complete": self.complete, "counts": asdict(self.count())}
        self.storage.write(MANIFEST, (json.dumps(self._manifest, indent=1, ensure_ascii=False) + "\n").encode("utf8"))


def write_part(storage: Storage, name: str, data: bytes, info: PartInfo) -> None:
    """Write a part from any process.

    storage: the directory of the store.
    name: the name of the data file.
    data: its content.
    info: the facts about it.
    """
    storage.write(name, data)
    stem = Path(name).stem
    storage.write(f"{_PARTS}/{stem}.json", json.dumps(asdict(info), ensure_ascii=False).encode("utf8"))


def _shorten(value: Any, other: Any) -> str:
    """Return a value for a message; of two lists, the first item that differs."""
    if isinstance(value, list) and isinstance(other, list):
        different = next((i for i, item in enumerate(value) if i >= len(other) or item != other[i]), None)
        if different is not None:
            return f"{value[different]!r} (number {different + 1} of {len(value)})"
        return f"a list of {len(value)}"
    return repr(value)
