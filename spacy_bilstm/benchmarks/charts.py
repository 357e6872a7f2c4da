"""The parts of plots that several benchmarks draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .report import format_count
from .rounds import Quartiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_bars(axes: Axes, numbers: Sequence[float], spread: Sequence[Sequence[float]] | None = None) -> None:
    """Draw a bar for each number, from the top down, and write the number beside it.

    spread: how far a line at each bar's end reaches to the left, and how far to the right.
    """
    bars = axes.barh(range(len(numbers)), numbers, xerr=spread, capsize=4, height=0.6)
    axes.bar_label(bars, [format_count(number) for number in numbers], padding=4)
    axes.margins(x=0.25)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def draw_speeds(axes: Axes, speeds: Sequence[Quartiles]) -> None:
    """Draw a bar for each median, with a line from the lower to the upper quartile."""
    medians = [quartiles.median for quartiles in speeds]
    below = [quartiles.median - quartiles.lower for quartiles in speeds]
    above = [quartiles.upper - quartiles.median for quartiles in speeds]
    draw_bars(axes, medians, (below, above))


def label_rows(plots: Sequence[Axes], names: Sequence[str]) -> None:
    """Name the rows of plots that stand side by side, the first row on top. The names stand at the left."""
    for i, axes in enumerate(plots):
        axes.set_yticks(range(len(names)), names if i == 0 else [""] * len(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)


def start_at_zero(axes: Axes) -> None:
    """Let the vertical axis start at zero."""
    axes.set_ylim(0, 1.15 * axes.dataLim.ymax)


def set_log_x(axes: Axes, places: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with the places as plain numbers at it."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.xaxis.set_minor_locator(NullLocator())


def set_log_y(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers at it."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def draw_lines(axes: Axes, places: Sequence[float], lines: Sequence[Sequence[Quartiles]], names: Sequence[str]) -> None:
    """Draw a line for each name through the medians at the places, in a band from the lower to the upper quartile."""
    for name, numbers in zip(names, lines, strict=True):
        (drawn,) = axes.plot(places, [quartiles.median for quartiles in numbers], marker="o", label=name)
        lower, upper = ([getattr(quartiles, side) for quartiles in numbers] for side in ("lower", "upper"))
        axes.fill_between(places, lower, upper, color=drawn.get_color(), alpha=0.2, linewidth=0)
