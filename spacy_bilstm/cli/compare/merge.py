"""`spacy bilstm compare merge`: probe the merges of two directions."""

from __future__ import annotations

from typing import Annotated

import typer

from ...experiments import draw_questions, make_merge_task
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
    parse_variants,
)
from .running import run_comparison, show_questions


def merge(
    cells: Cells = "lstm",
    directions: Directions = "2",
    merges: Merges = "concat,sum,mean,mul",
    depths: Depths = "1",
    cnn: Cnn = False,
    distance: Annotated[int, typer.Option(help="Words from the verb to its subject and to its object", min=1)] = 5,
    width: Width = 64,
    steps: Steps = 400,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Probe the merges of two directions.

    Subject and object decide the tag of the verb between them.

    Question "both": "teacher ... met ... drivers" asks for the numbers of both nouns, one of four tags such as SG-PL.
    Question "same": "teacher ... matched ... drivers" asks whether the numbers are the same, SAME or OTHER, which
    neither direction can know alone. One training mixes both questions, and each question is a test.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    task = make_merge_task(distance)
    show_questions(task)
    run_comparison(
        task,
        variants,
        draw_questions,
        width=width,
        steps=steps,
        learn_rate=learn_rate,
        seeds=seeds,
        threads=threads,
        output=output,
        plot=plot,
        table=table,
    )
