"""The machine that a benchmark runs on: facts for the report, its clock, and its memory."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from thinc.api import require_gpu

_PACKAGES = ("spacy-bilstm", "spacy", "thinc", "torch", "numpy")
_LINUX_PROCESS = Path("/proc/self")


def describe_machine(gpu_id: int = -1) -> dict[str, Any]:
    """Give what a reader must know of the machine to judge a number measured on it.

    gpu_id: the GPU that is computed on, or -1.
    """
    facts = {
        "cpu": _name_cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
    if gpu_id >= 0 and torch.cuda.is_available():
        facts |= {"gpu": torch.cuda.get_device_name(gpu_id), "cuda": torch.version.cuda}
    return facts


def _name_cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass
class Usage:
    """What a piece of work took.

    seconds: its time.
    peak_memory: largest resident memory of the process so far, in bytes.
    peak_gpu_memory: the most bytes of a CUDA device that the process held so far; None on other devices.
    """

    seconds: float
    peak_memory: int
    peak_gpu_memory: int | None


class Device:
    """What this process computes on. It sets the process's threads and device.

    gpu_id: number of the GPU, or -1 for the CPU.
    threads: number of threads on the CPU.
    RAISES: ValueError if there is no such GPU, or CuPy is missing.
    """

    def __init__(self, gpu_id: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self._on_gpu = gpu_id >= 0
        if self._on_gpu:
            require_gpu(gpu_id)

    def measure(self, work: Callable[[], object]) -> Usage:
        """Do some work and give what it took, the device's share of it included."""
        self._synchronize()
        start = time.perf_counter()
        work()
        self._synchronize()
        return Usage(time.perf_counter() - start, get_peak_memory(), self._get_peak_gpu_memory())

    def reset_peaks(self) -> None:
        """Let the peaks start afresh from the memory that is held now, where the system can (Linux, CUDA)."""
        if _LINUX_PROCESS.is_dir():
            (_LINUX_PROCESS / "clear_refs").write_text("5")
        if self._on_gpu and torch.cuda.is_available():
            self._get_cupy_pool().free_all_blocks()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _synchronize(self) -> None:
        if self._on_gpu:
            torch.accelerator.synchronize()

    def _get_peak_gpu_memory(self) -> int | None:
        if not self._on_gpu or not torch.cuda.is_available():
            return None
        # CuPy's pool keeps what it once took, so that what it holds now is its peak. It is empty where CuPy allocates
        # through torch.
        return torch.cuda.max_memory_reserved() + int(self._get_cupy_pool().total_bytes())

    def _get_cupy_pool(self) -> Any:
        import cupy

        return cupy.get_default_memory_pool()


def get_peak_memory() -> int:
    """Give the largest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return _get_windows_peak_memory()
    if _LINUX_PROCESS.is_dir():
        # getrusage would count what the parent process held when it started this one.
        lines = (_LINUX_PROCESS / "status").read_text(encoding="utf8").splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(peak) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Bytes on macOS.


def _get_windows_peak_memory() -> int:
    if sys.platform != "win32":  # Never true here: it tells mypy to check the rest on Windows alone.
        raise NotImplementedError
    import ctypes
    from ctypes import wintypes

    sizes = ("peak", "now", "peak_paged", "paged", "peak_unpaged", "unpaged", "page_file", "peak_page_file")

    class Counters(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD),
            ("faults", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in sizes),
        ]

    counters = Counters(size=ctypes.sizeof(Counters))
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    kernel.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD)
    if not kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), counters, counters.size):
        raise ctypes.WinError(ctypes.get_last_error())
    return int(counters.peak)
