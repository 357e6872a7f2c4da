"""Streams of texts: every format, folders and globs, bad records, and flat memory."""

import bz2
import gzip
import json
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin

from spacy_bilstm.annotation.sources import BadRecord, SourceError, read_texts
from spacy_bilstm.util.lines import split_lines

REASON = "needs the extra 'annotate'"
TEXTS = ["Marta lives in Leeds.", 'Zoë said: "No,\nnever".', "価格は300円 👩‍👩‍👧", ""]


def write_jsonl(path: Path, texts: list[str], column: str = "text") -> None:
    path.write_text("".join(json.dumps({column: text, "n": i}) + "\n" for i, text in enumerate(texts)), "utf8")


def write_csv(path: Path, texts: list[str]) -> None:
    import csv

    with path.open("w", encoding="utf8", newline="") as file:
        csv.writer(file).writerows([["n", "text"], *enumerate(texts)])


def write_parquet(path: Path, texts: list[str]) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason=REASON)
    parquet = pytest.importorskip("pyarrow.parquet", reason=REASON)
    parquet.write_table(pyarrow.table({"text": texts, "n": range(len(texts))}), path)


def write_docs(path: Path, texts: list[str]) -> None:
    DocBin(docs=map(spacy.blank("en"), texts)).to_disk(path)


WRITERS: dict[str, Callable[[Path, list[str]], None]] = {
    "a.jsonl": write_jsonl,
    "a.csv": write_csv,
    "a.parquet": write_parquet,
    "a.spacy": write_docs,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_texts(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, TEXTS)
    records = list(read_texts(tmp_path / name))
    assert [record.text for record in records] == TEXTS
    assert [record.id for record in records] == [f"{name}:{i + 1}" for i in range(len(TEXTS))]


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_compressed_files_are_read(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"a.txt.{suffix}"
    path.write_bytes(compress("Zoë\r\n\nBob\n".encode()))
    assert [(record.text, record.id) for record in read_texts(path)] == [
        ("Zoë", f"{path.name}:1"),
        ("Bob", f"{path.name}:3"),
    ]


def test_docs_are_passed_on_with_their_tokens(tmp_path: Path) -> None:
    doc = spacy.tokens.Doc(spacy.blank("en").vocab, ["a-b", "c"], [False, True])
    doc.user_data["id"] = 17
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "a.spacy")
    (record,) = read_texts(tmp_path / "a.spacy")
    assert record.id == 17
    assert record.doc is not None
    assert [token.text for token in record.doc] == ["a-b", "c"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_ids_come_from_a_column(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, TEXTS)
    assert [record.id for record in read_texts(tmp_path / name, id_column="n")] == list(range(len(TEXTS)))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_missing_column_is_an_error_that_names_the_columns(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, TEXTS)
    with pytest.raises(SourceError, match=r"no column 'body'.*text"):
        list(read_texts(tmp_path / name, text_column="body"))


def test_a_column_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,text\nOne.,Two.\n")
    with pytest.raises(SourceError, match="more than one column 'text'"):
        list(read_texts(tmp_path / "a.csv"))


def test_folders_are_read_in_order_without_hidden_and_unknown_files(tmp_path: Path) -> None:
    for name in ("b/x.txt", "a.txt", "_parts/x.txt", ".cache/y.txt", ".z.txt", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    records = list(read_texts(tmp_path))
    assert [record.text for record in records] == ["a.txt", "b/x.txt"]
    assert [record.id for record in records] == ["a.txt:1", "b/x.txt:1"]


def test_files_in_an_excluded_directory_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    for name in ("a.txt", "outside.txt", "out/b.txt", "out/deep/c.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    for source in (tmp_path, tmp_path / "**" / "*.txt"):
        texts = [record.text for record in read_texts(source, exclude=tmp_path / "out")]
        assert texts == ["a.txt", "outside.txt"]
    with pytest.raises(SourceError, match="no file"):
        read_texts(tmp_path / "out", exclude=tmp_path / "out")


def test_globs_and_repeated_files(tmp_path: Path) -> None:
    for name in ("a1.txt", "a2.txt", "b.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    stream = read_texts([tmp_path / "a*.txt", tmp_path / "a1.txt"])
    assert [record.text for record in stream] == ["a1.txt", "a2.txt"]


def test_a_file_whose_name_looks_like_a_glob_is_read(tmp_path: Path) -> None:
    (tmp_path / "a[1].txt").write_text("x\n")
    assert [record.text for record in read_texts(tmp_path / "a[1].txt")] == ["x"]


def test_an_empty_path_is_not_the_current_directory() -> None:
    with pytest.raises(SourceError, match="empty"):
        read_texts("")


@pytest.mark.parametrize("name", ["missing.txt", "a.md", "a.parquet.gz", "*.csv", "empty"])
def test_a_source_without_texts_is_an_error(tmp_path: Path, name: str) -> None:
    for existing in ("a.md", "a.parquet.gz"):
        (tmp_path / existing).write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError):
        read_texts(tmp_path / name)


def test_bad_records_are_reported_with_place_and_reason(tmp_path: Path) -> None:
    lines = [
        b'{"text": "good", "id": "g"}',
        b'{"text": 3, "id": "n"}',
        b'{"id": "m"}',
        b"not json",
        b"[1]",
        b'{"text": "\\ud83d", "id": "s"}',
        b'{"text": "\xff", "id": "u"}',
        b'{"text": "also good", "id": 4}',
        b'{"text": "x", "id": null}',
        b"[" * 100_000,
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    bad: list[BadRecord] = []
    records = list(read_texts(tmp_path / "a.jsonl", id_column="id", on_bad=bad.append))
    assert [record.text for record in records] == ["good", "also good"]
    assert [record.place for record in bad] == [f"a.jsonl:{n}" for n in (2, 3, 4, 5, 6, 7, 9, 10)]
    reasons = ["int", "missing", "not JSON", "list", "UTF-8", "UTF-8", "id", "not JSON"]
    for record, reason in zip(bad, reasons, strict=True):
        assert reason in record.reason
    assert [record.id for record in bad[:2]] == ["n", "m"]


def test_a_bad_record_is_an_error_if_nobody_takes_it(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"good\n\xff\n")
    with pytest.raises(SourceError, match=r"a\.txt:2"):
        list(read_texts(tmp_path / "a.txt"))


def test_bad_cells_of_csv_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,text\n1,good\n2\n3,\xff\n4,\xc3\xa9\n")
    bad: list[BadRecord] = []
    assert [record.text for record in read_texts(tmp_path / "a.csv", on_bad=bad.append)] == ["good", "é"]
    assert [record.place for record in bad] == ["a.csv:2", "a.csv:3"]


def test_a_quote_that_never_closes_is_a_bad_record(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text\nfirst\n"x"y\nthird\n"never closed\nand more\n', "utf8")
    bad: list[BadRecord] = []
    texts = [record.text for record in read_texts(tmp_path / "a.csv", on_bad=bad.append)]
    assert texts == ["first", "third"]
    assert [record.place for record in bad] == ["a.csv:2", "a.csv:4"]
    assert all("not CSV" in record.reason for record in bad)


def test_a_header_that_is_not_csv_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"text\nfirst\n', "utf8")
    with pytest.raises(SourceError, match=r"first row of .*a\.csv is not CSV"):
        list(read_texts(tmp_path / "a.csv"))


def test_bad_values_of_parquet_are_reported(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason=REASON)
    parquet = pytest.importorskip("pyarrow.parquet", reason=REASON)
    raw = pyarrow.array([b"good", b"\xff", None, "é".encode()], pyarrow.binary())
    parquet.write_table(pyarrow.table({"text": raw.view(pyarrow.string())}), tmp_path / "a.parquet")
    bad: list[BadRecord] = []
    assert [record.text for record in read_texts(tmp_path / "a.parquet", on_bad=bad.append)] == ["good", "é"]
    assert [record.place for record in bad] == ["a.parquet:2", "a.parquet:3"]


@pytest.mark.parametrize("name", ["a.txt.gz", "a.txt.bz2", "a.txt.xz", "a.parquet", "a.spacy"])
def test_a_damaged_file_is_one_bad_record_and_the_next_file_is_read(tmp_path: Path, name: str) -> None:
    if name.startswith("a.txt"):
        compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[name.rsplit(".", 1)[1]]
        (tmp_path / name).write_bytes(compress(b"text\n" * 1000))
    else:
        WRITERS[name](tmp_path / name, TEXTS)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    (tmp_path / "b.txt").write_text("next\n")
    bad: list[BadRecord] = []
    records = list(read_texts(tmp_path, on_bad=bad.append))
    assert records[-1].text == "next"
    assert [record.place for record in bad] == [name]
    assert "damaged" in bad[0].reason or "format" in bad[0].reason


def test_a_line_that_never_ends_is_a_bad_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy_bilstm.annotation.readers.MAX_BYTES", 100)
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "a.txt").write_text(f"good{end}{'x' * 1000}{end}good too{end}{'x' * 100}", newline="")
        for buffer in (7, 1 << 16):
            monkeypatch.setattr("spacy_bilstm.annotation.readers._BUFFER_BYTES", buffer)
            bad: list[BadRecord] = []
            assert [r.id for r in read_texts(tmp_path / "a.txt", on_bad=bad.append)] == ["a.txt:1", "a.txt:3"]
            assert [record.place for record in bad] == ["a.txt:2", "a.txt:4"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\r\r\n"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_lines_end_as_editors_end_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, suffix: str
) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    data = end.join([b'{"text": "one"}', b"", b"wrong", b'{"text": "two"}', b""])
    path.write_bytes(gzip.compress(data) if suffix else data)
    for buffer in (*range(1, 9), 1 << 16):  # A line end may begin in one block and end in the next.
        monkeypatch.setattr("spacy_bilstm.annotation.readers._BUFFER_BYTES", buffer)
        bad: list[BadRecord] = []
        records = list(read_texts(path, on_bad=bad.append))
        assert [(r.text, r.place) for r in records] == [("one", f"{path.name}:1"), ("two", f"{path.name}:4")]
        assert [record.place for record in bad] == [f"{path.name}:3"]


@given(st.lists(st.sampled_from(["a", "b", "\n", "\r", "\r\n"])), st.integers(1, 5))
def test_lines_are_those_of_a_corpus(tmp_path_factory: pytest.TempPathFactory, pieces: list[str], buffer: int) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes("".join(pieces).encode())
    expected = [(line, f"a.txt:{i}") for i, line in enumerate(split_lines("".join(pieces)), start=1) if line]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacy_bilstm.annotation.readers._BUFFER_BYTES", buffer)
        assert [(record.text, record.place) for record in read_texts(path)] == expected


@given(st.lists(st.text(st.characters(codec="utf8", exclude_characters="\n\r"), min_size=1), max_size=20))
def test_any_line_of_text_is_read_as_it_is(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes("\n".join(texts).encode())
    expected = [text for text in texts if text.strip()]
    if expected and texts[0].startswith("\ufeff"):
        expected = [text for text in [texts[0][1:], *texts[1:]] if text.strip()]
    assert [record.text for record in read_texts(path)] == expected


def test_the_share_grows_to_one(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("some words in a line\n" * 20_000)
    stream = read_texts(tmp_path)
    shares = [stream.share for _ in stream]
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert 0.4 < shares[len(shares) // 2] < 0.6
    assert stream.share == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_memory_stays_flat(tmp_path: Path, end: str) -> None:
    with gzip.open(tmp_path / "a.txt.gz", "wt", newline=end) as file:
        for i in range(60_000):
            file.write(f"line {i} of a file that would take many times the memory that reading may take\n")
    tracemalloc.start()
    n = sum(1 for _ in read_texts(tmp_path / "a.txt.gz"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n == 60_000
    assert peak < 1_000_000


def test_other_file_systems_are_read() -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.pipe_file("/texts/a.txt", b"one\ntwo\n")
    fs.pipe_file("/texts/b.jsonl", b'{"text": "three"}')
    assert [record.text for record in read_texts("memory://texts")] == ["one", "two", "three"]
    assert [record.id for record in read_texts("memory://texts/*.txt")] == ["a.txt:1", "a.txt:2"]


def test_a_file_system_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SourceError, match="nowhere"):
        read_texts("nowhere://bucket/a.txt")
