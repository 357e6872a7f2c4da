"""Measure what `annotate` costs beside `nlp.pipe`, with one process and with two, and how much memory it needs.

python -m spacy_bilstm.experiments.bulk_annotation PIPELINE TEXTS

TEXTS is a file with a text in each line, more than 10,000. Each measurement loads the pipeline anew.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

import spacy
import torch

from ..annotation import Progress, annotate, read_texts
from ..annotation.parts import PART_SIZE
from ..benchmarks.device import get_peak_memory
from .new_words import make_texts
from .tables import Table

FORMATS = ("parquet", "jsonl", "spacy")
# Two workers get small parts, so that both end at about the same time.
_PART_SIZES = {1: PART_SIZE, 2: 500}


@dataclass
class Clock:
    """Measures words per second without the start, in which each worker annotates its first part.

    now: returns the time, such as `time.process_time`.
    workers: number of workers.
    """

    now: Callable[[], float]
    workers: int
    times: list[tuple[float, int]] = field(default_factory=list)

    def __call__(self, words: int) -> None:
        """Note after each part how many words are done."""
        self.times.append((self.now(), words))

    @property
    def words_per_second(self) -> float:
        """The speed from the first part of the last worker to the end."""
        (start, before), (end, words) = self.times[self.workers - 1], self.times[-1]
        return (words - before) / (end - start)


def time_one_process(model: str, texts: Path, rounds: int) -> Table:
    """Compare `annotate` in one process with `nlp.pipe`, in words per second of CPU time on one thread.

    model: path or name of the pipeline.
    texts: a file with a text in each line.
    rounds: number of rounds of which the median is taken, >= 1.
    RETURNS: the table.
    """
    lines = [record.text for record in read_texts(texts)]
    runs: dict[str, Callable[[], float]] = {"nlp.pipe": lambda: _time_pipe(model, lines, 1, time.process_time)}
    for format in FORMATS:
        runs[f"annotate, {format}"] = partial(_time_annotate, model, texts, format, 1, time.process_time)
    return _compare(runs, rounds, "words/CPU second")


def time_two_processes(model: str, texts: Path, rounds: int) -> Table:
    """Compare `annotate` with two workers on Ray with `nlp.pipe(n_process=2)`, in words per second.

    model, texts, rounds: as for `time_one_process`.
    RETURNS: the table.
    """
    lines = [record.text for record in read_texts(texts)]
    runs: dict[str, Callable[[], float]] = {
        "nlp.pipe, n_process=2": lambda: _time_pipe(model, lines, 2, time.perf_counter),
        "annotate, parquet, workers=2": lambda: _time_annotate(model, texts, "parquet", 2, time.perf_counter),
    }
    return _compare(runs, rounds, "words/s")


def measure_memory(model: str, texts: Path, n_docs: int) -> Table:
    """Measure the memory of a process that annotates short documents with words that no other document has.

    model: path or name of the pipeline.
    texts: a file with a text in each line, whose words are mixed.
    n_docs: number of documents.
    RETURNS: the table, with ten rows.
    """
    rows: list[tuple[str, str]] = []

    def note(progress: Progress) -> None:
        if progress.documents * 10 // n_docs > len(rows):
            rows.append((f"{progress.documents:,}", f"{get_peak_memory() / 1e6:,.0f} MB"))

    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "texts.txt"
        source.write_text("".join(f"{text}\n" for text in make_texts(texts, n_docs)), encoding="utf8")
        annotate(source, Path(directory) / "out", model, part_size=n_docs // 100, progress=note)
    return Table(("documents", "peak memory"), rows)


def _compare(runs: dict[str, Callable[[], float]], rounds: int, unit: str) -> Table:
    """Run all in turns."""
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(rounds):
        names = list(runs)[i % len(runs) :] + list(runs)[: i % len(runs)]
        for name in names:
            gc.collect()  # The pipeline of the run before.
            speeds[name].append(runs[name]())
    first = next(iter(speeds.values()))
    rows = []
    for name, found in speeds.items():
        ratios = [speed / base for speed, base in zip(found, first, strict=True)]
        rows.append((name, f"{median(found):,.0f}", f"{median(ratios):.2f}"))
    return Table(("", unit, "ratio"), rows)


def _time_pipe(model: str, texts: Sequence[str], n_process: int, now: Callable[[], float]) -> float:
    torch.set_num_threads(1)
    nlp = spacy.load(model)
    for _ in nlp.pipe(texts[: _PART_SIZES[n_process]]):
        pass
    start = now()
    n_words = sum(len(doc) for doc in nlp.pipe(texts[_PART_SIZES[n_process] :], n_process=n_process))
    return n_words / (now() - start)


def _time_annotate(model: str, texts: Path, format: str, workers: int, now: Callable[[], float]) -> float:
    clock = Clock(now, workers)
    with tempfile.TemporaryDirectory() as directory:
        annotate(
            texts,
            Path(directory) / "out",
            model,
            format=format,
            workers=workers,
            part_size=_PART_SIZES[workers],
            progress=lambda progress: clock(progress.words),
        )
    return clock.words_per_second


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison; 0 for none")
    parser.add_argument("--documents", type=int, default=200_000, help="documents to measure memory with; 0 for none")
    parser.add_argument("--two-processes", action="store_true", help="also measure two processes; needs Ray")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.rounds:
        print(time_one_process(options.model, options.texts, options.rounds).to_markdown(), flush=True)
    if options.two_processes:
        print(time_two_processes(options.model, options.texts, options.rounds).to_markdown(), flush=True)
    if options.documents:
        print(measure_memory(options.model, options.texts, options.documents).to_markdown())


if __name__ == "__main__":
    main()
