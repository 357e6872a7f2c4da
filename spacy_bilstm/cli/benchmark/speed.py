"""`spacy bilstm benchmark speed`."""

from __future__ import annotations

from typing import Annotated

import typer
from wasabi import msg

from ...benchmarks import compare_speed, draw_speed
from ...benchmarks.texts import TextsError
from ...benchmarks.workers import WorkerError
from . import options
from .outputs import check_plot, end_after, fail, write_files
from .tables import print_speed


def speed(
    pipelines: options.Pipelines,
    texts: options.Texts,
    join_words: Annotated[
        int | None, typer.Option(help="Join neighbouring texts into documents of about this many words", min=1)
    ] = None,
    limit_words: options.LimitWords = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Texts in a batch of nlp.pipe, instead of each pipeline's own", min=1)
    ] = None,
    rounds: options.Rounds = 10,
    threads: options.Threads = 1,
    gpu_id: options.GpuId = -1,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Compare pipelines on the same texts: words per second, latency, memory and size.

    Each pipeline runs in its own process, and the pipelines take turns in rounds: each annotates all texts with
    nlp.pipe, then 100 texts of 20 words one at a time. Words are spaCy's tokens in the first pipeline's language. The
    ratio is the speed divided by the first pipeline's speed in the same round. The first pass is a pass before the
    rounds, when all words are new to the pipeline.
    """
    check_plot(plot)
    try:
        comparison = compare_speed(
            pipelines,
            texts,
            join_words=join_words,
            limit_words=limit_words,
            batch_size=batch_size,
            rounds=rounds,
            threads=threads,
            gpu_id=gpu_id,
            announce=msg.info,
            progress=True,
        )
    except (TextsError, WorkerError) as error:
        fail(error)
    print_speed(comparison)
    write_files(comparison, output, draw_speed, plot)
    end_after(len(comparison.results[0].rounds), comparison.settings.rounds)
