"""What a benchmark found, for people and for programs: how numbers are written, and the JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NoReturn

import srsly
import typer
from wasabi import msg

from ..util.exits import INTERRUPTED
from ..util.files import written_whole
from ..util.plots import PlotsMissingError, check_plot_path, save_figure
from .rounds import Quartiles

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from matplotlib.figure import Figure


def check_plot(path: Path | None) -> None:
    """End the command before it measures anything if the plot can't be drawn."""
    if path is not None:
        try:
            check_plot_path(path)
        except (PlotsMissingError, ValueError) as error:
            fail(error)


def fail(error: Exception) -> NoReturn:
    """End the command with an error."""
    msg.fail("Nothing was measured.", str(error), exits=1)
    raise AssertionError


def write_report(
    output: Path | None,
    command: str,
    settings: dict[str, Any],
    machine: dict[str, Any],
    results: Sequence[DataclassInstance],
) -> None:
    """Write everything as JSON.

    output: a `.json` file, or a folder in which it is named after the command; None writes nothing.
    command: name of the benchmark.
    settings, machine: what was measured, and on what.
    results: a dataclass for each row, with the numbers of every round.
    """
    if output is None:
        return
    path = output if output.suffix == ".json" else output / f"{command}.json"
    report = {"command": command, "settings": settings, "machine": machine}
    with written_whole(path) as draft:
        srsly.write_json(draft, report | {"results": [asdict(result) for result in results]})
    msg.good(f"Wrote {path}")


def write_plot(figure: Figure, path: Path) -> None:
    """Write a plot and say so."""
    save_figure(figure, path)
    msg.good(f"Drew {path}")


def end_after(n_done: int, n_wanted: int) -> None:
    """End an interrupted command, when what was done has been reported."""
    if n_done < n_wanted:
        msg.warn(f"Interrupted after {n_done} of {n_wanted} rounds: the numbers are of these alone.")
        raise typer.Exit(INTERRUPTED)


def shorten_names(names: Sequence[str]) -> list[str]:
    """Give paths without the folders at their start and end that all share."""
    if len(names) < 2:
        return list(names)
    parts = [list(PurePath(name).parts) for name in names]
    for end in (0, -1):
        while all(len(path) > 1 for path in parts) and len({path[end] for path in parts}) == 1:
            for path in parts:
                del path[end]
    return [str(PurePath(*path)) for path in parts]


def format_count(number: float) -> str:
    """Write a number of words or documents."""
    return f"{number:,.0f}" if number >= 100 else f"{number:,.1f}"


def format_quartiles(quartiles: Quartiles) -> str:
    """Write the lower and upper quartile."""
    return f"{format_count(quartiles.lower)} to {format_count(quartiles.upper)}"


def format_bytes(n_bytes: int | None) -> str:
    """Write a size in megabytes (10^6 bytes)."""
    return "-" if n_bytes is None else f"{n_bytes / 1e6:,.0f} MB"
