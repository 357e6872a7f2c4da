"""What a bug report needs to know about an installation."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import torch
from thinc.api import get_current_ops
from thinc.compat import has_cupy_gpu, has_torch_mps_gpu

from .machine import describe_machine

_PACKAGES = ("safetensors", "typer", "fsspec")
_OPTIONAL = ("cupy-cuda12x", "cupy-cuda13x", "thinc-apple-ops", "spacy-transformers", "pyarrow", "ray", "matplotlib")
# The instructions of a CPU that decide its speed, by what they speed up.
_INSTRUCTIONS = {
    "float32": ("avx2", "fma", "avx512f", "asimd", "sve"),
    "bfloat16": ("avx512_bf16", "amx_bf16", "bf16"),
    "int8": ("avx_vnni", "avx512_vnni", "amx_int8", "i8mm", "asimddp"),
}
_CPU_FLAGS = Path("/proc/cpuinfo")
_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "ONEDNN_MAX_CPU_ISA",
    "TORCH_CPU_CAPABILITY",
)

Facts = dict[str, Any]


def collect_info() -> dict[str, Facts]:
    """Return the facts about this installation and machine that explain errors, speeds and differences of results.

    RETURNS: facts by section: `"versions"`, `"machine"`, `"threads"`, `"gpu"` and `"switched on"`.
    """
    machine = describe_machine()
    versions = {name: value for name, value in machine.items() if name not in ("cpu", "cores", "system")}
    versions |= {name: version(name) for name in _PACKAGES}
    versions |= {name: found for name in _OPTIONAL if (found := _find_version(name)) is not None}
    return {
        "versions": versions,
        "machine": {"system": machine["system"], "cpu": machine["cpu"], "cores": _count_cores()} | _find_instructions(),
        "threads": {"torch": torch.get_num_threads()} | {n: os.environ[n] for n in _VARIABLES if n in os.environ},
        "gpu": _describe_gpus(),
        "switched on": {
            "thinc": type(get_current_ops()).__name__,
            "torch's CPU kernels": torch.backends.cpu.get_cpu_capability(),
            "oneDNN": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
            "MKL": torch.backends.mkl.is_available(),
            "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "registered names": sum(
                point.group.startswith(("spacy_", "thinc_")) for point in distribution("spacy-bilstm").entry_points
            ),
        },
    }


def _find_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _count_cores() -> str:
    n_cores = os.cpu_count()
    affinity = getattr(os, "sched_getaffinity", None)
    return f"{n_cores}, {len(affinity(0))} for this process" if affinity else str(n_cores)


def _find_instructions() -> Facts:
    """Return the instructions of the CPU that speed up each precision, as far as the system names them."""
    try:
        lines = _CPU_FLAGS.read_text(encoding="utf8").splitlines()
    except OSError:
        return {"instructions": f"unknown ({platform.machine()})"}
    flags = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    return {
        f"instructions for {kind}": ", ".join(name for name in names if name in flags) or "none"
        for kind, names in _INSTRUCTIONS.items()
    }


def _describe_gpus() -> Facts:
    facts: Facts = {"torch's CUDA": torch.version.cuda, "CuPy": has_cupy_gpu, "MPS": has_torch_mps_gpu}
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(i).total_memory
            facts[f"GPU {i}"] = f"{torch.cuda.get_device_name(i)}, {memory / 2**30:.0f} GiB"
        facts["cuDNN"] = torch.backends.cudnn.version()
    return facts
