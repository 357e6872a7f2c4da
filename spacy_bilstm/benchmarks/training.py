"""`spacy bilstm benchmark training`: configs train on the same corpus, each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..util.machine import describe_machine
from ..util.plots import new_figure
from . import options
from .charts import draw_speeds, label_rows, start_at_zero
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
from .training_run import Epoch, TrainingRun
from .workers import Worker, WorkerError, start_workers


@dataclass
class TrainingResult:
    """What was measured of one config.

    config: its path.
    initial_memory: largest resident memory until the pipeline was initialised, in bytes.
    words_per_second: over the epochs without the first, which warms up.
    ratio: median over these epochs of its words a second in relation to the first config's in the same epoch.
    epochs: the single numbers, the first epoch among them; the peaks are those of the process up to the epoch's end.
    """

    config: str
    initial_memory: int
    words_per_second: Quartiles
    ratio: float
    epochs: list[Epoch]


def training(
    configs: Annotated[
        list[Path],
        typer.Argument(help="Training configs; the others are compared with the first", exists=True, dir_okay=False),
    ],
    corpus: Annotated[Path, typer.Option(help="The .spacy file to train on", exists=True)],
    epochs: Annotated[int, typer.Option(help="Epochs; in each, every config trains once over the corpus", min=2)] = 10,
    limit_words: options.LimitWords = None,
    threads: options.Threads = 1,
    gpu_id: options.GpuId = -1,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Compare the training of configs on the same corpus: words per second, and memory from epoch to epoch.

    Each config trains in a process of its own as spacy train does it, with its own batches, dropout and optimizer, but
    without evaluation, and they take turns: an epoch each. Its paths.train and paths.dev are the corpus; other settings
    can be overridden in the environment variable SPACY_CONFIG_OVERRIDES, as for spacy train.
    """
    check_plot(plot)
    names = [str(config) for config in configs]
    arguments = [(config, corpus, limit_words, gpu_id, threads) for config in configs]
    try:
        with start_workers(names, TrainingRun, arguments, threads) as workers:
            title = f"{corpus.name}, {threads} thread(s), {epochs} epochs"
            msg.info(title)
            results = _measure(names, workers, epochs)
    except WorkerError as error:
        fail(error)
    _print_results(results)
    settings = {"corpus": str(corpus), "limit_words": limit_words, "epochs": epochs, "threads": threads}
    write_report(output, "training", settings | {"gpu_id": gpu_id}, describe_machine(gpu_id), results)
    if plot is not None:
        _draw(results, title, plot)
    end_after(len(results[0].epochs), epochs)


def _measure(names: Sequence[str], workers: Sequence[Worker], n_epochs: int) -> list[TrainingResult]:
    initial_memory: list[int] = [worker.call("get_initial_memory") for worker in workers]

    def train(worker: Worker, number: int) -> Epoch:
        epoch: Epoch = worker.call("train_epoch")
        return epoch

    by_config = list(zip(*interleave(workers, train, n_epochs), strict=True))
    if len({epochs[0].n_words for epochs in by_config}) > 1:
        msg.warn("The configs do not train on the same number of words.", "Does each read ${paths.train}?")
    speeds = [[epoch.n_words / epoch.usage.seconds for epoch in epochs[1:] or epochs] for epochs in by_config]
    return [
        TrainingResult(
            config=names[i],
            initial_memory=initial_memory[i],
            words_per_second=get_quartiles(speeds[i]),
            ratio=get_ratio(speeds[i], speeds[0]),
            epochs=list(epochs),
        )
        for i, epochs in enumerate(by_config)
    ]


def _print_results(results: Sequence[TrainingResult]) -> None:
    names = shorten_names([result.config for result in results])
    last = len(results[0].epochs)
    second = min(2, last)
    rows = [
        (
            name,
            format_count(result.words_per_second.median),
            format_quartiles(result.words_per_second),
            f"{result.ratio:.2f}",
            format_bytes(result.initial_memory),
            format_bytes(result.epochs[second - 1].usage.peak_memory),
            format_bytes(result.epochs[-1].usage.peak_memory),
            format_bytes(result.epochs[-1].usage.peak_gpu_memory),
        )
        for name, result in zip(names, results, strict=True)
    ]
    header = (
        "config",
        "words/s",
        "quartiles",
        "ratio",
        "peak at start",
        f"epoch {second}",
        f"epoch {last}",
        "GPU memory",
    )
    msg.table(rows, header=header, divider=True, aligns=("l", *"rrrrrrr"))


def _draw(results: Sequence[TrainingResult], title: str, path: Path) -> None:
    names = shorten_names([result.config for result in results])
    figure, (speeds, memory) = new_figure(2, 4.5, 3.2, title)
    draw_speeds(speeds, [result.words_per_second for result in results])
    speeds.set_xlabel("words per second in training (line: quartiles)")
    label_rows([speeds], names)
    for name, result in zip(names, results, strict=True):
        peaks = [epoch.usage.peak_memory / 1e6 for epoch in result.epochs]
        memory.plot(range(1, len(peaks) + 1), peaks, marker="o", label=name)
    start_at_zero(memory)
    memory.set_xticks(range(1, len(results[0].epochs) + 1))
    memory.set_xlabel("epoch")
    memory.set_ylabel("peak memory so far, MB")
    memory.legend(frameon=False)
    write_plot(figure, path)
