"""Annotate parts in several processes, on this machine or on a cluster, with Ray Data."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from ..util.ray_runtime import start_ray
from .annotator import Annotator, AnnotatorSettings
from .records import BadRecord
from .shards import ReadSettings, Shard, pack_items, read_tasks, unpack_items
from .storage import Storage
from .store import PartInfo, write_part
from .targets import SUFFIXES


@dataclass(frozen=True)
class Workers:
    """The workers of a run.

    number: number of workers; None takes all CPUs or GPUs that Ray has.
    threads: threads of each worker, >= 1.
    num_gpus: number of GPUs, one for each worker; 0 computes on CPUs.
    address: the address of a Ray cluster, such as `"auto"`; None starts Ray on this machine.
    """

    number: int | None
    threads: int
    num_gpus: int
    address: str | None

    @property
    def need_ray(self) -> bool:
        """Whether one process is not enough."""
        return self.number != 1 or self.address is not None or self.num_gpus > 1


def run_on_ray(
    shards: Sequence[Shard],
    read_settings: ReadSettings,
    settings: AnnotatorSettings,
    workers: Workers,
) -> Iterator[tuple[str, PartInfo]]:
    """Annotate the parts of shards that don't exist, and write them.

    A worker that ends, even by a signal, is replaced, and its part is annotated again.

    shards: the shards.
    read_settings, settings: how to read and annotate them.
    workers: the workers.
    RETURNS: the name of each part that was written and the facts about it, in any order.
    RAISES: the errors of `read_tasks` and `Annotator`.
    """
    import ray
    import ray.data

    waiting = [shard for shard in shards if not shard.is_done()]
    if not waiting:
        return
    with _start(workers) as number:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # Each part is a block, so that it can be annotated as soon as it is read.
        context.target_max_block_size = 1
        rows = [{"shard": pickle.dumps(shard)} for shard in waiting]
        parts = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            partial(_read, settings=read_settings),
            batch_size=1,
            num_cpus=1,
            concurrency=1 + number // 16,
        )
        results = parts.map_batches(
            _Worker,
            fn_constructor_args=(settings, workers, read_settings),
            batch_size=1,
            num_cpus=workers.threads,
            num_gpus=1 if workers.num_gpus else None,
            concurrency=number,
        )
        try:
            for row in results.iter_rows():
                values = pickle.loads(row["info"])
                bad = [BadRecord(**record) for record in values.pop("bad")]
                yield row["name"], PartInfo(bad=bad, **values)
        except ray.exceptions.RayTaskError as error:
            raise _find_cause(error) from None


@contextmanager
def _start(workers: Workers) -> Iterator[int]:
    """Start or join Ray, and yield the number of workers. If it was started here, it ends with the block."""
    number = workers.number or workers.num_gpus or max(1, (os.cpu_count() or 1) // workers.threads)
    # One CPU more than the workers have, for reading, which takes little of it.
    with start_ray(number * workers.threads + 1, workers.address) as cpus:
        yield workers.number or workers.num_gpus or max(1, (cpus - 1) // workers.threads)


def _read(batch: dict[str, Any], settings: ReadSettings) -> Iterator[dict[str, Any]]:
    """Yield the parts of a shard."""
    for packed in batch["shard"]:
        for task in read_tasks(pickle.loads(packed), settings):
            content = (task.name, pack_items(task.items), task.digest, task.last, task.source_bytes)
            yield {"part": [pickle.dumps(content)]}


class _Worker:
    """Annotates and writes parts, in a process of its own."""

    def __init__(self, settings: AnnotatorSettings, workers: Workers, read_settings: ReadSettings) -> None:
        self._annotator = Annotator(settings, workers.threads, gpu=bool(workers.num_gpus))
        self._storage = Storage(read_settings.target, read_settings.storage_options)
        self._suffix = SUFFIXES[settings.format]

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        names: list[str] = []
        facts: list[bytes] = []
        for packed in batch["part"]:
            name, items, digest, last, source_bytes = pickle.loads(packed)
            data, info = self._annotator.make_part(unpack_items(items), digest, last, source_bytes)
            write_part(self._storage, name + self._suffix, data, info)
            names.append(name)
            facts.append(pickle.dumps(asdict(info)))
        return {"name": names, "info": facts}


def _find_cause(error: Any) -> Exception:
    """Return the error that a worker raised."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error
