"""Draws the charts of the page as inline SVG in the page's text colour."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ParamSpec

from markupsafe import Markup

from ...util.plots import COLOURS, new_figure, save_figure
from ..confusions import ConfusionMatrix
from ..reliability import Reliability
from ..training_log import TrainingLog

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Narrow enough to be readable on a phone without zooming.
_WIDTH = 4.6
_HEIGHT = 3.2
_MAX_LINES = 8
_Arguments = ParamSpec("_Arguments")


def render_svg(
    prefix: str, draw: Callable[_Arguments, Figure], *args: _Arguments.args, **kwargs: _Arguments.kwargs
) -> Markup:
    """Draw a chart.

    prefix: the prefix of all ids in it, a different one for each chart of a page.
    draw: the function that draws it.
    args, kwargs: the arguments of that function.
    RETURNS: an SVG element without a background, in which black parts have the colour `currentColor`. Its texts are
        escaped.
    """
    from matplotlib import rc_context

    # Without this, text between two dollar signs is read as a formula.
    with rc_context({"text.parse_math": False}), TemporaryDirectory() as folder:
        figure = draw(*args, **kwargs)
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


def draw_scores(log: TrainingLog) -> Figure:
    """Draw the scores on the dev corpus over the training steps."""
    figure, axes = _draw_curves(log.steps, log.scores)
    axes.set_ylabel("score on the dev corpus")
    return figure


def draw_losses(log: TrainingLog) -> Figure:
    """Draw the losses over the training steps, on a logarithmic axis."""
    from matplotlib.ticker import NullFormatter

    figure, axes = _draw_curves(log.steps, log.losses)
    axes.set_ylabel("loss since the previous evaluation")
    # The loss of a shared tok2vec is 0 before its first update. Such a point is not drawn.
    axes.set_yscale("log", nonpositive="mask")
    # The default formatter of logarithmic axes writes formulas.
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    return figure


def _draw_curves(steps: Sequence[int], curves: Mapping[str, Sequence[float]]) -> tuple[Figure, Axes]:
    """Draw the first few curves by name."""
    figure, (axes,) = new_figure(width=_WIDTH, height=_HEIGHT)
    for i, (name, values) in enumerate(list(curves.items())[:_MAX_LINES]):
        axes.plot(steps, values, color=COLOURS[i % len(COLOURS)], marker="." if len(steps) < 30 else "", label=name)
    axes.set_xlabel("step")
    _add_legend(axes)
    return figure, axes


def draw_reliability(reliability: Reliability) -> Figure:
    """Draw a reliability diagram: the accuracy of entities against their confidence."""
    figure, (axes,) = new_figure(width=_WIDTH, height=_WIDTH * 0.85)
    axes.plot([0, 1], [0, 1], color="black", linestyle=":", label="perfect")
    confidences = [group.confidence for group in reliability.bins]
    accuracies = [group.accuracy for group in reliability.bins]
    areas = [20 + 180 * group.n / max(group.n for group in reliability.bins) for group in reliability.bins]
    axes.scatter(confidences, accuracies, areas, color=COLOURS[0], label="the pipeline")
    for group in reliability.bins:
        # There is room above the points of the left half and below the points of the right half.
        below = group.confidence > 0.5
        axes.annotate(
            f"{group.n:,}",
            (group.confidence, group.accuracy),
            xytext=(0, -9 if below else 9),
            textcoords="offset points",
            ha="center",
            va="top" if below else "bottom",
            fontsize=8,
        )
    axes.set_xlim(-0.03, 1.06)
    axes.set_ylim(-0.08, 1.08)
    axes.set_xlabel("confidence")
    axes.set_ylabel("share of correct entities")
    _add_legend(axes)
    return figure


def draw_matrix(matrix: ConfusionMatrix) -> Figure:
    """Draw a confusion matrix, darker for more frequent confusions. Its diagonal, the correct values, has no colour."""
    from matplotlib.colors import LinearSegmentedColormap

    n = len(matrix.values)
    figure, (axes,) = new_figure(width=_WIDTH, height=max(2.0, 0.34 * n + 0.9))
    errors = [[0 if i == j else count for j, count in enumerate(row)] for i, row in enumerate(matrix.counts)]
    # The lightest shade is transparent, so that the chart fits a dark and a light page.
    shades = LinearSegmentedColormap.from_list("shades", [COLOURS[0] + "00", COLOURS[0] + "b0"])
    axes.pcolormesh(errors, cmap=shades, vmin=0)
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
