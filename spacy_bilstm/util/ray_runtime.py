"""Start Ray on this machine, or join a cluster."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RayMissingError(ImportError):
    """Ray is not installed."""

    def __init__(self, purpose: str) -> None:
        super().__init__(
            f"{purpose} need Ray, which is not installed. Install it with: python -m pip install 'spacy-bilstm[ray]'"
        )


def check_ray(purpose: str) -> None:
    """Check that Ray is installed.

    purpose: what needs it, in the plural, such as `"Several workers"`.
    RAISES: RayMissingError if it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise RayMissingError(purpose)


@contextmanager
def start_ray(num_cpus: int, address: str | None = None) -> Iterator[int]:
    """Start Ray on this machine, or join a cluster. If Ray runs in this process already, use that.

    num_cpus: number of CPUs that Ray gets on this machine, >= 1.
    address: the address of a cluster, such as `"auto"`; None for this machine.
    RETURNS: number of CPUs that Ray has. If Ray was started or joined here, that ends with the block.
    """
    import ray

    started = not ray.is_initialized()
    if started:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address is None:
            # Ray reports an error that is none each time it starts a worker.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
            ray.init(num_cpus=num_cpus, include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    try:
        yield int(ray.cluster_resources().get("CPU", num_cpus))
    finally:
        if started:
            ray.shutdown()
