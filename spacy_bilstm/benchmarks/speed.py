"""`spacy bilstm benchmark speed`: pipelines annotate the same texts, each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy
import typer
from wasabi import msg

from ..util.machine import Usage, describe_machine
from ..util.plots import new_figure
from . import options
from .charts import draw_bars, draw_speeds, label_rows
from .pipelines import LoadedPipeline, PipelineFacts
from .report import (
    check_plot,
    end_after,
    fail,
    format_bytes,
    format_count,
    format_quartiles,
    shorten_names,
    write_plot,
    write_report,
)
from .rounds import Quartiles, get_quartiles, get_ratio, interleave
from .texts import TextsError, Tokens, cut_tokens, join_tokens, read_texts, tokenize
from .workers import Worker, WorkerError, start_workers

# A text of an interactive user: a sentence of so many words. A round takes so many, other ones than the last round.
_TEXT_WORDS = 20
_TEXTS_A_ROUND = 100


@dataclass
class SpeedRound:
    """What one pipeline took in one round.

    pipe: `nlp.pipe` over all texts.
    latencies: seconds that `nlp` took for each single text.
    """

    pipe: Usage
    latencies: list[float]


@dataclass
class SpeedResult:
    """What was measured of one pipeline.

    pipeline: its path or name.
    facts: what is known of it before it runs.
    words_per_second, documents_per_second: of `nlp.pipe`, over the rounds.
    ratio: median over rounds of its words a second in relation to the first pipeline's in the same round.
    first_pass_words_per_second: of the pass before the first round, to which the texts were new.
    latency_ms: of single texts in all rounds, in milliseconds, under "p50", "p95" and "p99".
    peak_memory, peak_gpu_memory: as of `Usage`, at the end.
    rounds: the single numbers.
    """

    pipeline: str
    facts: PipelineFacts
    words_per_second: Quartiles
    documents_per_second: Quartiles
    ratio: float
    first_pass_words_per_second: float
    latency_ms: dict[str, float]
    peak_memory: int
    peak_gpu_memory: int | None
    rounds: list[SpeedRound]


def speed(
    pipelines: options.Pipelines,
    texts: options.Texts,
    join_words: Annotated[
        int | None, typer.Option(help="Join neighbouring texts into documents of about this many words", min=1)
    ] = None,
    limit_words: options.LimitWords = None,
    batch_size: options.BatchSize = None,
    rounds: Annotated[int, typer.Option(help="Rounds; each runs every pipeline once", min=1)] = 10,
    threads: options.Threads = 1,
    gpu_id: options.GpuId = -1,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Compare pipelines on the same texts: words per second, latency, memory and size.

    Each pipeline runs in a process of its own, and they take turns in rounds: nlp.pipe over all texts, then 100 pieces
    of 20 words, one at a time. Words are spaCy's tokens in the first pipeline's language. The ratio is the speed in
    relation to the first pipeline's in the same round. The first pass is the one before the rounds, to which all words
    are new.
    """
    check_plot(plot)
    try:
        read = read_texts(texts)
        with start_workers(
            pipelines, LoadedPipeline, [(name, gpu_id, threads) for name in pipelines], threads
        ) as workers:
            facts: list[PipelineFacts] = [worker.call("describe") for worker in workers]
            documents = tokenize(read, facts[0].lang, limit_words)
            if join_words is not None:
                documents = join_tokens(documents, join_words)
            n_words = sum(map(len, documents))
            title = f"{len(documents):,} documents, {n_words:,} words, {threads} thread(s), {rounds} rounds"
            msg.info(title)
            results = _measure(pipelines, facts, workers, documents, batch_size, rounds)
    except (TextsError, WorkerError) as error:
        fail(error)
    _print_results(results)
    settings = {"texts": str(texts), "join_words": join_words, "limit_words": limit_words}
    settings |= {"n_docs": len(documents), "n_words": n_words, "batch_size": batch_size, "rounds": rounds}
    settings |= {"threads": threads, "gpu_id": gpu_id, "latency_words": _TEXT_WORDS}
    write_report(output, "speed", settings, describe_machine(gpu_id), results)
    if plot is not None:
        _draw(results, title, plot)
    end_after(len(results[0].rounds), rounds)


def _measure(
    names: Sequence[str],
    facts: Sequence[PipelineFacts],
    workers: Sequence[Worker],
    documents: Sequence[Tokens],
    batch_size: int | None,
    n_rounds: int,
) -> list[SpeedResult]:
    n_words = sum(map(len, documents))
    pieces = ["".join(tokens) for tokens in cut_tokens(documents, _TEXT_WORDS, n_words)]
    for worker in workers:
        worker.call("take_texts", ["".join(tokens) for tokens in documents])

    def measure(worker: Worker, number: int) -> SpeedRound:
        usage = worker.call("pipe", batch_size)
        start = number * _TEXTS_A_ROUND
        single = [pieces[i % len(pieces)] for i in range(start, start + _TEXTS_A_ROUND)]
        return SpeedRound(usage, worker.call("call_each", single))

    first_pass = interleave(workers, lambda worker, _: worker.call("pipe", batch_size), 1)[0]
    by_pipeline = list(zip(*interleave(workers, measure, n_rounds), strict=True))
    speeds = [[n_words / turn.pipe.seconds for turn in turns] for turns in by_pipeline]
    return [
        SpeedResult(
            pipeline=names[i],
            facts=facts[i],
            words_per_second=get_quartiles(speeds[i]),
            documents_per_second=get_quartiles(len(documents) / turn.pipe.seconds for turn in turns),
            ratio=get_ratio(speeds[i], speeds[0]),
            first_pass_words_per_second=n_words / first_pass[i].seconds,
            latency_ms=_get_latencies(turns),
            peak_memory=turns[-1].pipe.peak_memory,
            peak_gpu_memory=turns[-1].pipe.peak_gpu_memory,
            rounds=list(turns),
        )
        for i, turns in enumerate(by_pipeline)
    ]


def _get_latencies(turns: Sequence[SpeedRound]) -> dict[str, float]:
    seconds = list(chain.from_iterable(turn.latencies for turn in turns))
    return {f"p{percent}": 1e3 * float(numpy.percentile(seconds, percent)) for percent in (50, 95, 99)}


def _print_results(results: Sequence[SpeedResult]) -> None:
    names = shorten_names([result.pipeline for result in results])
    rows = [
        (
            name,
            format_count(result.words_per_second.median),
            format_quartiles(result.words_per_second),
            f"{result.ratio:.2f}",
            format_count(result.documents_per_second.median),
            format_count(result.first_pass_words_per_second),
        )
        for name, result in zip(names, results, strict=True)
    ]
    header = ("nlp.pipe", "words/s", "quartiles", "ratio", "docs/s", "first pass words/s")
    msg.table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r", "r"))
    latencies = [
        (
            name,
            *(f"{latency:.2f} ms" for latency in result.latency_ms.values()),
            format_bytes(result.peak_memory),
            format_bytes(result.peak_gpu_memory),
            format_bytes(result.facts.bytes_on_disk),
        )
        for name, result in zip(names, results, strict=True)
    ]
    header_of_latencies = (f"{_TEXT_WORDS} words", *results[0].latency_ms, "peak memory", "GPU memory", "on disk")
    msg.table(latencies, header=header_of_latencies, divider=True, aligns=("l", "r", "r", "r", "r", "r", "r"))


def _draw(results: Sequence[SpeedResult], title: str, path: Path) -> None:
    figure, (speeds, latencies, memory) = new_figure(3, 4.0, 1.6 + 0.6 * len(results), title)
    names = shorten_names([result.pipeline for result in results])
    places = range(len(results))
    draw_speeds(speeds, [result.words_per_second for result in results])
    speeds.set_xlabel("words per second (line: quartiles)")
    for marker, percentile in zip("o|x", results[0].latency_ms, strict=True):
        values = [result.latency_ms[percentile] for result in results]
        latencies.plot(values, places, marker, color="black", label=percentile, markersize=7)
    latencies.set_xlabel(f"milliseconds for a text of {_TEXT_WORDS} words")
    latencies.margins(x=0.1)
    latencies.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    latencies.set_xlim(left=0)
    draw_bars(memory, [result.peak_memory / 1e6 for result in results])
    memory.set_xlabel("peak memory, MB")
    label_rows((speeds, latencies, memory), names)
    write_plot(figure, path)
