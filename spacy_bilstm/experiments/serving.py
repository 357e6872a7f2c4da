"""Send requests to a server, and measure its latency, CPU time and memory. Each request has a new word.

python -m spacy_bilstm.experiments.serving http://127.0.0.1:8000/annotate TEXTS --pid PID

TEXTS is a file with a text in each line. PID is the server's process; the processes that it started count, too.
This works on Linux only, and on the server's machine.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import numpy

from .new_words import make_texts
from .tables import Table

CHECKPOINTS = (10_000, 50_000, 100_000, 200_000)
_PROC = Path("/proc")


@dataclass(frozen=True)
class Measurement:
    """What was measured between two checkpoints.

    requests: number of requests since the start.
    seconds: time from sending to receiving, of each request since the last checkpoint.
    requests_per_second: requests since the last checkpoint per second.
    cpu_seconds: CPU time of the server for each of these requests.
    memory: memory of the server's processes, in bytes. Memory that several processes share counts once.
    """

    requests: int
    seconds: Sequence[float]
    requests_per_second: float
    cpu_seconds: float
    memory: int

    def get_percentile(self, percentage: float) -> float:
        """Return the number of seconds that this percentage of requests did not exceed."""
        return float(numpy.percentile(self.seconds, percentage))


def measure_server(
    url: str, texts: Iterable[str], pid: int, checkpoints: Sequence[int] = CHECKPOINTS, clients: int = 1
) -> Iterator[Measurement]:
    """Send texts to a server as JSON, `{"text": ...}`. Each client sends the next text when it has its answer.

    url: where to send them, `http://...`.
    texts: the texts, at least as many as the last checkpoint.
    pid: the server's process.
    checkpoints: numbers of requests at which to measure, ascending.
    clients: number of clients, >= 1. Each has a thread and a connection.
    YIELDS: what was measured up to each checkpoint.
    RAISES: RuntimeError if the server refuses a request.
    """
    waiting, done = iter(texts), 0
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(_Client(url))) for _ in range(clients)]
        for checkpoint in checkpoints:
            source = _Shared(islice(waiting, checkpoint - done))
            cpu_before, start = _read_cpu_seconds(pid), time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                found = list(pool.map(_Client.send, connections, [source] * clients))
            duration, cpu = time.perf_counter() - start, _read_cpu_seconds(pid) - cpu_before
            seconds = [second for part in found for second in part]
            done += len(seconds)
            yield Measurement(done, seconds, len(seconds) / duration, cpu / len(seconds), read_memory(pid))


def read_memory(pid: int) -> int:
    """Return the memory of a process and all processes that it started, in bytes. Shared memory counts once.

    pid: the process.
    """
    memory = 0
    for process in find_processes(pid):
        lines = (process / "smaps_rollup").read_text(encoding="utf8").splitlines()
        memory += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return memory


def make_table(measurements: Iterable[Measurement]) -> Table:
    """Make a table of the measurements, a row for each."""
    return Table(
        ("requests", "p50 ms", "p99 ms", "requests/s", "server's CPU ms/request", "memory MB"),
        [
            (
                f"{found.requests:,}",
                f"{1e3 * found.get_percentile(50):.1f}",
                f"{1e3 * found.get_percentile(99):.1f}",
                f"{found.requests_per_second:,.0f}",
                f"{1e3 * found.cpu_seconds:.2f}",
                f"{found.memory / 1e6:,.0f}",
            )
            for found in measurements
        ],
    )


class _Shared:
    """An iterator that threads share."""

    def __init__(self, items: Iterator[str]) -> None:
        self._items, self._lock = items, threading.Lock()

    def __iter__(self) -> Iterator[str]:
        while True:
            with self._lock:
                try:
                    item = next(self._items)
                except StopIteration:
                    return
            yield item


class _Client:
    """Sends texts through one connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.netloc, timeout=60)
        self._path = parts.path or "/"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def send(self, texts: Iterable[str]) -> list[float]:
        """Send texts, one after the other. RETURNS: the seconds that each took."""
        seconds = []
        for text in texts:
            body = json.dumps({"text": text})
            start = time.perf_counter()
            self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            content = response.read()
            seconds.append(time.perf_counter() - start)
            if response.status != 200:
                raise RuntimeError(f"The server refused a request: {response.status} {content.decode()[:200]}")
        return seconds


def find_processes(pid: int) -> list[Path]:
    """Return the folders in /proc of a process and all its descendants. Linux only.

    pid: the process.
    """
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                parent = int(_read_status(folder)[1])
            except OSError:  # It has ended.
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return [_PROC / str(process) for process in found]


def _read_cpu_seconds(pid: int) -> float:
    ticks = sum(int(ticks) for folder in find_processes(pid) for ticks in _read_status(folder)[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _read_status(folder: Path) -> list[str]:
    """Return the fields of a process's status after its name, which may have any character."""
    return (folder / "stat").read_text(encoding="utf8", errors="replace").rpartition(")")[2].split()


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--pid", type=int, required=True, help="the server's process")
    parser.add_argument("--requests", type=int, default=CHECKPOINTS[-1])
    parser.add_argument("--clients", type=int, default=1, help="clients that send at the same time")
    options = parser.parse_args(None if arguments is None else list(arguments))
    checkpoints = [*(number for number in CHECKPOINTS if number < options.requests), options.requests]
    texts = make_texts(options.texts, options.requests)
    before = os.getloadavg()[0]
    for i, measurement in enumerate(measure_server(options.url, texts, options.pid, checkpoints, options.clients)):
        lines = make_table([measurement]).to_markdown().splitlines()
        print("\n".join(lines[2:] if i else lines), flush=True)
    print(f"Load average of the machine: {before:.1f} before, {os.getloadavg()[0]:.1f} after.")


if __name__ == "__main__":
    main()
