"""Measure what `annotate` costs beside `nlp.pipe`, with one process and with two, and how much memory it needs.

python -m spacy_bilstm.experiments.bulk_annotation PIPELINE TEXTS

TEXTS is a file with a text in each line, more than 10,000. Each measurement loads the pipeline anew.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import spacy
import torch
from spacy.language import Language

from ..annotation import Progress, annotate, read_texts
from ..benchmarks.device import get_peak_memory
from .new_words import make_texts
from .tables import Table

FORMATS = ("parquet", "jsonl", "spacy")
# Two workers get small parts, so that both end at about the same time.
_PART_SIZE = 500


@dataclass
class Turns:
    """Annotates the texts of each part with `nlp.pipe` as well, right after `annotate` has done so.

    So a machine that is slower for a while is so for both.

    nlp: the pipeline.
    texts: all texts.
    """

    nlp: Language
    texts: Sequence[str]
    words: list[int] = field(default_factory=list)
    annotate_seconds: list[float] = field(default_factory=list)
    pipe_seconds: list[float] = field(default_factory=list)
    _documents: int = 0
    _start: float = field(default_factory=time.process_time)

    def __call__(self, progress: Progress) -> None:
        """Note the time of a part, and take the other turn."""
        self.annotate_seconds.append(time.process_time() - self._start)
        texts = self.texts[self._documents : progress.documents]
        start = time.process_time()
        self.words.append(sum(len(doc) for doc in self.nlp.pipe(texts)))
        self._start = time.process_time()
        self.pipe_seconds.append(self._start - start)
        self._documents = progress.documents


def time_one_process(model: str, texts: Path) -> Table:
    """Compare `annotate` in one process with `nlp.pipe`, in words per second of CPU time on one thread.

    model: path or name of the pipeline.
    texts: a file with a text in each line, more than two parts.
    RETURNS: a table of medians over all parts but the first, with a row for each format.
    """
    torch.set_num_threads(1)
    lines = [record.text for record in read_texts(texts)]
    rows = []
    for format in FORMATS:
        turns = Turns(spacy.load(model), lines)
        with tempfile.TemporaryDirectory() as directory:
            annotate(texts, Path(directory) / "out", model, format=format, progress=turns)
        parts = list(zip(turns.words, turns.pipe_seconds, turns.annotate_seconds, strict=True))[1:]
        pipe = median(words / seconds for words, seconds, _ in parts)
        annotated = median(words / seconds for words, _, seconds in parts)
        ratio = median(pipe_seconds / seconds for _, pipe_seconds, seconds in parts)
        rows.append((format, f"{pipe:,.0f}", f"{annotated:,.0f}", f"{ratio:.2f}"))
    return Table(("", "nlp.pipe", "annotate", "ratio"), rows)


@dataclass
class Clock:
    """Measures words per second without the start, in which each of two workers annotates its first part."""

    times: list[tuple[float, int]] = field(default_factory=list)

    def __call__(self, progress: Progress) -> None:
        """Note after each part how many words are done."""
        self.times.append((time.perf_counter(), progress.words))

    @property
    def words_per_second(self) -> float:
        """The speed from the first part of the second worker to the end."""
        (start, before), (end, words) = self.times[1], self.times[-1]
        return (words - before) / (end - start)


def time_two_processes(model: str, texts: Path, rounds: int) -> Table:
    """Compare `annotate` with two workers on Ray with `nlp.pipe(n_process=2)`, in words per second.

    model, texts: as for `time_one_process`.
    rounds: number of rounds of which the median is taken, >= 1.
    RETURNS: the table.
    """
    torch.set_num_threads(1)
    lines = [record.text for record in read_texts(texts)]
    speeds = []
    for _ in range(rounds):
        speeds.append((_time_pipe(model, lines), _time_annotate(model, texts)))
        gc.collect()  # The pipeline of the round before.
    rows = [
        (
            name,
            f"{median(found):,.0f}",
            f"{median(speed / pair[0] for speed, pair in zip(found, speeds, strict=True)):.2f}",
        )
        for name, found in zip(
            ("nlp.pipe, n_process=2", "annotate, parquet, workers=2"), zip(*speeds, strict=True), strict=True
        )
    ]
    return Table(("", "words/s", "ratio"), rows)


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


def _time_pipe(model: str, texts: Sequence[str]) -> float:
    nlp = spacy.load(model)
    for _ in nlp.pipe(texts[:_PART_SIZE]):
        pass
    start = time.perf_counter()
    n_words = sum(len(doc) for doc in nlp.pipe(texts[_PART_SIZE:], n_process=2))
    return n_words / (time.perf_counter() - start)


def _time_annotate(model: str, texts: Path) -> float:
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        annotate(texts, Path(directory) / "out", model, workers=2, part_size=_PART_SIZE, progress=clock)
    return clock.words_per_second


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--rounds", type=int, default=5, help="rounds with two processes")
    parser.add_argument("--documents", type=int, default=200_000, help="documents to measure memory with; 0 for none")
    parser.add_argument("--two-processes", action="store_true", help="also measure two processes; needs Ray")
    options = parser.parse_args(None if arguments is None else list(arguments))
    print(time_one_process(options.model, options.texts).to_markdown(), flush=True)
    if options.two_processes:
        print(time_two_processes(options.model, options.texts, options.rounds).to_markdown(), flush=True)
    if options.documents:
        print(measure_memory(options.model, options.texts, options.documents).to_markdown())


if __name__ == "__main__":
    main()
