"""Stream texts from files, folders and addresses, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spacy.vocab import Vocab

from .readers import OpenedFile
from .records import BadRecord, Record, SourceError
from .source_files import SourceFile, find_files, open_file

__all__ = ["BadRecord", "Record", "SourceError", "TextStream", "read_texts"]


class TextStream(Iterable[Record]):
    """The texts of files, read as they are needed. Each iteration starts anew.

    files: the files, in order.
    text_column, id_column, vocab, on_bad, storage_options: see `read_texts`.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        *,
        text_column: str = "text",
        id_column: str | None = None,
        vocab: Vocab | None = None,
        on_bad: Callable[[BadRecord], object] | None = None,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        self.files = list(files)
        self.total_bytes = sum(file.size for file in files)
        self._columns = (text_column, id_column)
        self._vocab = vocab
        self._on_bad = on_bad
        self._storage_options = storage_options
        self._finished_bytes = 0
        self._opened: OpenedFile | None = None

    @property
    def bytes_read(self) -> int:
        """Number of stored bytes that the current iteration has read."""
        return self._finished_bytes + (self._opened.get_position() if self._opened is not None else 0)

    @property
    def share(self) -> float:
        """The share of the files that the current iteration has read, from 0 to 1."""
        return self.bytes_read / self.total_bytes if self.total_bytes else 1.0

    def describe(self) -> list[dict[str, Any]]:
        """Return the name and the size of each file, for the settings of `write_parts`."""
        return [{"name": file.name, "size": file.size} for file in self.files]

    def read(self) -> Iterator[Record | BadRecord]:
        """Yield the records, those that can't be annotated too.

        RETURNS: the records, in the order of the files.
        RAISES: SourceError if a column is missing; OSError if a file can't be read.
        """
        self._finished_bytes = 0
        for file in self.files:
            with open_file(file, self._storage_options) as raw:
                self._opened = OpenedFile(file, raw, *self._columns, self._vocab)
                yield from self._opened.read()
            self._opened = None
            self._finished_bytes += file.size

    def __iter__(self) -> Iterator[Record]:
        for item in self.read():
            if isinstance(item, Record):
                yield item
            elif self._on_bad is not None:
                self._on_bad(item)
            else:
                raise SourceError(f"{item.place}: {item.reason}. Correct it, or leave it out.")


def read_texts(
    paths: str | Path | Iterable[str | Path],
    *,
    text_column: str = "text",
    id_column: str | None = None,
    vocab: Vocab | None = None,
    on_bad: Callable[[BadRecord], object] | None = None,
    storage_options: dict[str, Any] | None = None,
    exclude: str | Path | None = None,
) -> TextStream:
    """Stream texts from files. Memory stays flat, whatever their number.

    paths: a file, a folder, a glob or an address that fsspec knows, or several. `.txt` files have one text in a line,
        and lines without text are skipped. `.jsonl` files have one object in a line, `.csv`, `.tsv` and `.parquet`
        files one text in a row. All but Parquet may be compressed (`.gz`, `.bz2`, `.xz`). `.spacy` files hold Docs.
    text_column: the key or column that holds the text.
    id_column: the key or column that holds an id, a string or an integer. With None, and for lines of text, the id is
        the name of the file and the number of the line, row or Doc, such as `"news/a.txt:17"`. Docs may have their own
        under `"id"` in `doc.user_data`.
    vocab: the vocab of the Docs of `.spacy` files; None makes one for each file.
    on_bad: called with each record that can't be read. With None, such a record is an error.
    storage_options: options of fsspec's file system, such as the endpoint of an S3 server.
    exclude: a directory or an address. Files in it are left out, such as those of an earlier run.
    RETURNS: an iterable of records. Its attribute `share` tells how much of the files was read.
    RAISES: SourceError if there is no such file or its format is unknown; while reading, if a column is missing or,
        with `on_bad=None`, if a record can't be read.
    """
    return TextStream(
        find_files(paths, storage_options, exclude),
        text_column=text_column,
        id_column=id_column,
        vocab=vocab,
        on_bad=on_bad,
        storage_options=storage_options,
    )
