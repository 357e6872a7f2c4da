"""The common style of all plots, drawn with Matplotlib and written as SVG or PNG."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The palette of Okabe and Ito (2008), which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "svg.fonttype": "none",
    # With a fixed salt, drawing the same plot again writes the same bytes.
    "svg.hashsalt": "spacy-bilstm",
}


class PlotsMissingError(ImportError):
    """Matplotlib is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "Plots need Matplotlib, which is not installed. "
            "Install it with: python -m pip install 'spacy-bilstm[plots]'"
        )


def check_plot_path(path: Path) -> None:
    """Check that a plot can be written. Call it before any long work.

    path: the file to write.
    RAISES: PlotsMissingError if Matplotlib is not installed; ValueError if the path ends in neither `.svg` nor `.png`.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotsMissingError
    if path.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"Can't write a plot to '{path}'. End its name with .svg or .png.")


def new_figure(n_plots: int = 1, width: float = 7.0, height: float = 4.0, title: str = "") -> tuple[Figure, list[Axes]]:
    """Make a figure with plots side by side.

    n_plots: number of plots, >= 1.
    width, height: size of one plot in inches.
    title: title above all plots.
    RETURNS: the figure, and the axes of its plots from left to right.
    RAISES: PlotsMissingError if Matplotlib is not installed.
    """
    try:
        from cycler import cycler
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotsMissingError from error
    style: Any = {**_STYLE, "axes.prop_cycle": cycler(color=COLOURS)}
    with rc_context(style):
        figure = Figure(figsize=(width * n_plots, height), layout="constrained")
        figure.suptitle(title, fontsize=_STYLE["font.size"])
        axes = figure.subplots(1, n_plots, squeeze=False)[0]
    return figure, list(axes)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file. If that fails, an existing file stays as it was.

    figure: the figure.
    path: the file to write. Its suffix, `.svg` or `.png`, sets the format.
    RAISES: ValueError for another suffix.
    """
    from matplotlib import rc_context

    check_plot_path(path)
    suffix = path.suffix.lstrip(".").lower()
    with rc_context(_STYLE), atomic_write(path) as draft:
        figure.savefig(draft, format=suffix, dpi=150, metadata={"Date": None} if suffix == "svg" else None)
