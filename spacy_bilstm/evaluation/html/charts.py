"""The plots of a report, as SVG that stands in an HTML page and takes that page's colour of text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from markupsafe import Markup

from ...util.plots import COLOURS, new_figure, save_figure
from ..confusions import Matrix
from ..reliability import Calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Narrow enough to be read on a phone without zooming.
_WIDTH = 4.6
_HEIGHT = 3.2
_MAX_LINES = 8


def render_svg(draw: Callable[[], Figure], prefix: str) -> Markup:
    """Draw a plot.

    draw: makes the figure.
    prefix: what all ids begin with, another for each plot of a page.
    RETURNS: an SVG element without a background, black parts in `currentColor`. Texts in it are escaped.
    """
    from matplotlib import rc_context

    # Two dollar signs in a label are no formula.
    with rc_context({"text.parse_math": False}), TemporaryDirectory() as folder:
        figure = draw()
        figure.patch.set_visible(False)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        path = Path(folder) / "plot.svg"
        save_figure(figure, path)
        svg = path.read_text(encoding="utf8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    return Markup(svg.replace("#000000", "currentColor"))


def draw_curves(steps: Sequence[int], curves: Mapping[str, Sequence[float]], label: str, log: bool) -> Figure:
    """Draw what changed in the course of a training.

    steps: the steps of the training.
    curves: values at these steps by name; the first few are drawn.
    label: what the values are.
    log: whether their axis is logarithmic.
    """
    from matplotlib.ticker import NullFormatter

    figure, (axes,) = new_figure(width=_WIDTH, height=_HEIGHT)
    for i, (name, values) in enumerate(list(curves.items())[:_MAX_LINES]):
        axes.plot(steps, values, color=COLOURS[i % len(COLOURS)], marker="." if len(steps) < 30 else "", label=name)
    if log:
        # The loss of a shared tok2vec is 0 before its first update: that point is left out.
        axes.set_yscale("log", nonpositive="mask")
        # The formatter of logarithmic axes writes formulas.
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("step")
    axes.set_ylabel(label)
    _add_legend(axes)
    return figure


def draw_reliability(calibration: Calibration) -> Figure:
    """Draw how often entities are right against how sure the pipeline is."""
    figure, (axes,) = new_figure(width=_WIDTH, height=_WIDTH * 0.85)
    axes.plot([0, 1], [0, 1], color="black", linestyle=":", label="perfect")
    confidences = [group.confidence for group in calibration.bins]
    shares = [group.share_right for group in calibration.bins]
    areas = [20 + 180 * group.n / max(group.n for group in calibration.bins) for group in calibration.bins]
    axes.scatter(confidences, shares, areas, color=COLOURS[0], label="the pipeline")
    for group in calibration.bins:
        # Above the line on its left side, below it on its right side, where there is room for it.
        below = group.confidence > 0.5
        axes.annotate(
            f"{group.n:,}",
            (group.confidence, group.share_right),
            xytext=(0, -9 if below else 9),
            textcoords="offset points",
            ha="center",
            va="top" if below else "bottom",
            fontsize=8,
        )
    axes.set_xlim(-0.03, 1.06)
    axes.set_ylim(-0.08, 1.08)
    axes.set_xlabel("confidence")
    axes.set_ylabel("share that is right")
    _add_legend(axes)
    return figure


def draw_matrix(matrix: Matrix) -> Figure:
    """Draw confusions: the more frequent, the more colour. What is right stands on the diagonal, without colour."""
    from matplotlib.colors import LinearSegmentedColormap

    n = len(matrix.values)
    figure, (axes,) = new_figure(width=_WIDTH, height=max(2.0, 0.34 * n + 0.9))
    wrong = [[0 if i == j else count for j, count in enumerate(row)] for i, row in enumerate(matrix.counts)]
    # From nothing, so that it stands on a dark page as on a light one.
    shades = LinearSegmentedColormap.from_list("shades", [COLOURS[0] + "00", COLOURS[0] + "b0"])
    axes.pcolormesh(wrong, cmap=shades, vmin=0)
    for row, counts in enumerate(matrix.counts):
        for column, count in enumerate(counts):
            if count:
                axes.text(column + 0.5, row + 0.5, f"{count}", ha="center", va="center", fontsize=7)
    places = [i + 0.5 for i in range(n)]
    names = [_shorten(value) for value in matrix.values]
    axes.set_xticks(places, names, rotation=90)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    return figure


def _add_legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=8)


def _shorten(text: str) -> str:
    return text if len(text) <= 12 else f"{text[:11]}…"
