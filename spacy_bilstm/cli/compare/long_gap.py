"""`spacy bilstm compare long-gap`: probe how far encoders remember."""

from __future__ import annotations

from typing import Annotated

import typer

from ...experiments import draw_distances, make_long_gap_task
from ...experiments.probes import MIN_DISTANCE
from .options import (
    Cells,
    Cnn,
    Depths,
    Directions,
    Distances,
    LearnRate,
    Merges,
    Output,
    Plot,
    Seeds,
    Steps,
    TablePath,
    Threads,
    Width,
    parse_numbers,
    parse_variants,
)
from .running import run_comparison, show_questions


def long_gap(
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1",
    merges: Merges = "concat",
    depths: Depths = "1",
    cnn: Cnn = True,
    distances: Distances = "5,10,20,50,100,200",
    curriculum: Annotated[
        bool, typer.Option("--curriculum", help="Begin with the shortest distance and add the others one by one")
    ] = False,
    width: Width = 64,
    steps: Steps = 300,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Probe how far encoders remember.

    "I grew up in France ... and I speak its language": the country at the start decides the tag of the last word, one
    of eight, such as FRENCH. The words in between reveal nothing. One training mixes all distances, and each distance
    is a test. Only the last word has a tag, and only this word counts.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    task = make_long_gap_task(parse_numbers(distances, "--distances", MIN_DISTANCE), curriculum)
    show_questions(task)
    run_comparison(
        task,
        variants,
        draw_distances,
        width=width,
        steps=steps,
        learn_rate=learn_rate,
        seeds=seeds,
        threads=threads,
        output=output,
        plot=plot,
        table=table,
    )
