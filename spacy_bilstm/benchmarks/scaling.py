"""`spacy bilstm benchmark scaling`: pipelines over lengths of documents, and over sizes of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer
from wasabi import msg

from ..util.exits import INTERRUPTED
from ..util.machine import Usage, describe_machine
from ..util.plots import new_figure
from . import options
from .charts import draw_lines, set_log_x, set_log_y, start_at_zero
from .pipelines import LoadedPipeline, PipelineFacts
from .report import (
    check_plot,
    fail,
    format_bytes,
    format_count,
    format_quartiles,
    shorten_names,
    write_plot,
    write_report,
)
from .rounds import Quartiles, get_quartiles, get_ratio, interleave
from .texts import Tokens, cut_tokens, read_texts, tokenize
from .workers import Worker, WorkerError, start_workers

# Documents of this length, a sentence, show what the size of a batch does.
_SENTENCE = 20


@dataclass(frozen=True)
class Setting:
    """What differs from one measurement to the next.

    axis: "length" or "batch_size", whichever is being varied.
    length: words in each document.
    batch_size: documents in a batch; None for each pipeline's own.
    """

    axis: str
    length: int
    batch_size: int | None

    @property
    def place(self) -> int:
        """Where on its axis it is."""
        return int(getattr(self, self.axis))


@dataclass
class ScalingResult:
    """What was measured of one pipeline in one setting.

    pipeline: its path or name.
    setting: the lengths and sizes.
    n_docs, n_words: how many were annotated.
    words_per_second: of `nlp.pipe`, over the rounds.
    ratio: median over rounds of its words a second in relation to the first pipeline's in the same round.
    peak_memory, peak_gpu_memory: as of `Usage`, in this setting.
    rounds: the single numbers.
    """

    pipeline: str
    setting: Setting
    n_docs: int
    n_words: int
    words_per_second: Quartiles
    ratio: float
    peak_memory: int
    peak_gpu_memory: int | None
    rounds: list[Usage]


def scaling(
    pipelines: options.Pipelines,
    texts: options.Texts,
    lengths: Annotated[str, typer.Option(help="Words in a document, separated by commas")] = "10,100,1000,10000,100000",
    batch_sizes: Annotated[
        str, typer.Option(help="Documents in a batch, separated by commas")
    ] = "1,4,16,64,256,1024,4096",
    words: Annotated[int, typer.Option(help="Words to annotate for each number", min=1)] = 100_000,
    rounds: Annotated[int, typer.Option(help="Rounds; each runs every pipeline once", min=1)] = 3,
    threads: options.Threads = 1,
    gpu_id: options.GpuId = -1,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Show how speed and memory change with the length of documents and with the size of batches.

    The texts are put one after the other, repeated as often as needed, and cut into documents of each length. While the
    length changes, each pipeline has the batch size of its config; while the batch size changes, documents have 20
    words. Words are spaCy's tokens in the first pipeline's language. Where the system can tell (Linux), the peak memory
    is that of the setting alone; elsewhere it is the largest so far.
    """
    check_plot(plot)
    results: list[ScalingResult] = []
    problem: WorkerError | KeyboardInterrupt | None = None
    try:
        settings = [Setting("length", length, None) for length in _parse_numbers(lengths, "--lengths")]
        settings += [Setting("batch_size", _SENTENCE, size) for size in _parse_numbers(batch_sizes, "--batch-sizes")]
        read = read_texts(texts)
        for measured in _measure(pipelines, read, settings, words, rounds, threads, gpu_id):
            results += measured
    except (WorkerError, KeyboardInterrupt) as error:
        problem = error
    except ValueError as error:
        fail(error)
    if problem is not None and not results:
        if isinstance(problem, WorkerError):
            fail(problem)
        raise problem
    names = shorten_names(pipelines)
    title = f"{words:,} words for each number, {threads} thread(s), medians of {rounds} rounds"
    _print_results(results, names)
    given = {"texts": str(texts), "words": words, "rounds": rounds, "threads": threads, "gpu_id": gpu_id}
    write_report(output, "scaling", given, describe_machine(gpu_id), results)
    if plot is not None:
        _draw(results, names, title, plot)
    if problem is not None:
        msg.warn(f"Stopped after {len(results) // len(pipelines)} of {len(settings)} settings.", str(problem))
        raise typer.Exit(INTERRUPTED if isinstance(problem, KeyboardInterrupt) else 1)


def _parse_numbers(given: str, option: str) -> list[int]:
    numbers = [int(part) for part in given.split(",") if part.strip().isdecimal()]
    if len(numbers) < len(given.split(",")) or min(numbers) < 1:
        raise ValueError(f"{option} {given}: give whole numbers from 1, separated by commas.")
    return sorted(set(numbers))


def _measure(
    names: Sequence[str],
    texts: Sequence[str],
    settings: Sequence[Setting],
    n_words: int,
    n_rounds: int,
    threads: int,
    gpu_id: int,
) -> Iterator[list[ScalingResult]]:
    """Give the results of one setting after the other."""
    with start_workers(names, LoadedPipeline, [(name, gpu_id, threads) for name in names], threads) as workers:
        facts: PipelineFacts = workers[0].call("describe")
        tokens = tokenize(texts, facts.lang, n_words)
        for number, setting in enumerate(settings, start=1):
            msg.info(f"{number} of {len(settings)}: {_describe(setting)}")
            documents = cut_tokens(tokens, setting.length, n_words)
            yield _measure_setting(names, workers, documents, setting, n_rounds)


def _measure_setting(
    names: Sequence[str], workers: Sequence[Worker], documents: Sequence[Tokens], setting: Setting, n_rounds: int
) -> list[ScalingResult]:
    for worker in workers:
        worker.call("take_texts", ["".join(tokens) for tokens in documents])
        worker.call("reset_peaks")
    rounds = interleave(workers, lambda worker, _: cast(Usage, worker.call("pipe", setting.batch_size)), n_rounds)
    if len(rounds) < n_rounds:
        raise KeyboardInterrupt
    n_words = sum(map(len, documents))
    by_pipeline = list(zip(*rounds, strict=True))
    speeds = [[n_words / usage.seconds for usage in usages] for usages in by_pipeline]
    return [
        ScalingResult(
            pipeline=names[i],
            setting=setting,
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


def _describe(setting: Setting) -> str:
    size = "the pipeline's own batch size" if setting.batch_size is None else f"batches of {setting.batch_size:,}"
    return f"documents of {setting.length:,} words, {size}"


def _print_results(results: Sequence[ScalingResult], names: Sequence[str]) -> None:
    rows = [
        (
            f"{result.setting.length:,}",
            "own" if result.setting.batch_size is None else f"{result.setting.batch_size:,}",
            names[i % len(names)],
            format_count(result.words_per_second.median),
            format_quartiles(result.words_per_second),
            f"{result.ratio:.2f}",
            format_bytes(result.peak_memory),
            format_bytes(result.peak_gpu_memory),
        )
        for i, result in enumerate(results)
    ]
    header = ("length", "batch", "pipeline", "words/s", "quartiles", "ratio", "peak memory", "GPU memory")
    msg.table(rows, header=header, divider=True, aligns=("r", "r", "l", "r", "r", "r", "r", "r"))


def _draw(results: Sequence[ScalingResult], names: Sequence[str], title: str, path: Path) -> None:
    figure, (over_lengths, over_sizes, memory) = new_figure(3, 4.5, 3.5, title)
    over_sizes.sharey(over_lengths)
    lines = [results[i :: len(names)] for i in range(len(names))]
    for axes, axis in ((over_lengths, "length"), (over_sizes, "batch_size")):
        chosen = [[result for result in line if result.setting.axis == axis] for line in lines]
        places = [result.setting.place for result in chosen[0]]
        draw_lines(axes, places, [[result.words_per_second for result in line] for line in chosen], names)
        set_log_x(axes, places)
        set_log_y(axes)
        axes.set_ylabel("words per second")
    for line, name in zip(lines, names, strict=True):
        by_length = {result.setting.length: result for result in line if result.setting.axis == "length"}
        peaks = [result.peak_memory / 1e6 for result in by_length.values()]
        memory.plot(list(by_length), peaks, marker="o", label=name)
        set_log_x(memory, list(by_length))
    start_at_zero(memory)
    memory.set_ylabel("peak memory, MB")
    for axes in (over_lengths, memory):
        axes.set_xlabel("words in a document")
    over_sizes.set_xlabel(f"documents in a batch (of {_SENTENCE} words each)")
    memory.legend(frameon=False, loc="lower right")
    write_plot(figure, path)
