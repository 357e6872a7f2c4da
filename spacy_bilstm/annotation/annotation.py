"""Annotate the texts of a source with a pipeline, and write parts to a target."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from ..util.machine import get_versions
from ..util.ray_runtime import check_ray
from .annotator import Annotator, AnnotatorSettings, hash_pipeline
from .parts import PART_SIZE
from .progress import PartsSummary, Progress, ProgressMeter
from .ray_engine import Workers, run_on_ray
from .shards import ReadSettings, Shard, make_shards, read_tasks
from .sources import read_texts
from .storage import Storage
from .store import PartInfo, PartsError, PartStore
from .targets import SCHEMA_VERSION, SUFFIXES, check_format


def annotate(
    source: str | Path | Iterable[str | Path],
    target: str | Path,
    model: str | Path,
    *,
    format: str = "parquet",
    text_column: str = "text",
    id_column: str | None = None,
    text: bool = False,
    confidences: bool = False,
    part_size: int = PART_SIZE,
    workers: int | None = 1,
    threads: int = 1,
    num_gpus: int = 0,
    address: str | None = None,
    storage_options: dict[str, Any] | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> PartsSummary:
    """Annotate the texts of a source, or continue after an interruption at any moment.

    The target gets files such as `part-00000-00000.parquet`, and others whose names start with `_`: `_manifest.json`
    has the settings, versions and counts, and `_bad.jsonl` the records that could not be annotated. A later call with
    the same source and settings annotates only the parts that are missing. The results do not depend on the workers.

    source: files, folders, globs or addresses, as for `read_texts`. Docs of `.spacy` files keep their tokens.
    target: a directory, or an address that fsspec knows. It is new, empty, or written by this function. It may be
        inside a folder of the source, which then is read without it, but not inside the pipeline.
    model: path or name of the pipeline.
    format: `"parquet"`, `"jsonl"` or `"spacy"`.
    text_column, id_column: the key or column of the text and of the id, as for `read_texts`.
    text: whether to write the texts; `.spacy` files always have them.
    confidences: whether to compute the confidences of the entities that a `bilstm_ner` predicts.
    part_size: number of records in a part, >= 1. A part of long texts has fewer. What is lost when a run is killed are
        the parts that the workers are working on.
    workers: number of processes. With 1, this process annotates, unless `address` or more than one GPU is given. Others
        need Ray. None takes all CPUs.
    threads: threads of each worker, >= 1.
    num_gpus: number of GPUs, one for each worker; 0 computes on CPUs.
    address: the address of a Ray cluster, such as `"auto"`.
    storage_options: options of fsspec's file systems, for the source and the target.
    progress: called after each part.
    RETURNS: the counts.
    RAISES: SourceError if the source can't be read; PartsError if the target was begun with other settings or another
        source, or has other files; DirectoryLockedError if another process writes to it; RayMissingError if Ray is
        needed and not installed; ValueError if an argument is out of range or there is no such pipeline.
    """
    check_format(format)
    if part_size < 1 or threads < 1 or num_gpus < 0 or (workers is not None and workers < 1):
        raise ValueError("`part_size`, `threads` and `workers` must be at least 1, and `num_gpus` at least 0.")
    chosen = Workers(workers, threads, num_gpus, address)
    if chosen.need_ray:
        check_ray("Several workers")
    name = str(Path(model).resolve()) if Path(model).is_dir() else str(model)
    sources = [source] if isinstance(source, (str, Path)) else list(source)
    storage = Storage(target if "://" in str(target) else _check_target(Path(target), name, sources), storage_options)
    annotator = AnnotatorSettings(name, hash_pipeline(name), format, text, confidences)
    stream = read_texts(
        sources,
        text_column=text_column,
        id_column=id_column,
        storage_options=storage_options,
        exclude=storage.address,
    )
    reading = ReadSettings(storage.address, text_column, id_column, part_size, storage_options)
    store = PartStore(storage, SUFFIXES[format])
    settings = {
        "model_hash": annotator.model_hash,
        "format": format,
        "schema_version": SCHEMA_VERSION,
        "text": text,
        "confidences": confidences,
        "text_column": text_column,
        "id_column": id_column,
        "part_size": part_size,
        "sources": stream.describe(),
    }
    with store.begin(settings, _describe_run(str(model))):
        shards = make_shards(stream.files, store.done)
        done = store.count()
        total = stream.total_bytes or 1
        meter = ProgressMeter(done, progress, done.source_bytes / total)
        if not store.complete:
            for part, info in _run(shards, reading, annotator, store, chosen):
                store.done[part] = info
                done.source_bytes += info.source_bytes
                meter.add(info, min(1.0, done.source_bytes / total))
            store.finish()
        return meter.summarise(str(target), store.count())


def _check_target(target: Path, model: str, sources: Sequence[str | Path]) -> Path:
    """Return the absolute path of the target, if it may be written."""
    real = target.resolve()
    if any(real == Path(source).resolve() for source in sources if str(source)):
        raise PartsError(f"{target} is the source. Choose another directory.")
    if real.exists() and not real.is_dir():
        raise PartsError(f"{target} is a file. Choose the path of a directory.")
    if real.is_relative_to(Path(model).resolve()) and Path(model).is_dir():
        raise PartsError(f"{target} is inside the pipeline {model}. Choose another directory.")
    return real


def _run(
    shards: Sequence[Shard], reading: ReadSettings, settings: AnnotatorSettings, store: PartStore, workers: Workers
) -> Iterator[tuple[str, PartInfo]]:
    """Annotate and write the parts that are missing, here or with Ray."""
    if workers.need_ray:
        return run_on_ray(shards, reading, settings, workers)
    return _run_here(shards, reading, settings, store, workers)


def _run_here(
    shards: Sequence[Shard], reading: ReadSettings, settings: AnnotatorSettings, store: PartStore, workers: Workers
) -> Iterator[tuple[str, PartInfo]]:
    threads = torch.get_num_threads()
    try:
        annotator = Annotator(settings, workers.threads, gpu=bool(workers.num_gpus))
        for shard in shards:
            for task in read_tasks(shard, reading):
                data, info = annotator.make_part(task.items, task.digest, task.last, task.source_bytes)
                store.commit(task.name, data, info)
                yield task.name, info
    finally:
        torch.set_num_threads(threads)


def _describe_run(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": get_versions(),
        "process": os.getpid(),
    }
