"""Facts about the machine, for reports that contain measurements."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("spacy-bilstm", "spacy", "thinc", "torch", "numpy")


def describe_machine(gpu_id: int = -1) -> dict[str, Any]:
    """Return the facts that a reader needs to judge a measurement: hardware, system and versions.

    gpu_id: ID of the GPU that was used, or -1 for the CPU.
    RETURNS: the facts by name: `"cpu"`, `"cores"`, `"system"`, `"python"` and the versions of packages; with a CUDA
        device `"gpu"` and `"cuda"`, too.
    """
    facts = {
        "cpu": _name_cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **get_versions(),
    }
    if gpu_id >= 0 and torch.cuda.is_available():
        facts |= {"gpu": torch.cuda.get_device_name(gpu_id), "cuda": torch.version.cuda}
    return facts


def get_versions() -> dict[str, str]:
    """Return the versions of this package and of those that its results depend on, by name."""
    return {name: version(name) for name in _PACKAGES}


def _name_cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
