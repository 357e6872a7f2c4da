"""Measure how the speed and memory of pipelines change with the length of documents and the batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ..util.machine import describe_machine
from .comparison import Comparison
from .device import Usage
from .pipelines import LoadedPipeline, PipelineFacts
from .rounds import Quartiles, get_quartiles, get_ratio, interleave
from .texts import Tokens, cut_tokens, read_texts, tokenize
from .workers import Worker, WorkerError, start_workers

LENGTHS = (10, 100, 1000, 10_000, 100_000)
BATCH_SIZES = (1, 4, 16, 64, 256, 1024, 4096)
# While the batch size changes, each document is as long as a sentence.
SENTENCE_WORDS = 20


@dataclass(frozen=True)
class Workload:
    """The documents and batches of one measurement.

    axis: the number that changes from one measurement to the next, `"length"` or `"batch_size"`.
    length: words in each document.
    batch_size: documents in a batch; None for each pipeline's own.
    """

    axis: str
    length: int
    batch_size: int | None

    @property
    def position(self) -> int:
        """The number on its axis."""
        return int(getattr(self, self.axis))

    def __str__(self) -> str:
        size = "the pipeline's own batch size" if self.batch_size is None else f"batches of {self.batch_size:,}"
        return f"documents of {self.length:,} words, {size}"


@dataclass
class ScalingSettings:
    """What `compare_scaling` measured.

    texts: the file of texts.
    words, rounds, threads, gpu_id: the arguments.
    """

    texts: str
    words: int
    rounds: int
    threads: int
    gpu_id: int

    @property
    def title(self) -> str:
        """The title of the plot."""
        return f"{self.words:,} words per measurement, {self.threads} thread(s), medians of {self.rounds} rounds"


@dataclass
class ScalingResult:
    """The measurements of one pipeline with one workload.

    pipeline: its path or name.
    setting: the workload.
    n_docs, n_words: how much was annotated in each round.
    words_per_second: speed of `nlp.pipe` over the rounds.
    ratio: median over rounds of its speed divided by the first pipeline's speed in the same round.
    peak_memory, peak_gpu_memory: as in `Usage`, with this workload.
    rounds: the numbers of every round.
    """

    pipeline: str
    setting: Workload
    n_docs: int
    n_words: int
    words_per_second: Quartiles
    ratio: float
    peak_memory: int
    peak_gpu_memory: int | None
    rounds: list[Usage]


@dataclass
class ScalingComparison(Comparison[ScalingSettings, ScalingResult]):
    """The result of `compare_scaling`. The results are ordered by workload, then by pipeline.

    workloads: the workloads to measure, in order.
    error: the error that ended the measurement early, when only the first workloads have results; or None.
    """

    workloads: list[Workload] = field(default_factory=list)
    error: WorkerError | KeyboardInterrupt | None = None

    @property
    def pipelines(self) -> list[str]:
        """The pipelines of each workload, in order."""
        return [result.pipeline for result in self.results if result.setting == self.results[0].setting]


def compare_scaling(
    pipelines: Sequence[str | Path],
    texts: str | Path,
    *,
    lengths: Sequence[int] = LENGTHS,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    words: int = 100_000,
    rounds: int = 3,
    threads: int = 1,
    gpu_id: int = -1,
    announce: Callable[[str], object] | None = None,
    progress: bool = False,
) -> ScalingComparison:
    """Measure how speed and memory change with the length of documents and with the batch size.

    The texts are concatenated, repeated as often as needed, and cut into documents of each length. While the length
    changes, each pipeline uses its own batch size; while the batch size changes, documents have 20 words. Words are
    spaCy's tokens in the first pipeline's language. On Linux the peak memory is that of the workload alone; elsewhere
    it is the largest so far. If a pipeline fails or on Ctrl-C, the workloads measured so far are returned. A script
    must call this function below `if __name__ == "__main__":`, because each process imports the script.

    pipelines: paths or names of pipelines, at least one. The others are compared with the first.
    texts: a `.txt` file with one text per line, a `.jsonl` file with `text` in each line, or a `.spacy` file.
    lengths: words in a document, each >= 1.
    batch_sizes: documents in a batch, each >= 1.
    words: words to annotate with each workload, >= 1.
    rounds: number of rounds, >= 1; in each, every pipeline runs once.
    threads: threads that each process computes on, >= 1.
    gpu_id: ID of the GPU, or -1 for the CPU.
    announce: called with a line that describes each workload, before it is measured.
    progress: whether to show a progress bar on a terminal.
    RETURNS: the comparison, with one result for each workload and pipeline.
    RAISES: ValueError if a length or batch size is below 1, or there is none; TextsError if the texts can't be read;
        WorkerError if a pipeline can't be loaded or fails with the first workload; KeyboardInterrupt on Ctrl-C before
        the first workload is complete.
    """
    names = [str(pipeline) for pipeline in pipelines]
    workloads = make_workloads(lengths, batch_sizes)
    read = read_texts(Path(texts))
    settings = ScalingSettings(str(texts), words, rounds, threads, gpu_id)
    results: list[ScalingResult] = []
    error: WorkerError | KeyboardInterrupt | None = None
    try:
        for measured in _measure(names, read, workloads, settings, announce, progress):
            results += measured
    except (WorkerError, KeyboardInterrupt) as stopped_by:
        if not results:
            raise
        error = stopped_by
    return ScalingComparison("scaling", settings, describe_machine(gpu_id), results, workloads, error)


def make_workloads(lengths: Sequence[int], batch_sizes: Sequence[int]) -> list[Workload]:
    """Make the workloads of `compare_scaling`: first those of each length, then those of each batch size.

    lengths, batch_sizes: at least one number each, >= 1, in any order.
    RETURNS: the workloads, without duplicates, in ascending order.
    RAISES: ValueError if a number is below 1, or there is none.
    """
    for name, numbers in {"lengths": lengths, "batch_sizes": batch_sizes}.items():
        if not numbers or min(numbers) < 1:
            raise ValueError(f"{name} is {list(numbers)}. Give at least one number, each at least 1.")
    by_length = [Workload("length", length, None) for length in sorted(set(lengths))]
    return by_length + [Workload("batch_size", SENTENCE_WORDS, size) for size in sorted(set(batch_sizes))]


def _measure(
    names: Sequence[str],
    texts: Sequence[str],
    workloads: Sequence[Workload],
    settings: ScalingSettings,
    announce: Callable[[str], object] | None,
    progress: bool,
) -> Iterator[list[ScalingResult]]:
    """Return the results of one workload after the other."""
    arguments = [(name, settings.gpu_id, settings.threads) for name in names]
    with start_workers(names, LoadedPipeline, arguments, settings.threads) as workers:
        facts: PipelineFacts = workers[0].call("describe")
        tokens = tokenize(texts, facts.lang, settings.words)
        for number, workload in enumerate(workloads, start=1):
            if announce is not None:
                announce(f"{number} of {len(workloads)}: {workload}")
            documents = cut_tokens(tokens, workload.length, settings.words)
            yield _measure_workload(workers, documents, workload, settings.rounds, progress)


def _measure_workload(
    workers: Sequence[Worker], documents: Sequence[Tokens], workload: Workload, n_rounds: int, progress: bool
) -> list[ScalingResult]:
    texts = ["".join(tokens) for tokens in documents]
    for worker in workers:
        worker.call("set_texts", texts)
        worker.call("call_each", [texts[0][:100]])  # Triggers lazy initialisation.
        worker.call("reset_peaks")

    def measure(worker: Worker, _: int) -> Usage:
        return cast(Usage, worker.call("pipe", workload.batch_size))

    rounds = interleave(workers, measure, n_rounds, progress)
    if len(rounds) < n_rounds:
        raise KeyboardInterrupt
    n_words = sum(map(len, documents))
    by_pipeline = list(zip(*rounds, strict=True))
    speeds = [[n_words / usage.seconds for usage in usages] for usages in by_pipeline]
    return [
        ScalingResult(
            pipeline=workers[i].name,
            setting=workload,
            n_docs=len(documents),
            n_words=n_words,
            words_per_second=get_quartiles(speeds[i]),
            ratio=get_ratio(speeds[i], speeds[0]),
            peak_memory=usages[-1].peak_memory,
            peak_gpu_memory=usages[-1].peak_gpu_memory,
            rounds=list(usages),
        )
        for i, usages in enumerate(by_pipeline)
    ]
