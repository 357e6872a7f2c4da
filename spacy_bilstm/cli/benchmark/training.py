"""`spacy bilstm benchmark training`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ...benchmarks import compare_training, draw_training
from ...benchmarks.workers import WorkerError
from . import options
from .outputs import check_plot, end_after, fail, write_files
from .tables import print_training


def training(
    configs: Annotated[
        list[Path],
        typer.Argument(help="Training configs; the others are compared with the first", exists=True, dir_okay=False),
    ],
    corpus: Annotated[Path, typer.Option(help="The .spacy file to train on", exists=True)],
    epochs: Annotated[
        int, typer.Option(help="Number of epochs; in each, every config trains once over the corpus", min=2)
    ] = 10,
    limit_words: options.LimitWords = None,
    threads: options.Threads = 1,
    gpu_id: options.GpuId = -1,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Compare the training of configs on the same corpus: words per second, and memory from epoch to epoch.

    Each config trains in its own process as spacy train does, with its own batches, dropout and optimizer, but without
    evaluation. The configs take turns, one epoch each. The corpus replaces paths.train and paths.dev; the environment
    variable SPACY_CONFIG_OVERRIDES overrides other settings, as for spacy train.
    """
    check_plot(plot)
    try:
        comparison = compare_training(
            configs,
            corpus,
            epochs=epochs,
            limit_words=limit_words,
            threads=threads,
            gpu_id=gpu_id,
            announce=msg.info,
            progress=True,
        )
    except WorkerError as error:
        fail(error)
    if len({result.epochs[0].n_words for result in comparison.results}) > 1:
        msg.warn("The configs do not train on the same number of words.", "Check that each reads ${paths.train}.")
    print_training(comparison)
    write_files(comparison, output, draw_training, plot)
    end_after(len(comparison.results[0].epochs), comparison.settings.epochs)
