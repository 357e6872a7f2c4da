"""`spacy bilstm compare long-gap`: probe how far encoders remember."""

from __future__ import annotations

from typing import Annotated

import typer

from ...experiments import draw_distances, make_long_gap_task
from ...experiments.probes import MIN_DISTANCE
from .options import Distances, Training, parse_numbers, with_training_options
from .running import run_comparison, show_questions


@with_training_options(directions="1")
def long_gap(
    training: Training,
    distances: Distances = "5,10,20,50,100,200",
    curriculum: Annotated[
        bool, typer.Option("--curriculum", help="Begin with the shortest distance and add the others one by one")
    ] = False,
) -> None:
    """Probe how far encoders remember.

    "I grew up in France ... and I speak its language": the country at the start decides the tag of the last word, one
    of eight, such as FRENCH. The words in between reveal nothing. One training mixes all distances, and each distance
    is a test. Only the last word has a tag, and only this word counts.
    """
    variants = training.parse_variants()
    task = make_long_gap_task(parse_numbers(distances, "--distances", MIN_DISTANCE), curriculum)
    show_questions(task)
    run_comparison(task, variants, draw_distances, training)
