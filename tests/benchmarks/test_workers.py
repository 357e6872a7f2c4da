"""Worker processes: their own threads and memory, and their failures."""

import importlib
import multiprocessing
import os
from collections.abc import Iterator

import pytest

from spacy_bilstm.benchmarks.workers import Worker, WorkerError, start_workers

MODULES = [("os",), ("spacy_bilstm.benchmarks.device",)]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Copy the environment variables before any worker starts."""
    return dict(os.environ)


@pytest.fixture(scope="module")
def workers(environment: dict[str, str]) -> Iterator[list[Worker]]:
    """Start the workers `a`, which holds the module `os`, and `b`, which holds the module `device`."""
    held_here = b"x" * 1_000_000_000  # A worker's memory must not include this.
    with start_workers(["a", "b"], importlib.import_module, MODULES, threads=3) as started:
        del held_here
        yield started
    assert not multiprocessing.active_children()


def test_a_worker_is_another_process_with_its_own_threads(workers: list[Worker]) -> None:
    assert workers[0].call("getpid") != os.getpid()
    assert workers[0].call("getenv", "OMP_NUM_THREADS") == "3"


def test_a_worker_has_its_own_memory(workers: list[Worker]) -> None:
    assert 50_000_000 < workers[1].call("get_peak_memory") < 1_000_000_000


def test_an_exception_in_a_worker_is_reported_with_its_name(workers: list[Worker]) -> None:
    with pytest.raises(WorkerError, match=r"^b: AttributeError: .* 'no_such_name'"):
        workers[1].call("no_such_name")


def test_the_end_of_a_workers_process_is_reported(workers: list[Worker]) -> None:
    with pytest.raises(WorkerError, match=r"^a: its process ended with exit code 3"):
        workers[0].call("_exit", 3)
    with pytest.raises(WorkerError, match=r"^a: its process ended"):
        workers[0].call("getpid")


def test_the_environment_is_restored(environment: dict[str, str], workers: list[Worker]) -> None:
    names = {name for name in environment.keys() | os.environ.keys() if not name.startswith("PYTEST_")}
    assert all(environment.get(name) == os.environ.get(name) for name in names)
