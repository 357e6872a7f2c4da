"""Worker processes: threads and memory of their own, and no failure that hangs or leaves a process behind."""

import importlib
import multiprocessing
import os
import sys

import pytest

from spacy_bilstm.benchmarks.workers import WorkerError, start_workers
from spacy_bilstm.util.machine import Device, get_peak_memory

MODULES = [("os",), ("spacy_bilstm.util.machine",)]


def test_a_worker_has_threads_and_memory_of_its_own() -> None:
    before = dict(os.environ)
    held_here = b"x" * 600_000_000
    with start_workers(["a", "b"], importlib.import_module, MODULES, threads=3) as (system, machine):
        assert system.call("getenv", "OMP_NUM_THREADS") == "3"
        assert system.call("getpid") != os.getpid()
        assert 50_000_000 < machine.call("get_peak_memory") < len(held_here)
        with pytest.raises(WorkerError, match=r"^b: AttributeError: .* 'no_such_name'"):
            machine.call("no_such_name")
        with pytest.raises(WorkerError, match=r"^a: its process ended with exit code 3"):
            system.call("_exit", 3)
        with pytest.raises(WorkerError, match=r"^a: its process ended"):
            system.call("getpid")
    assert os.environ == before
    assert not multiprocessing.active_children()


def test_peaks_start_afresh_where_the_system_can() -> None:
    device = Device(gpu_id=-1, threads=1)
    usage = device.measure(lambda: b"x" * 100_000_000)
    assert usage.seconds > 0
    assert usage.peak_gpu_memory is None
    device.reset_peaks()
    assert get_peak_memory() <= usage.peak_memory - (50_000_000 if sys.platform == "linux" else 0)
