"""Annotate a stream of records in parts. A run that is killed loses at most the part that it was working on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..util.docbin import DocCollector, read_docs
from .progress import PartsSummary, Progress, ProgressMeter
from .records import BadRecord, Record
from .storage import Storage
from .store import MANIFEST, PartInfo, PartsError, PartStore

__all__ = ["PartsError", "PartsSummary", "Progress", "read_parts", "write_parts"]

PART_SIZE = 5000
# A part of long texts ends earlier, which limits the memory that it needs.
MAX_CHARACTERS = 8_000_000


@dataclass(frozen=True)
class Chunk:
    """The records of a part.

    index: number of the part in its stream, from 0.
    items: the records, in order.
    last: whether the stream ends with it.
    """

    index: int
    items: Sequence[Record | BadRecord]
    last: bool

    @property
    def records(self) -> list[Record]:
        """The records that can be annotated."""
        return [item for item in self.items if isinstance(item, Record)]

    @property
    def bad(self) -> list[BadRecord]:
        """The records that could not be read."""
        return [item for item in self.items if isinstance(item, BadRecord)]

    def get_digest(self) -> str:
        """Return a digest of the records."""
        digest = blake2b(digest_size=16)
        for item in self.items:
            content = (item.id, item.text) if isinstance(item, Record) else (item.id, item.place, item.reason)
            digest.update(repr(content).encode("utf8", errors="surrogatepass"))
        return digest.hexdigest()


def cut_parts(
    items: Iterable[Record | BadRecord], part_size: int, max_characters: int = MAX_CHARACTERS
) -> Iterator[Chunk]:
    """Cut a stream of records into parts. The same stream is always cut in the same way.

    items: the records.
    part_size: number of records in a part, >= 1.
    max_characters: a part ends with the record that reaches this number of characters.
    RETURNS: the parts, in order, at least one.
    """
    index, pending, n_characters = 0, [], 0  # type: int, list[Record | BadRecord], int
    for item in items:
        # A part is passed on when the next record is there, so that it is known which part is the last.
        if len(pending) >= part_size or n_characters >= max_characters:
            yield Chunk(index, pending, last=False)
            index, pending, n_characters = index + 1, [], 0
        pending.append(item)
        n_characters += len(item.text) if isinstance(item, Record) else 0
    yield Chunk(index, pending, last=True)


def check_part(directory: str, name: str, info: PartInfo, digest: str, last: bool) -> None:
    """Check that the source still has the records of a part that exists.

    directory: the directory of parts.
    name: the name of the part.
    info: the facts stored with it.
    digest, last: as in `PartInfo`, from the source.
    RAISES: PartsError if the source has other records.
    """
    if (info.digest, info.last) != (digest, last):
        raise PartsError(
            f"The source has changed: it has other records than those that {directory} has in {name}. "
            "Restore the source, or choose another directory."
        )


def write_parts(
    records: Iterable[Record | BadRecord],
    directory: str | Path,
    settings: Mapping[str, Any],
    annotate: Callable[[list[Record]], Iterable[Doc]],
    *,
    part_size: int = PART_SIZE,
    progress: Callable[[Progress], object] | None = None,
    share: Callable[[], float] | None = None,
) -> PartsSummary:
    """Annotate records and store their Docs in parts, or continue after an interruption at any moment.

    The directory gets the files `part-00000.spacy`, `part-00001.spacy` and so on, and others whose names start with
    `_`. A later call with the same records and settings annotates only the parts that are missing.

    records: the records, in the same order in each call. A `BadRecord` is counted and listed in `_bad.jsonl`.
    directory: a directory that is new, empty or written by this function.
    settings: all that determines the annotation, such as the pipeline and the source, as JSON values. They are stored.
    annotate: returns the Docs of some records, one for each, in order. It is called once for each part. A Doc need only
        be valid until the next one is taken. Its `user_data["id"]` is set to the id of the record.
    part_size: number of records in a part, >= 1.
    progress: called after each part.
    share: returns the share of the source that was read, for `progress`. `TextStream.share` has it.
    RETURNS: the counts.
    RAISES: PartsError if the directory was begun with other settings or records, or has other files;
        DirectoryLockedError if another process writes to it; ValueError if `annotate` returns too few or too many Docs.
    """
    store = PartStore(Storage(directory), ".spacy")
    with store.begin({"part_size": part_size, **settings}):
        meter = ProgressMeter(store.count(), progress)
        if not store.complete:
            for chunk in cut_parts(records, part_size):
                name = f"part-{chunk.index:05d}"
                digest = chunk.get_digest()
                if name in store.done:
                    check_part(store.storage.address, name, store.done[name], digest, chunk.last)
                    meter.skip(share() if share is not None else None)
                    continue
                start = time.perf_counter()
                documents = DocCollector()
                n_words = _add_docs(documents, chunk.records, annotate(chunk.records))
                info = PartInfo(
                    len(chunk.items),
                    len(chunk.records),
                    n_words,
                    chunk.bad,
                    digest,
                    chunk.last,
                    seconds=time.perf_counter() - start,
                )
                store.commit(name, documents.to_bytes(), info)
                meter.add(info, share() if share is not None else None)
            store.finish()
        return meter.summarise(store.storage.address, store.count())


def read_parts(directory: str | Path, vocab: Vocab | None = None) -> Iterator[Doc]:
    """Read the Docs that `write_parts` has stored, part by part.

    directory: the directory.
    vocab: the vocab of the Docs; None makes one for each part.
    RETURNS: the Docs, in the order of the records. `user_data["id"]` is the id of the record.
    RAISES: PartsError if the directory is not complete.
    """
    path = Path(directory)
    store = PartStore(Storage(path), ".spacy")
    if not store.is_complete():
        raise PartsError(f"{path} is not complete: it has no {MANIFEST} that says so. Continue the run that writes it.")
    for part in sorted(path.glob("part-*.spacy")):
        yield from read_docs(part, vocab or Vocab())


def _add_docs(documents: DocCollector, records: Sequence[Record], docs: Iterable[Doc]) -> int:
    """Add the Docs of records, and return their number of words."""
    n_words = 0
    waiting = iter(docs)
    for n, record in enumerate(records):
        doc = next(waiting, None)
        if doc is None:
            raise ValueError(f"`annotate` returned {n} Docs for {len(records)} records. Return one for each.")
        documents.add(doc, record.id)
        n_words += len(doc)
    if next(waiting, None) is not None:
        raise ValueError(f"`annotate` returned more than {len(records)} Docs for {len(records)} records.")
    return n_words
