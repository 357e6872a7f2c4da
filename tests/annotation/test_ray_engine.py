"""Whole runs on Ray: the same files as in one process, and workers that are killed.

Starting Ray takes several seconds, so these tests are slow: python -m pytest -m slow tests/annotation. They need the
extra `ray`.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spacy_bilstm.annotation import PartsSummary, SourceError, annotate

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from spacy_bilstm.annotation import annotate

if __name__ == "__main__":
    source, target, model, workers = sys.argv[1:]
    annotate(source, target, model, format="jsonl", part_size=50, workers=int(workers))
"""


def read_files(target: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(target.glob("part-*"))}


def run(source: Path, target: Path, pipeline: Path, workers: int) -> PartsSummary:
    return annotate(source, target, pipeline, format="jsonl", part_size=50, workers=workers)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Return a folder with 3,000 texts and two bad records."""
    (tmp_path / "texts").mkdir()
    lines = [f"Marta {i} lives in Leeds with number {i * 7919 % 1000}." for i in range(3000)]
    lines[100] = lines[2000] = "\udcff"
    for name, part in (("a.txt", lines[:1700]), ("b.txt", lines[1700:])):
        (tmp_path / "texts" / name).write_bytes("\n".join(part).encode("utf8", "surrogateescape"))
    return tmp_path / "texts"


def test_ray_writes_the_files_of_one_process(texts: Path, tmp_path: Path, pipeline: Path) -> None:
    here = run(texts, tmp_path / "here", pipeline, 1)
    ray = run(texts, tmp_path / "ray", pipeline, 2)
    assert (ray.documents, ray.words, ray.bad) == (here.documents, here.words, here.bad) == (2998, here.words, 2)
    assert read_files(tmp_path / "ray") == read_files(tmp_path / "here")
    assert (tmp_path / "ray" / "_bad.jsonl").read_bytes() == (tmp_path / "here" / "_bad.jsonl").read_bytes()
    assert run(texts, tmp_path / "here", pipeline, 2).new_documents == 0


def test_errors_of_workers_keep_their_type(texts: Path, tmp_path: Path, pipeline: Path) -> None:
    (texts / "c.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="no column 'text'"):
        run(texts, tmp_path / "out", pipeline, 2)


@pytest.fixture
def start(texts: Path, tmp_path: Path, pipeline: Path) -> Callable[[Path, int], "subprocess.Popen[bytes]"]:
    """Return a function that starts a run in a process of its own."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def begin(target: Path, workers: int) -> "subprocess.Popen[bytes]":
        arguments = [str(texts), str(target), str(pipeline), str(workers)]
        return subprocess.Popen([sys.executable, str(program), *arguments], stderr=subprocess.DEVNULL)

    return begin


def count_parts(target: Path) -> int:
    return len(list(target.glob("_parts/*.json")))


def find_workers(driver: int) -> list[int]:
    """Return the processes that annotate for a driver."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            name = path.read_bytes()
        except OSError:
            continue
        if b"MapWorker" in name and driver in find_ancestors(int(path.parent.name)):
            found.append(int(path.parent.name))
    return found


def find_ancestors(process: int) -> list[int]:
    ancestors = []
    while process > 1:
        try:
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        ancestors.append(process)
    return ancestors


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_killed_workers_are_replaced(
    start: Callable[[Path, int], "subprocess.Popen[bytes]"], texts: Path, tmp_path: Path, pipeline: Path
) -> None:
    """Kill a worker at random, ten times in one run."""
    generator = random.Random(0)
    process = start(tmp_path / "out", 2)
    n_killed = 0
    while process.poll() is None and n_killed < 10:
        time.sleep(generator.random())
        workers = find_workers(process.pid)
        if workers and count_parts(tmp_path / "out"):
            os.kill(generator.choice(workers), signal.SIGKILL)
            n_killed += 1
    assert process.wait(600) == 0
    assert n_killed > 0
    run(texts, tmp_path / "whole", pipeline, 1)
    assert read_files(tmp_path / "out") == read_files(tmp_path / "whole")


@pytest.mark.parametrize(("workers", "times"), [(1, 50), (2, 10)])
def test_a_killed_driver_continues(
    start: Callable[[Path, int], "subprocess.Popen[bytes]"],
    texts: Path,
    tmp_path: Path,
    pipeline: Path,
    workers: int,
    times: int,
) -> None:
    """Kill the driver at random. The next call goes on, and the files are those of a run that was not killed."""
    generator = random.Random(workers)
    target = tmp_path / "out"
    for _ in range(times):
        process = start(target, workers)
        before = count_parts(target)
        while process.poll() is None and count_parts(target) == before:
            time.sleep(0.01)
        time.sleep(generator.random() * 0.1)
        process.kill()
        process.wait()
    run(texts, target, pipeline, 1)
    run(texts, tmp_path / "whole", pipeline, 1)
    assert read_files(target) == read_files(tmp_path / "whole")
    assert (target / "_bad.jsonl").read_bytes() == (tmp_path / "whole" / "_bad.jsonl").read_bytes()
