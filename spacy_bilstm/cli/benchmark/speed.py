"""`spacy bilstm benchmark speed`."""

from __future__ import annotations

from pathlib import Path
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
    warm_up: Annotated[
        Path | None,
        typer.Option(
            help="Other texts of the same kind to warm up on, in such a file [half of the texts]",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
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
    """Compare pipelines on the same stream of texts: words per second, latency, memory and size.

    Each pipeline runs in its own process, and the pipelines take turns in rounds. In every round each is loaded again
    and annotates with nlp.pipe first texts to warm up, then the stream, whose texts are new to it; then 100 new texts
    of 20 words one at a time; then the stream again (repeated). The cold start is the first part of the warm-up, with
    as many words as the stream. The ratio is the speed divided by the first pipeline's speed in the same round. Words
    are spaCy's tokens in the first pipeline's language.
    """
    check_plot(plot)
    try:
        comparison = compare_speed(
            pipelines,
            texts,
            warm_up=warm_up,
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
