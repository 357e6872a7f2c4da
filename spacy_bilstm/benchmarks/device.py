"""Time and memory of work on the CPU or a GPU, measured in the process that does it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from thinc.api import require_gpu

_LINUX_PROCESS = Path("/proc/self")


@dataclass
class Usage:
    """Time and memory that a piece of work used.

    seconds: its wall-clock time.
    peak_memory: largest resident memory of the process so far, in bytes.
    peak_gpu_memory: largest memory of a CUDA device that the process has held so far, in bytes; None on other devices.
    """

    seconds: float
    peak_memory: int
    peak_gpu_memory: int | None


class Device:
    """The device that this process computes on. Creating one sets the process's threads and device.

    gpu_id: ID of the GPU, or -1 for the CPU.
    threads: number of threads on the CPU.
    RAISES: ValueError if there is no such GPU, or CuPy is not installed.
    """

    def __init__(self, gpu_id: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self._on_gpu = gpu_id >= 0
        if self._on_gpu:
            require_gpu(gpu_id)

    def measure(self, work: Callable[[], object]) -> Usage:
        """Call a function and return the time and memory it used. Waits for the GPU to finish.

        work: the function.
        RETURNS: time and memory.
        """
        self._synchronize()
        start = time.perf_counter()
        work()
        self._synchronize()
        return Usage(time.perf_counter() - start, get_peak_memory(), self._get_peak_gpu_memory())

    def reset_peaks(self) -> None:
        """Reset the memory peaks to the memory held now, where the system supports it (Linux, CUDA)."""
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
        # CuPy's pool never shrinks by itself, so its current size is its peak. The pool is empty if CuPy allocates
        # through torch.
        return torch.cuda.max_memory_reserved() + int(self._get_cupy_pool().total_bytes())

    def _get_cupy_pool(self) -> Any:
        import cupy

        return cupy.get_default_memory_pool()


def get_peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return _get_windows_peak_memory()
    if _LINUX_PROCESS.is_dir():
        # getrusage would include the memory that the parent process held when it started this one.
        lines = (_LINUX_PROCESS / "status").read_text(encoding="utf8").splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(peak) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # Bytes on macOS.


def _get_windows_peak_memory() -> int:
    if sys.platform != "win32":  # Always false here. It tells mypy to check the rest on Windows only.
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
