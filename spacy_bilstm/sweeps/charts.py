"""The plot of a sweep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..util.plots import COLOURS, new_figure
from .space import Parameter
from .sweep import SweepResult
from .trials import COMPLETE, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_sweep(result: SweepResult) -> Figure:
    """Draw the score of each trial against each setting, the most important one first.

    result: the result of `run_sweep`.
    RETURNS: the figure, with a plot for each setting.
    RAISES: PlotsMissingError if Matplotlib is not installed.
    """
    by_path = {parameter.path: parameter for parameter in result.space}
    shares = {importance.path: f"explains {importance.share:.0%}" for importance in result.importances}
    order = [by_path[path] for path in shares] or list(result.space)
    figure, plots = new_figure(len(order), 3.2, 3.2)
    for i, (parameter, axes) in enumerate(zip(order, plots, strict=True)):
        _draw_parameter(axes, parameter, [trial for trial in result.trials if trial.best])
        axes.set_title(shares.get(parameter.path, ""), fontsize=10)
        if i:
            axes.sharey(plots[0])
    plots[0].set_ylabel("best score of a trial")
    handles, labels = plots[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _draw_parameter(axes: Axes, parameter: Parameter, trials: list[Trial]) -> None:
    for i, (name, chosen) in enumerate(
        {
            "complete": [trial for trial in trials if trial.state == COMPLETE],
            "stopped early": [trial for trial in trials if trial.state != COMPLETE],
        }.items()
    ):
        values = [trial.values[parameter.path] for trial in chosen]
        positions = values if parameter.is_numeric else [parameter.values.index(value) for value in values]
        scores = [trial.best.score for trial in chosen if trial.best]
        axes.plot(positions, scores, "ox"[i], color=COLOURS[i], label=name, markersize=5)
    *sections, setting = parameter.path.split(".")
    axes.set_xlabel(f"{'.'.join(sections)}\n{setting}" if len(parameter.path) > 30 else parameter.path, fontsize=8)
    if parameter.kind == "log_uniform":
        axes.set_xscale("log")
    elif not parameter.is_numeric:
        axes.set_xticks(range(len(parameter.values)), [_shorten(json.dumps(value)) for value in parameter.values])
        axes.margins(x=0.2)


def _shorten(text: str) -> str:
    return text if len(text) <= 12 else text[:11] + "…"
