"""`spacy bilstm compare future-context`: probe whether encoders see the words that follow."""

from __future__ import annotations

from ...experiments import draw_distances, make_future_context_task
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


def future_context(
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1,2",
    merges: Merges = "concat",
    depths: Depths = "1",
    cnn: Cnn = True,
    distances: Distances = "5,10,20",
    width: Width = 64,
    steps: Steps = 300,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Probe whether encoders see the words that follow.

    "Apple is something ... that we eat" or "... that we sue": the verb at the end decides the tag of the first word,
    FRUIT or ORG. One training mixes all distances, and each distance is a test. Only the first word has a tag, and only
    this word counts.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    task = make_future_context_task(parse_numbers(distances, "--distances", MIN_DISTANCE))
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
