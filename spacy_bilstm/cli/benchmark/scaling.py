"""`spacy bilstm benchmark scaling`."""

from __future__ import annotations

from typing import Annotated

import typer
from wasabi import msg

from ...benchmarks import compare_scaling, draw_scaling
from ...benchmarks.scaling import BATCH_SIZES, LENGTHS
from ...benchmarks.workers import WorkerError
from ..exits import INTERRUPTED
from . import options
from .outputs import check_plot, fail, write_files
from .tables import print_scaling


def scaling(
    pipelines: options.Pipelines,
    texts: options.Texts,
    lengths: Annotated[str, typer.Option(help="Words in a document, separated by commas")] = ",".join(
        map(str, LENGTHS)
    ),
    batch_sizes: Annotated[str, typer.Option(help="Documents in a batch, separated by commas")] = ",".join(
        map(str, BATCH_SIZES)
    ),
    words: Annotated[int, typer.Option(help="Words to annotate in each measurement", min=1)] = 100_000,
    rounds: options.Rounds = 3,
    threads: options.Threads = 1,
    gpu_id: options.GpuId = -1,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Show how speed and memory change with the length of documents and with the batch size.

    The texts are concatenated, repeated as often as needed, and cut into documents of each length. While the length
    changes, each pipeline uses its own batch size; while the batch size changes, documents have 20 words. Words are
    spaCy's tokens in the first pipeline's language. On Linux the peak memory is that of each measurement alone;
    elsewhere it is the largest so far.
    """
    check_plot(plot)
    try:
        comparison = compare_scaling(
            pipelines,
            texts,
            lengths=options.parse_numbers(lengths, "--lengths"),
            batch_sizes=options.parse_numbers(batch_sizes, "--batch-sizes"),
            words=words,
            rounds=rounds,
            threads=threads,
            gpu_id=gpu_id,
            announce=msg.info,
            progress=True,
        )
    except (ValueError, WorkerError) as error:
        fail(error)
    print_scaling(comparison)
    write_files(comparison, output, draw_scaling, plot)
    if comparison.error is not None:
        n_done = len(comparison.results) // len(pipelines)
        msg.warn(f"Stopped after {n_done} of {len(comparison.workloads)} measurements.", str(comparison.error))
        raise typer.Exit(INTERRUPTED if isinstance(comparison.error, KeyboardInterrupt) else 1)
