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
from .options import check_plot

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
    task: Task,
    variants: Sequence[Variant],
    draw: Callable[[Comparison], Figure],
    *,
    width: int,
    steps: int,
    learn_rate: float,
    seeds: int,
    threads: int,
    output: Path | None,
    plot: Path | None,
    table: Path | None,
) -> None:
    """Train the encoders on the task, print the table and write the files.

    task, variants: what to compare.
    draw: draws the plot.
    width, steps, learn_rate, seeds, threads, output, plot, table: the options' values.
    """
    check_plot(plot)
    torch.set_num_threads(threads)
    try:
        comparison = compare(
            task,
            variants,
            width=width,
            steps=steps,
            learn_rate=learn_rate,
            seeds=range(seeds),
            output=output,
            progress=True,
            on_run=_show_run,
        )
    except OtherSettingsError as error:
        msg.fail("Nothing was trained.", str(error), exits=1)
    _show_comparison(comparison, draw, plot, table)


def _show_comparison(
    comparison: Comparison, draw: Callable[[Comparison], Figure], plot: Path | None, table: Path | None
) -> None:
    if comparison.summaries:
        show_result(make_comparison_table(comparison), table, plot, lambda: draw(comparison))
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
    aligns = ("l", *"r" * (len(table.header) - 1))
    msg.table(list(table.rows), header=tuple(table.header), divider=True, aligns=aligns)
    if table_path is not None:
        with atomic_write(table_path) as draft:
            draft.write_text(table.to_markdown(), encoding="utf8")
        msg.good(f"Wrote {table_path}")
    if plot_path is not None:
        save_figure(draw(), plot_path)
        msg.good(f"Wrote {plot_path}")


def _show_run(run: Run) -> None:
    scores = ", ".join(f"{name} {100 * score:.1f}" for name, score in run.scores.items())
    tqdm.write(f"{run.variant.name}, seed {run.seed}: {scores} ({run.train_seconds:.0f} s of training)")
