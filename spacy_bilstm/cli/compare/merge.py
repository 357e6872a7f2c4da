"""`spacy bilstm compare merge`: probe the merges of two directions."""

from __future__ import annotations

from typing import Annotated

import typer

from ...experiments import draw_questions, make_merge_task
from .options import Training, with_training_options
from .running import run_comparison, show_questions


@with_training_options(cells="lstm", directions="2", merges="concat,sum,mean,mul", cnn=False, steps=400)
def merge(
    training: Training,
    distance: Annotated[int, typer.Option(help="Words from the verb to its subject and to its object", min=1)] = 5,
) -> None:
    """Probe the merges of two directions.

    Subject and object decide the tag of the verb between them.

    Question "both": "teacher ... met ... drivers" asks for the numbers of both nouns, one of four tags such as SG-PL.
    Question "same": "teacher ... matched ... drivers" asks whether the numbers are the same, SAME or OTHER, which
    neither direction can know alone. One training mixes both questions, and each question is a test.
    """
    variants = training.parse_variants()
    task = make_merge_task(distance)
    show_questions(task)
    run_comparison(task, variants, draw_questions, training)
