"""Time and memory of work."""

import sys

from spacy_bilstm.benchmarks.device import Device, get_peak_memory


def test_work_on_the_cpu_has_time_and_no_gpu_memory() -> None:
    usage = Device(gpu_id=-1, threads=1).measure(lambda: None)
    assert usage.seconds > 0
    assert usage.peak_gpu_memory is None


def test_peaks_can_be_reset_on_linux() -> None:
    device = Device(gpu_id=-1, threads=1)
    usage = device.measure(lambda: b"x" * 100_000_000)
    device.reset_peaks()
    assert get_peak_memory() <= usage.peak_memory - (50_000_000 if sys.platform == "linux" else 0)
