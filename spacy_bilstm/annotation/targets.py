"""Write annotated Docs as Parquet, JSONL or in spaCy's binary format."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise, repeat
from typing import Any, Protocol

import numpy
from spacy.attrs import DEP, ENT_KB_ID, ENT_TYPE, ORTH, SENT_START, SPACY
from spacy.tokens import Doc

from ..util.docbin import DocCollector
from .doc_arrays import STRINGS, DocArrays

# The version of the columns and keys, which changes whenever their meaning does. See docs/scale.md.
SCHEMA_VERSION = 1
_ENTITY = ("start", "end", "start_char", "end_char", "label", "kb_id", "confidence")


class PartWriter(Protocol):
    """Collects the Docs of a part and returns the content of its file."""

    def add(self, ids: Sequence[str | int], docs: Sequence[Doc]) -> None:
        """Add Docs, or none of them if one can't be written.

        ids: their ids.
        docs: the Docs, which need not be valid afterwards.
        RAISES: the exception of the format's library if one can't be written.
        """

    def to_bytes(self) -> bytes:
        """Return the content of the file."""


class DocBinWriter:
    """Writes a `.spacy` file. The id of a Doc is in its `user_data["id"]`."""

    def __init__(self, text: bool, confidences: Sequence[str]) -> None:
        self._docs = DocCollector()

    def add(self, ids: Sequence[str | int], docs: Sequence[Doc]) -> None:
        """See `PartWriter`."""
        self._docs.add_all(docs, ids)

    def to_bytes(self) -> bytes:
        """See `PartWriter`."""
        return self._docs.to_bytes()


class JsonlWriter:
    """Writes a JSON object in each line.

    text: whether to write the texts.
    confidences: as for `DocArrays`.
    """

    def __init__(self, text: bool, confidences: Sequence[str]) -> None:
        self._text = text
        self._confidences = confidences
        self._lines: list[str] = []

    def add(self, ids: Sequence[str | int], docs: Sequence[Doc]) -> None:
        """See `PartWriter`."""
        arrays = DocArrays(docs, self._confidences)
        columns: dict[str, Iterator[Any]] = {"tokens": _cut(arrays, _name_all(arrays, ORTH))}
        columns["spaces"] = _cut(arrays, (arrays.get_column(SPACY) != 0).tolist())
        for name, attribute in STRINGS.items():
            found = _cut(arrays, _name_all(arrays, attribute)) if arrays.has(attribute) else repeat([], len(docs))
            columns[name] = _keep(arrays, attribute, found)
        columns["heads"] = _keep(arrays, DEP, _cut(arrays, arrays.get_heads().tolist()))
        counts, starts = arrays.get_sentence_starts()
        columns["sentence_starts"] = _keep(arrays, SENT_START, _cut_by(counts.tolist(), starts.tolist()))
        columns["entities"] = _list_entities(arrays)
        lines: list[str] = []
        for i, (identifier, doc) in enumerate(zip(ids, docs, strict=True)):
            row: dict[str, Any] = {"id": str(identifier), "text": doc.text if self._text else None}
            row |= {name: next(column) for name, column in columns.items()}
            row |= {"spans": arrays.get_spans(i), "cats": doc.cats}
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
        self._lines += lines

    def to_bytes(self) -> bytes:
        """See `PartWriter`."""
        return "".join(self._lines).encode("utf8")


def _name_all(arrays: DocArrays, attribute: int) -> list[str]:
    keys = arrays.get_column(attribute)
    names = {key: arrays.get_string(key, attribute) for key in numpy.unique(keys).tolist()}
    return [names[key] for key in keys.tolist()]


def _cut(arrays: DocArrays, values: list[Any]) -> Iterator[list[Any]]:
    """Yield the values of each Doc."""
    offsets = arrays.offsets.tolist()
    return (values[start:end] for start, end in pairwise(offsets))


def _cut_by(counts: list[int], values: list[Any]) -> Iterator[list[Any]]:
    remaining = iter(values)
    return (list(islice(remaining, count)) for count in counts)


def _keep(arrays: DocArrays, attribute: int, values: Iterator[list[Any]]) -> Iterator[list[Any] | None]:
    """Replace the values of Docs without an attribute by None."""
    annotated = arrays.find_annotated(attribute).tolist()
    return (value if kept else None for value, kept in zip(values, annotated, strict=True))


def _list_entities(arrays: DocArrays) -> Iterator[list[dict[str, Any]]]:
    entities = arrays.get_entities()
    numbers = (entities.starts, entities.ends, entities.start_chars, entities.end_chars)
    values = zip(
        *(column.tolist() for column in numbers),
        (arrays.get_string(key, ENT_TYPE) for key in entities.labels.tolist()),
        (arrays.get_string(key, ENT_KB_ID) or None for key in entities.kb_ids.tolist()),
        (None if value != value else value for value in entities.confidences.tolist()),
        strict=True,
    )
    rows = [dict(zip(_ENTITY, row, strict=True)) for row in values]
    return _cut_by(numpy.bincount(entities.docs, minlength=len(arrays.docs)).tolist(), rows)


class ParquetWriter:
    """Writes a Parquet file with a row for each Doc.

    text: whether to write the texts.
    confidences: as for `DocArrays`.
    """

    def __init__(self, text: bool, confidences: Sequence[str]) -> None:
        self._text = text
        self._confidences = confidences
        self._batches: list[Any] = []

    def add(self, ids: Sequence[str | int], docs: Sequence[Doc]) -> None:
        """See `PartWriter`."""
        import pyarrow as pa

        schema = make_schema()
        arrays = DocArrays(docs, self._confidences)
        offsets = arrays.offsets
        columns: list[Any] = [
            pa.array(map(str, ids), pa.string()),
            pa.array([doc.text for doc in docs] if self._text else [None] * len(docs), pa.string()),
            _make_lists(offsets, _make_strings(arrays, arrays.get_column(ORTH), ORTH)),
            _make_lists(offsets, pa.array(arrays.get_column(SPACY) != 0)),
        ]
        for name, attribute in STRINGS.items():
            if not arrays.has(attribute):
                columns.append(pa.nulls(len(docs), schema.field(name).type))
                continue
            values = _make_strings(arrays, arrays.get_column(attribute), attribute)
            columns.append(_make_lists(offsets, values, arrays.find_annotated(attribute)))
        columns.append(_make_lists(offsets, pa.array(arrays.get_heads(), pa.int32()), arrays.find_annotated(DEP)))
        counts, starts = arrays.get_sentence_starts()
        sentences = pa.array(starts, pa.int32())
        columns.append(_make_lists(_add_up(counts), sentences, arrays.find_annotated(SENT_START)))
        columns.append(_make_entities(arrays))
        spans = [arrays.get_spans(i) for i in range(len(docs))]
        columns.append(pa.array(spans, schema.field("spans").type))
        columns.append(pa.array([list(doc.cats.items()) for doc in docs], schema.field("cats").type))
        self._batches.append(pa.RecordBatch.from_arrays(columns, schema=schema))

    def to_bytes(self) -> bytes:
        """See `PartWriter`."""
        import pyarrow as pa
        import pyarrow.parquet

        stream = io.BytesIO()
        table = pa.Table.from_batches(self._batches, make_schema())
        pyarrow.parquet.write_table(table, stream, compression="zstd")
        return stream.getvalue()


def make_schema() -> Any:
    """Return the columns of the Parquet files, as a `pyarrow.Schema`."""
    import pyarrow as pa

    place = [(name, pa.int32()) for name in ("start", "end", "start_char", "end_char")]
    entity = [*place, ("label", pa.string()), ("kb_id", pa.string()), ("confidence", pa.float64())]
    span = [("group", pa.string()), *place, ("label", pa.string()), ("confidence", pa.float64())]
    strings = [(name, pa.list_(pa.string())) for name in STRINGS]
    return pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("tokens", pa.list_(pa.string())),
            ("spaces", pa.list_(pa.bool_())),
            *strings,
            ("heads", pa.list_(pa.int32())),
            ("sentence_starts", pa.list_(pa.int32())),
            ("entities", pa.list_(pa.struct(entity))),
            ("spans", pa.list_(pa.struct(span))),
            ("cats", pa.map_(pa.string(), pa.float64())),
        ],
        metadata={"spacy-bilstm.schema_version": str(SCHEMA_VERSION)},
    )


def _make_strings(arrays: DocArrays, keys: Any, attribute: int) -> Any:
    import pyarrow as pa

    encoded = pa.array(keys).dictionary_encode()
    names = pa.array([arrays.get_string(key, attribute) for key in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, names).dictionary_decode()


def _make_lists(offsets: Any, values: Any, kept: Any = None) -> Any:
    """Return a column of lists; the lists of Docs that are not kept are null."""
    import pyarrow as pa

    mask = None if kept is None else pa.array(~kept)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=mask)


def _add_up(counts: Any) -> Any:
    return numpy.concatenate([numpy.zeros(1, dtype="int64"), numpy.cumsum(counts)])


def _make_entities(arrays: DocArrays) -> Any:
    import pyarrow as pa

    entities = arrays.get_entities()
    kind = make_schema().field("entities").type.value_type
    numbers = (entities.starts, entities.ends, entities.start_chars, entities.end_chars)
    kb_ids = _make_strings(arrays, entities.kb_ids, ENT_KB_ID)
    columns = [
        *(pa.array(column, pa.int32()) for column in numbers),
        _make_strings(arrays, entities.labels, ENT_TYPE),
        pa.array([name or None for name in kb_ids.to_pylist()], pa.string()),
        pa.array(entities.confidences, pa.float64(), from_pandas=True),
    ]
    values = pa.StructArray.from_arrays(columns, fields=list(kind))
    return _make_lists(_add_up(numpy.bincount(entities.docs, minlength=len(arrays.docs))), values)


WRITERS: dict[str, type[DocBinWriter] | type[JsonlWriter] | type[ParquetWriter]] = {
    "parquet": ParquetWriter,
    "jsonl": JsonlWriter,
    "spacy": DocBinWriter,
}

SUFFIXES = {"parquet": ".parquet", "jsonl": ".jsonl", "spacy": ".spacy"}


def check_format(name: str) -> None:
    """Check that a format of the target can be written.

    name: the format.
    RAISES: ValueError if there is no such format; ImportError if it needs a package that is missing.
    """
    if name not in WRITERS:
        raise ValueError(f"There is no format '{name}'. Choose one of {', '.join(WRITERS)}.")
    if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ImportError(
            "Parquet needs PyArrow, which is not installed. Install it with: python -m pip install "
            "'spacy-bilstm[annotate]', or choose the format jsonl or spacy."
        )
