"""Read the records of one file, one format each. A record that can't be read is yielded as a `BadRecord`."""

from __future__ import annotations

import csv
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from gzip import BadGzipFile
from typing import Any

from fsspec.compression import compr
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from .records import BadRecord, Record, SourceError
from .source_files import SourceFile

# A longer line or cell is a bad record, so that a file without line ends does not fill the memory.
MAX_BYTES = 1 << 27
_BUFFER_BYTES = 1 << 16
_PARQUET_ROWS = 1024
_DAMAGED = (EOFError, zlib.error, BadGzipFile, lzma.LZMAError)
# `\r\n`, `\r\r\n` and so on are one line end. Other returns are one each.
_RETURNS = re.compile(rb"\r+\n?")
Items = Iterator[Record | BadRecord]


@dataclass
class OpenedFile:
    """A file that is being read.

    file: the file.
    raw: its bytes as they are stored, a seekable binary file object.
    text_column, id_column: the keys or columns of the text and the id.
    vocab: the vocab of the Docs of a `.spacy` file; None makes one for each file.
    position: number of stored bytes that were read, where `raw` does not tell.
    """

    file: SourceFile
    raw: Any
    text_column: str = "text"
    id_column: str | None = None
    vocab: Vocab | None = None
    position: int | None = None

    def get_position(self) -> int:
        """Return how many of its stored bytes were read."""
        if self.position is not None:
            return self.position
        return 0 if self.raw.closed else int(self.raw.tell())

    def read(self) -> Items:
        """Yield its records.

        RETURNS: the records, in order. If the file is damaged, the last is a `BadRecord` for the rest of the file.
        RAISES: SourceError if a column is missing.
        """
        try:
            yield from _READERS[self.file.format](self)
        except _DAMAGED as error:
            yield self._refuse_rest(error)
        except OSError as error:
            if self.file.compression != "bz2" or error.errno is not None:
                raise
            yield self._refuse_rest(error)

    def get_columns(self) -> list[str]:
        """Return the columns that are read."""
        return [self.text_column] if self.id_column is None else [self.text_column, self.id_column]

    def check_columns(self, present: list[str]) -> None:
        """Check that a table has the columns that are read.

        present: the columns of the table.
        RAISES: SourceError if one is missing or there twice.
        """
        for column in self.get_columns():
            if present.count(column) > 1:
                raise SourceError(f"{self.file.address} has more than one column '{column}'. Rename the others.")
            if column not in present:
                raise SourceError(
                    f"{self.file.address} has no column '{column}'. Its columns are: {', '.join(present) or 'none'}. "
                    "Choose one with --text-column or --id-column."
                )

    def make_record(self, number: int, text: Any, identifier: Any) -> Record | BadRecord:
        """Check the values of a record.

        number: its number in the file, from 1.
        text: its text, of any type.
        identifier: its id, of any type; ignored if there is no `id_column`.
        RETURNS: the record.
        """
        place = f"{self.file.name}:{number}"
        if self.id_column is None:
            identifier = place
        elif isinstance(identifier, bool) or not isinstance(identifier, (str, int)):
            return BadRecord(
                place, f"the id under '{self.id_column}' is {_name(identifier)}, not a string or an integer"
            )
        elif isinstance(identifier, str) and not _is_unicode(identifier):
            return BadRecord(place, f"the id under '{self.id_column}' is not UTF-8")
        if not isinstance(text, str):
            return BadRecord(place, f"the text under '{self.text_column}' is {_name(text)}, not a string", identifier)
        if not _is_unicode(text):
            return BadRecord(place, "the text is not UTF-8", identifier)
        return Record(identifier, text, place=place)

    def _refuse_rest(self, error: Exception) -> BadRecord:
        return BadRecord(self.file.name, f"the file is damaged, and the rest of it was not read: {error}")


def _read_lines(opened: OpenedFile) -> Items:
    for number, line in _iterate_lines(opened):
        if isinstance(line, BadRecord):
            yield line
        elif line.strip():
            yield Record(f"{opened.file.name}:{number}", line, place=f"{opened.file.name}:{number}")


def _read_jsonl(opened: OpenedFile) -> Items:
    for number, line in _iterate_lines(opened):
        if isinstance(line, BadRecord):
            yield line
            continue
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield BadRecord(f"{opened.file.name}:{number}", f"the line is not JSON: {error}")
            continue
        if isinstance(value, dict):
            yield opened.make_record(number, value.get(opened.text_column), value.get(opened.id_column))
        else:
            yield BadRecord(f"{opened.file.name}:{number}", f"the line is {_name(value)}, not a JSON object")


def _iterate_lines(opened: OpenedFile) -> Iterator[tuple[int, str | BadRecord]]:
    with _decompress(opened) as stream:
        for number, line in enumerate(_split_lines(stream), start=1):
            place = f"{opened.file.name}:{number}"
            if line is None:
                yield number, BadRecord(place, f"the line is longer than {MAX_BYTES:,} bytes")
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                yield number, line.decode("utf8")
            except UnicodeDecodeError as error:
                yield number, BadRecord(place, f"the line is not UTF-8: {error.reason} at byte {error.start + 1}")


def _split_lines(stream: Any) -> Iterator[bytearray | None]:
    """Yield the lines of a binary file without their ends, as `split_lines` does; None for one that is too long."""
    line = bytearray()
    for block in _unify_line_ends(stream):
        *ends, rest = block.split(b"\n")
        for end in ends:
            line += end
            yield line if len(line) < MAX_BYTES else None
            line = bytearray()
        line += rest
        del line[MAX_BYTES:]  # It is too long whatever follows.
    if line:
        yield line if len(line) < MAX_BYTES else None


def _unify_line_ends(stream: Any) -> Iterator[bytes]:
    r"""Yield blocks of a binary file in which only `\n` ends a line."""
    held: list[bytes] = []
    while block := stream.read1(_BUFFER_BYTES):
        content = block.rstrip(b"\r")
        if content:
            yield _RETURNS.sub(_unify, b"".join([*held, content]))
            held.clear()
        if len(content) < len(block):  # They may be the first half of a line end.
            held.append(block[len(content) :])
    yield _RETURNS.sub(_unify, b"".join(held))


def _unify(returns: re.Match[bytes]) -> bytes:
    return b"\n" if returns[0].endswith(b"\n") else b"\n" * len(returns[0])


def _read_csv(opened: OpenedFile) -> Items:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_BYTES))
    # Without `strict`, a quote that is never closed makes one text of the rest of the file.
    # Bytes that are not UTF-8 become surrogates, which `make_record` refuses.
    with io.TextIOWrapper(_decompress(opened), encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        rows = csv.reader(stream, delimiter="\t" if opened.file.format == "tsv" else ",", strict=True)
        try:
            header = next(rows, [])
        except csv.Error as error:
            raise SourceError(
                f"The first row of {opened.file.address} is not CSV: {error}. Correct the file."
            ) from error
        opened.check_columns(header)
        text_column = header.index(opened.text_column)
        id_column = None if opened.id_column is None else header.index(opened.id_column)
        number = 0
        while True:
            number += 1
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield BadRecord(f"{opened.file.name}:{number}", f"the row is not CSV: {error}")
                continue
            if row is None:
                return
            if row:
                cells = (row[i] if i is not None and i < len(row) else None for i in (text_column, id_column))
                yield opened.make_record(number, *cells)


def _read_parquet(opened: OpenedFile) -> Items:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise SourceError(
            f"Reading {opened.file.address} needs PyArrow. "
            "Install it with: python -m pip install 'spacy-bilstm[annotate]'"
        ) from error
    number = 0
    try:
        table = pyarrow.parquet.ParquetFile(opened.raw)
        opened.check_columns(table.schema_arrow.names)
        for batch in table.iter_batches(_PARQUET_ROWS, columns=opened.get_columns()):
            columns = {name: _list_values(batch.column(name)) for name in batch.schema.names}
            texts = columns[opened.text_column]
            ids = columns[opened.id_column] if opened.id_column is not None else [None] * len(texts)
            for text, identifier in zip(texts, ids, strict=True):
                number += 1
                yield opened.make_record(number, text, identifier)
            opened.position = opened.file.size * number // max(1, table.metadata.num_rows)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        yield BadRecord(opened.file.name, f"the file is damaged, and the rest after row {number} was not read: {error}")


def _list_values(column: Any) -> list[Any]:
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:  # Arrow does not check what a file says to be a string.
        values = [_get_value(value) for value in column]
    return [value.decode("utf8", errors="surrogateescape") if isinstance(value, bytes) else value for value in values]


def _get_value(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return value.as_buffer().to_pybytes()


def _read_docs(opened: OpenedFile) -> Items:
    opened.position = 0
    try:
        docs = DocBin().from_bytes(opened.raw.read())
        # A vocab for each file, so that the words of earlier files don't stay in memory.
        for number, doc in enumerate(docs.get_docs(opened.vocab or Vocab()), start=1):
            place = f"{opened.file.name}:{number}"
            yield Record(doc.user_data.get("id", place), doc.text, doc, place)
            opened.position = opened.file.size * number // max(1, len(docs))
    except Exception as error:  # zlib, msgpack, NumPy and spaCy each raise errors of their own.
        yield BadRecord(opened.file.name, f"the file is not in spaCy's binary format: {error}")


_READERS: dict[str, Callable[[OpenedFile], Items]] = {
    "lines": _read_lines,
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "tsv": _read_csv,
    "parquet": _read_parquet,
    "spacy": _read_docs,
}


def _decompress(opened: OpenedFile) -> Any:
    compression = opened.file.compression
    if compression is None:
        return io.BufferedReader(opened.raw, _BUFFER_BYTES)
    return compr[compression](opened.raw, mode="rb")


def _is_unicode(text: str) -> bool:
    """Return whether a text has no unpaired surrogate, such as \\ud83d alone."""
    if text.isascii():
        return True
    try:
        text.encode("utf8")
    except UnicodeEncodeError:
        return False
    return True


def _name(value: Any) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}"
