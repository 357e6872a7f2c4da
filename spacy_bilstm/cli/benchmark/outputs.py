"""What every benchmark command does before and after it measures: check the plot, write files, exit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer
from wasabi import msg

from ...benchmarks import Comparison
from ...util.plots import PlotsMissingError, check_plot_path, save_figure
from ..exits import INTERRUPTED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AnyComparison = TypeVar("AnyComparison", bound=Comparison[Any, Any])


def check_plot(path: Path | None) -> None:
    """End the command before it measures anything if the plot can't be written."""
    if path is not None:
        try:
            check_plot_path(path)
        except (PlotsMissingError, ValueError) as error:
            fail(error)


def fail(error: Exception) -> NoReturn:
    """End the command with an error message."""
    msg.fail("Nothing was measured.", str(error), exits=1)
    raise AssertionError


def write_files(
    comparison: AnyComparison, output: Path | None, draw: Callable[[AnyComparison], Figure], plot: Path | None
) -> None:
    """Write the JSON file and the plot.

    comparison: the result of the benchmark.
    output: a `.json` file, or a folder to write a file to that is named after the command; None writes no JSON.
    draw: draws the plot.
    plot: the file of the plot; None draws none.
    """
    if output is not None:
        path = output if output.suffix == ".json" else output / f"{comparison.command}.json"
        comparison.write_json(path)
        msg.good(f"Wrote {path}")
    if plot is not None:
        save_figure(draw(comparison), plot)
        msg.good(f"Drew {plot}")


def end_after(n_done: int, n_rounds: int) -> None:
    """End the command with a warning if Ctrl-C interrupted it before all rounds were complete."""
    if n_done < n_rounds:
        msg.warn(f"Interrupted after {n_done} of {n_rounds} rounds. The results are of these rounds only.")
        raise typer.Exit(INTERRUPTED)
