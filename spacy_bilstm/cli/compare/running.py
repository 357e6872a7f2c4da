"""The parts of the comparison commands that print: questions, progress, tables and errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import typer
from tqdm import tqdm
from wasabi import msg

from ...experiments import (
    Comparison,
    OtherSettingsError,
    ProbeTask,
    Run,
    Table,
    Task,
    Variant,
    compare,
    make_comparison_table,
)
from ...util.files import atomic_write
from ...util.plots import save_figure
from ..exits import INTERRUPTED
from .options import Training, check_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_questions(task: ProbeTask) -> None:
    """Print a sentence for each question, with its answer and the accuracy of guessing."""
    for name, question in task.questions.items():
        (sentence,) = question.make_sentences(1, seed=0)
        words = " ".join(sentence.words)
        shown = words if len(words) < 45 else f"{words[:20]} ... {words[-20:]}"
        msg.text(f"{name:>5}  {shown}  {sentence.tag}, chance {100 * question.chance:.1f} %")


def run_comparison(
    task: Task, variants: Sequence[Variant], draw: Callable[[Comparison], Figure], training: Training
) -> None:
    """Train the encoders on the task, print the table and write the files.

    task, variants: what to compare.
    draw: draws the plot.
    training: the options' values.
    """
    check_plot(training.plot)
    torch.set_num_threads(training.threads)
    try:
        comparison = compare(
            task,
            variants,
            width=training.width,
            steps=training.steps,
            learn_rate=training.learn_rate,
            seeds=range(training.seeds),
            output=training.output,
            progress=True,
            on_run=_show_run,
        )
    except OtherSettingsError as error:
        msg.fail("Nothing was trained.", str(error), exits=1)
    _show_comparison(comparison, draw, training.plot, training.table)


def _show_comparison(
    comparison: Comparison, draw: Callable[[Comparison], Figure], plot: Path | None, table: Path | None
) -> None:
    if comparison.summaries:
        show_result(make_comparison_table(comparison), table, plot, lambda: draw(comparison))
    show_end(comparison)


def show_end(comparison: Comparison) -> None:
    """Print the file of the results. If trainings are missing, say how to continue, and exit."""
    if comparison.output is not None:
        msg.good(f"Wrote {comparison.output}")
    if comparison.missing:
        total = len(comparison.variants) * len(comparison.seeds)
        again = "Run the same command to continue."
        advice = again if comparison.output else "Use --output next time to be able to continue."
        msg.warn(f"Stopped: {total - len(comparison.missing)} of {total} trainings are done.", advice)
        raise typer.Exit(INTERRUPTED)


def show_result(table: Table, table_path: Path | None, plot_path: Path | None, draw: Callable[[], Figure]) -> None:
    """Print a table, and write the table and the plot if their paths are given."""
    show_table(table, table_path)
    if plot_path is not None:
        save_figure(draw(), plot_path)
        msg.good(f"Wrote {plot_path}")


def show_table(table: Table, table_path: Path | None) -> None:
    """Print a table, and write it if its path is given."""
    aligns = ("l", *"r" * (len(table.header) - 1))
    msg.table(list(table.rows), header=tuple(table.header), divider=True, aligns=aligns)
    if table_path is not None:
        with atomic_write(table_path) as draft:
            draft.write_text(table.to_markdown(), encoding="utf8")
        msg.good(f"Wrote {table_path}")


def _show_run(run: Run) -> None:
    scores = ", ".join(f"{name} {100 * score:.1f}" for name, score in run.scores.items())
    tqdm.write(f"{run.variant.name}, seed {run.seed}: {scores} ({run.train_seconds:.0f} s of training)")
