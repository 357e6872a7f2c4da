"""Divide the files of a source into shards, which can be read at the same time, and shards into parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .parts import MAX_CHARACTERS, check_part, cut_parts
from .records import BadRecord, Record
from .source_files import SourceFile
from .sources import TextStream
from .store import PartInfo

# Small files share a shard, so that a folder of many files does not give as many parts.
SHARD_BYTES = 32_000_000


@dataclass(frozen=True)
class ReadSettings:
    """How a source is read.

    target: the directory of parts, for messages.
    text_column, id_column, storage_options: see `read_texts`.
    part_size: number of records in a part, >= 1.
    """

    target: str
    text_column: str
    id_column: str | None
    part_size: int
    storage_options: dict[str, Any] | None


@dataclass(frozen=True)
class Shard:
    """Consecutive files of the source.

    number: its number, from 0.
    files: the files.
    done: the parts of it that exist, by their number in the shard.
    """

    number: int
    files: Sequence[SourceFile]
    done: Mapping[int, PartInfo]

    def is_done(self) -> bool:
        """Return whether all its parts exist, which the last of them tells."""
        last = [index for index, info in self.done.items() if info.last]
        return bool(last) and all(index in self.done for index in range(last[0]))


@dataclass(frozen=True)
class Task:
    """A part to annotate.

    name: its name.
    items: its records.
    digest, last, source_bytes: as in `PartInfo`.
    """

    name: str
    items: Sequence[Record | BadRecord]
    digest: str
    last: bool
    source_bytes: int


def make_shards(files: Sequence[SourceFile], done: Mapping[str, PartInfo]) -> list[Shard]:
    """Divide files into shards. The same files are always divided in the same way.

    files: the files.
    done: the parts that exist, by name.
    RETURNS: the shards, in order.
    """
    groups: list[list[SourceFile]] = []
    size = SHARD_BYTES
    for file in files:
        if size >= SHARD_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.size
    by_shard: dict[int, dict[int, PartInfo]] = {}
    for name, info in done.items():
        _, shard, index = name.split("-")
        by_shard.setdefault(int(shard), {})[int(index)] = info
    return [Shard(number, group, by_shard.get(number, {})) for number, group in enumerate(groups)]


def read_tasks(shard: Shard, settings: ReadSettings, skip: Callable[[str], object] | None = None) -> Iterator[Task]:
    """Read a shard, and yield the parts of it that don't exist.

    shard: the shard.
    settings: how to read it.
    skip: called with the name of each part that exists already.
    RETURNS: the parts, in order.
    RAISES: PartsError if the source has other records than those of the parts that exist.
    """
    if shard.is_done():
        return
    stream = TextStream(
        shard.files,
        text_column=settings.text_column,
        id_column=settings.id_column,
        storage_options=settings.storage_options,
    )
    position = 0
    for chunk in cut_parts(stream.read(), settings.part_size, MAX_CHARACTERS):
        name = f"part-{shard.number:05d}-{chunk.index:05d}"
        n_bytes, position = stream.bytes_read - position, stream.bytes_read
        digest = chunk.get_digest()
        if chunk.index in shard.done:
            check_part(settings.target, name, shard.done[chunk.index], digest, chunk.last)
            if skip is not None:
                skip(name)
            continue
        yield Task(name, chunk.items, digest, chunk.last, n_bytes)


def pack_items(items: Sequence[Record | BadRecord]) -> list[Any]:
    """Return records in a form that can be sent to another process, without the vocab of their Docs."""
    packed: list[Any] = []
    for item in items:
        if isinstance(item, Record) and item.doc is not None:
            tokens = [(token.text, bool(token.whitespace_)) for token in item.doc]
            packed.append((item.id, item.text, item.place, tokens))
        else:
            packed.append(item)
    return packed


def unpack_items(packed: Sequence[Any]) -> list[Record | BadRecord]:
    """Return the records that `pack_items` has packed."""
    vocab = Vocab()
    items: list[Record | BadRecord] = []
    for item in packed:
        if isinstance(item, tuple):
            identifier, text, place, tokens = item
            doc = Doc(vocab, words=[word for word, _ in tokens], spaces=[space for _, space in tokens])
            item = Record(identifier, text, doc, place)
        items.append(item)
    return items
