"""Print what `spacy bilstm distill` does and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from wasabi import msg

from ..annotation import Progress
from ..distillation import DistillationResult, TeacherComponent
from .progress import describe_progress


def print_plan(plan: Sequence[TeacherComponent]) -> None:
    """Print what becomes of each component of the teachers."""
    rows = [(component.name, component.takeover.value, component.reason) for component in plan]
    msg.table(rows, header=("component", "in the student", ""), divider=True)


def print_progress(progress: Progress) -> None:
    """Print how far the annotation is."""
    typer.echo(describe_progress(progress))


def print_result(result: DistillationResult) -> None:
    """Print the scores of a student."""
    for title, scores in (("Agreement with the teachers on held-out texts", result.agreement), ("Dev", result.scores)):
        if scores:
            msg.divider(title)
            msg.table([(name, f"{100 * value:.2f}") for name, value in scores.items()], aligns=("l", "r"))
    if result.words_per_second is not None:
        student, teacher = result.words_per_second
        msg.info(f"Words/s: student {student:,.0f}, teacher {teacher:,.0f}, ratio {student / teacher:.1f}")
    msg.good(f"Wrote {result.output}")
