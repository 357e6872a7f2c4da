"""`spacy bilstm compare reading-frame`: probe whether encoders can count in a sequence of single characters."""

from __future__ import annotations

from ...experiments import draw_distances, make_reading_frame_task
from .options import Distances, Training, parse_numbers, with_training_options
from .running import run_comparison, show_questions


@with_training_options()
def reading_frame(
    training: Training,
    distances: Distances = "6,15,30",
) -> None:
    """Probe whether encoders can count in a sequence of single characters.

    "CGTATGCTGCGT": a gene starts at ATG, and every three bases are a codon. The place of the last base in its codon is
    its tag: 1, 2 or 3. An encoder has to find the start and count from it. One training mixes all distances from the
    start to the last base, and each distance is a test.
    """
    variants = training.parse_variants()
    task = make_reading_frame_task(parse_numbers(distances, "--distances", 3))
    show_questions(task)
    run_comparison(task, variants, draw_distances, training)
