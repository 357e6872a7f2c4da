"""`spacy bilstm compare corpus`: compare encoders on a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ...experiments import draw_trade_off, make_corpus_task
from ...experiments.corpus_task import SCORES
from .options import (
    Cells,
    Cnn,
    Depths,
    Directions,
    LearnRate,
    Merges,
    Output,
    Plot,
    Seeds,
    Steps,
    TablePath,
    Threads,
    Width,
    parse_choices,
    parse_variants,
)
from .running import run_comparison


def corpus(
    train: Annotated[Path, typer.Option("--train", help="The .spacy file to train on", exists=True, dir_okay=False)],
    dev: Annotated[Path, typer.Option("--dev", help="The .spacy file to score on", exists=True, dir_okay=False)],
    pipes: Annotated[
        str | None, typer.Option(help=f"Components to train, from {','.join(SCORES)}; default: all with annotation")
    ] = None,
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1,2",
    merges: Merges = "concat",
    depths: Depths = "1",
    cnn: Cnn = True,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Code of the corpus's language, such as en")] = "en",
    width: Width = 128,
    steps: Steps = 1000,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Compare encoders on a corpus.

    Tagger, morphologizer and entity recogniser share one embedding and one encoder. The command trains those that the
    corpus has annotation for.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    chosen = None if pipes is None else parse_choices(pipes, "--pipes", list(SCORES))
    try:
        task = make_corpus_task(train, dev, chosen, lang)
    except (ValueError, ImportError) as error:
        msg.fail("Can't use the corpus.", str(error), exits=1)
    run_comparison(
        task,
        variants,
        draw_trade_off,
        width=width,
        steps=steps,
        learn_rate=learn_rate,
        seeds=seeds,
        threads=threads,
        output=output,
        plot=plot,
        table=table,
    )
