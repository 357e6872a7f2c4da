"""`spacy bilstm compare future-context`: probe whether encoders see the words that follow."""

from __future__ import annotations

from ...experiments import draw_distances, make_future_context_task
from ...experiments.probes import MIN_DISTANCE
from .options import Distances, Training, parse_numbers, with_training_options
from .running import run_comparison, show_questions


@with_training_options()
def future_context(
    training: Training,
    distances: Distances = "5,10,20",
) -> None:
    """Probe whether encoders see the words that follow.

    "Apple is something ... that we eat" or "... that we sue": the verb at the end decides the tag of the first word,
    FRUIT or ORG. One training mixes all distances, and each distance is a test. Only the first word has a tag, and only
    this word counts.
    """
    variants = training.parse_variants()
    task = make_future_context_task(parse_numbers(distances, "--distances", MIN_DISTANCE))
    show_questions(task)
    run_comparison(task, variants, draw_distances, training)
