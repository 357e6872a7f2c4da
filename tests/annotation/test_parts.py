"""Parts on disk: complete, resumed exactly, refused with other settings, locked."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import interrupted_run
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm.annotation.parts import PartsError, Progress, cut_parts, read_parts, write_parts
from spacy_bilstm.annotation.records import BadRecord, Record
from spacy_bilstm.util.lock import DirectoryLockedError, lock_directory

NLP = spacy.blank("en")
RECORDS = [Record(f"r{i}", f"Text number {i}.") for i in range(23)]
SETTINGS = {"model": "a", "sources": [{"name": "x", "size": 1}]}
program = Path(interrupted_run.__file__)


def annotate(records: list[Record]) -> Iterable[Doc]:
    return NLP.pipe(record.text for record in records)


def forbid(records: list[Record]) -> Iterable[Doc]:
    raise AssertionError("annotated again")


def get_ids(directory: Path) -> list[object]:
    return [doc.user_data["id"] for doc in read_parts(directory)]


def test_the_docs_come_back_in_order_with_their_ids(tmp_path: Path) -> None:
    summary = write_parts(RECORDS, tmp_path, SETTINGS, annotate, part_size=10)
    assert sorted(path.name for path in tmp_path.glob("part-*")) == [f"part-0000{i}.spacy" for i in range(3)]
    assert [doc.text for doc in read_parts(tmp_path)] == [record.text for record in RECORDS]
    assert get_ids(tmp_path) == [record.id for record in RECORDS]
    assert (summary.parts, summary.documents, summary.words, summary.new_documents) == (3, 23, 92, 23)


def test_user_data_is_stored(tmp_path: Path) -> None:
    def add_data(records: list[Record]) -> Iterable[Doc]:
        for doc in annotate(records):
            doc.user_data["scores"] = {"PER": 0.25}
            yield doc

    write_parts(RECORDS, tmp_path, SETTINGS, add_data)
    assert next(read_parts(tmp_path)).user_data["scores"] == {"PER": 0.25}


def test_docs_of_a_memory_zone_are_stored(tmp_path: Path) -> None:
    def annotate_in_zone(records: list[Record]) -> Iterable[Doc]:
        with NLP.memory_zone():
            yield from annotate(records)

    records = [Record(0, "Qwyzzle blorft.")]
    write_parts(records, tmp_path, SETTINGS, annotate_in_zone)
    assert [doc.text for doc in read_parts(tmp_path)] == ["Qwyzzle blorft."]


def test_a_complete_directory_is_not_annotated_again(tmp_path: Path) -> None:
    first = write_parts(RECORDS, tmp_path, SETTINGS, annotate, part_size=10)
    again = write_parts(RECORDS, tmp_path, SETTINGS, forbid, part_size=10)
    assert (again.documents, again.new_documents) == (first.documents, 0)


@pytest.mark.parametrize("n_done", [0, 1, 2])
def test_an_exception_loses_only_the_part_it_happens_in(tmp_path: Path, n_done: int) -> None:
    annotated: list[object] = []

    def fail_later(records: list[Record]) -> Iterable[Doc]:
        if len(annotated) >= n_done * 10:
            raise RuntimeError("stop")
        annotated.extend(record.id for record in records)
        return annotate(records)

    with pytest.raises(RuntimeError, match="stop"):
        write_parts(RECORDS, tmp_path, SETTINGS, fail_later, part_size=10)
    assert json.loads((tmp_path / "_manifest.json").read_bytes())["counts"]["documents"] == n_done * 10

    def note(records: list[Record]) -> Iterable[Doc]:
        annotated.extend(record.id for record in records)
        return annotate(records)

    write_parts(RECORDS, tmp_path, SETTINGS, note, part_size=10)
    assert annotated == [record.id for record in RECORDS]
    assert get_ids(tmp_path) == annotated


def test_a_part_without_its_facts_is_written_again(tmp_path: Path) -> None:
    """A process that is killed after the data file and before the facts."""
    write_parts(RECORDS, tmp_path, SETTINGS, annotate, part_size=10)
    (tmp_path / "_parts" / "part-00001.json").unlink()
    (tmp_path / "part-00001.spacy").write_bytes(b"half")
    manifest = json.loads((tmp_path / "_manifest.json").read_bytes())
    (tmp_path / "_manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    assert write_parts(RECORDS, tmp_path, SETTINGS, annotate, part_size=10).new_documents == 10
    assert get_ids(tmp_path) == [record.id for record in RECORDS]


def test_an_incomplete_directory_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        write_parts(RECORDS, tmp_path, SETTINGS, forbid)
    with pytest.raises(PartsError, match="not complete"):
        next(read_parts(tmp_path))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model": "b"}, r"model was 'a' and is now 'b'"),
        ({"sources": [{"name": "y", "size": 1}]}, r"sources was .*'x'.* and is now .*'y'"),
        ({"new": 1}, "new was None and is now 1"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    write_parts(RECORDS, tmp_path, SETTINGS, annotate)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(PartsError, match=words):
        write_parts(RECORDS, tmp_path, SETTINGS | changed, forbid)
    with pytest.raises(PartsError, match="part_size"):
        write_parts(RECORDS, tmp_path, SETTINGS, forbid, part_size=3)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("changed", [RECORDS[1:], [Record("r0", "Other text."), *RECORDS[1:]], RECORDS[:10]])
def test_a_source_that_changed_is_refused(tmp_path: Path, changed: list[Record]) -> None:
    def fail_later(records: list[Record]) -> Iterable[Doc]:
        return annotate(records) if records[0].id == "r0" else forbid(records)

    with pytest.raises(AssertionError):
        write_parts(RECORDS, tmp_path, SETTINGS, fail_later, part_size=10)
    with pytest.raises(PartsError, match="source has changed"):
        write_parts(changed, tmp_path, SETTINGS, annotate, part_size=10)


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("important")
    with pytest.raises(PartsError, match=r"thesis\.txt"):
        write_parts(RECORDS, tmp_path, SETTINGS, forbid)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.txt"]


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_manifest.json").write_text("{")
    with pytest.raises(PartsError, match="damaged"):
        write_parts(RECORDS, tmp_path, SETTINGS, forbid)


def test_bad_records_are_counted_and_listed(tmp_path: Path) -> None:
    records = [RECORDS[0], BadRecord("a.txt:2", "the line is not UTF-8"), RECORDS[1]]
    summary = write_parts(records, tmp_path, SETTINGS, annotate)
    assert (summary.records, summary.documents, summary.bad) == (3, 2, 1)
    (line,) = (tmp_path / "_bad.jsonl").read_text("utf8").splitlines()
    assert json.loads(line) == {"place": "a.txt:2", "reason": "the line is not UTF-8", "id": None}


@pytest.mark.parametrize("n", [22, 24])
def test_too_few_or_too_many_docs_are_an_error(tmp_path: Path, n: int) -> None:
    with pytest.raises(ValueError, match="23 records"):
        write_parts(RECORDS, tmp_path, SETTINGS, lambda records: [NLP("x") for _ in range(n)])
    assert not list(tmp_path.glob("part-*"))


def test_no_records_make_an_empty_part(tmp_path: Path) -> None:
    assert write_parts([], tmp_path, SETTINGS, annotate).documents == 0
    assert get_ids(tmp_path) == []


def test_progress_tells_counts_share_and_time_left(tmp_path: Path) -> None:
    shares = iter([0.25, 0.5, 1.0])
    seen: list[Progress] = []
    write_parts(RECORDS, tmp_path, SETTINGS, annotate, part_size=10, progress=seen.append, share=lambda: next(shares))
    assert [(p.documents, p.share) for p in seen] == [(10, 0.25), (20, 0.5), (23, 1.0)]
    assert 0 < seen[0].seconds_left < 10 * seen[0].seconds  # Three quarters are left.
    assert seen[-1].seconds_left == 0
    assert all(p.words_per_second > 0 for p in seen)


@given(st.lists(st.text(max_size=8), max_size=30), st.integers(1, 7), st.integers(1, 20))
def test_parts_hold_every_record_once(texts: list[str], part_size: int, max_characters: int) -> None:
    records = [Record(i, text) for i, text in enumerate(texts)]
    chunks = list(cut_parts(iter(records), part_size, max_characters))
    assert [record for chunk in chunks for record in chunk.items] == records
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    for chunk in chunks:
        assert len(chunk.items) <= part_size
        assert sum(len(record.text) for record in chunk.records[:-1]) < max_characters


def start(tmp_path: Path, seconds: float) -> "subprocess.Popen[bytes]":
    paths = (tmp_path / "texts.txt", tmp_path / "out", tmp_path / "log")
    return subprocess.Popen([sys.executable, str(program), *map(str, paths), str(seconds)], stderr=subprocess.PIPE)


def write_source(tmp_path: Path, n: int) -> list[str]:
    (tmp_path / "texts.txt").write_text("".join(f"word number {i}\n" for i in range(n)))
    return [f"texts.txt:{i + 1}" for i in range(n)]


def wait_for(condition: object, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while not condition():  # type: ignore[operator]
        assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_directory_in_use_is_refused_until_the_process_is_killed(tmp_path: Path) -> None:
    ids = write_source(tmp_path, 30)
    process = start(tmp_path, 0.02)
    try:
        wait_for(lambda: list((tmp_path / "out").glob("_parts/*.json")), process)
        with pytest.raises(DirectoryLockedError, match=str(process.pid)):
            interrupted_run.run(tmp_path / "texts.txt", tmp_path / "out", tmp_path / "log")
    finally:
        process.kill()
        process.communicate()
    n_done = len(list((tmp_path / "out").glob("_parts/*.json"))) * interrupted_run.PART_SIZE
    interrupted_run.run(tmp_path / "texts.txt", tmp_path / "out", tmp_path / "log")
    assert get_ids(tmp_path / "out") == ids
    annotated = (tmp_path / "log").read_text().splitlines()
    assert len([identifier for identifier in annotated if identifier in ids[:n_done]]) == n_done


def test_a_directory_in_use_is_refused_in_the_same_process(tmp_path: Path) -> None:
    with lock_directory(tmp_path, "_lock"), pytest.raises(DirectoryLockedError), lock_directory(tmp_path, "_lock"):
        pass
    with lock_directory(tmp_path, "_lock"):
        pass


@pytest.mark.slow
def test_a_run_killed_fifty_times_has_every_record_once(tmp_path: Path) -> None:
    """Kill the process after random times. Takes about two minutes: python -m pytest -m slow tests/annotation."""
    ids = write_source(tmp_path, 3000)
    generator = random.Random(0)
    n_killed = 0
    while n_killed < 50:
        process = start(tmp_path, 0.001)
        done = len(list((tmp_path / "out").glob("_parts/*.json")))
        wait_for(lambda done=done: len(list((tmp_path / "out").glob("_parts/*.json"))) > done, process)
        time.sleep(generator.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        n_killed += 1
    interrupted_run.run(tmp_path / "texts.txt", tmp_path / "out", tmp_path / "log")
    assert get_ids(tmp_path / "out") == ids
    annotated = (tmp_path / "log").read_text().splitlines()
    assert len(annotated) <= len(ids) + n_killed * interrupted_run.PART_SIZE
