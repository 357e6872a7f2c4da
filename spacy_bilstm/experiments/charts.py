"""The plots of the experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..util.plots import COLOURS, new_figure
from .price import Price, PriceComparison
from .results import Comparison, Spread
from .variants import CNN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_CHANCE: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1.2, "zorder": 3}


def draw_distances(comparison: Comparison) -> Figure:
    """Draw the accuracy against the distance: a line for each variant, with its standard deviation over seeds.

    comparison: the results of a long-gap or future-context task, with at least one run.
    RETURNS: the figure.
    """
    summaries = comparison.summaries
    figure, (axes,) = new_figure()
    distances = [int(name) for name in summaries[0].scores]
    for i, summary in enumerate(summaries):
        # Shift each line a little to the side: otherwise equal accuracies hide each other.
        shift = (distances[-1] / distances[0]) ** (0.012 * (i - (len(summaries) - 1) / 2))
        axes.errorbar(
            [distance * shift for distance in distances],
            *_means_and_spreads(list(summary.scores.values())),
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=5,
            capsize=3,
            linewidth=1.6,
            label=summary.variant.name,
        )
    axes.axhline(100 * next(iter(comparison.chances.values())), label="chance", **_CHANCE)
    axes.set_xscale("log")
    axes.set_xticks(distances, labels=[str(distance) for distance in distances])
    axes.minorticks_off()
    axes.set_ylim(0, 105)
    axes.set_xlabel("distance in words")
    axes.set_ylabel("accuracy on the tagged word, %")
    figure.legend(loc="outside right center")
    return figure


def draw_questions(comparison: Comparison) -> Figure:
    """Draw the accuracy on each question: a group of bars for each question, with a bar for each variant.

    comparison: the results of a merge task, with at least one run.
    RETURNS: the figure.
    """
    summaries, chances = comparison.summaries, comparison.chances
    figure, (axes,) = new_figure()
    width = 0.8 / len(summaries)
    for i, summary in enumerate(summaries):
        means, spreads = _means_and_spreads([summary.scores[name] for name in chances])
        places = [j - 0.4 + (i + 0.5) * width for j in range(len(chances))]
        axes.bar(places, means, 0.9 * width, yerr=spreads, capsize=3, label=summary.variant.name, zorder=2)
    for j, chance in enumerate(chances.values()):
        label = "" if j else "chance"
        axes.plot([j - 0.45, j + 0.45], [100 * chance] * 2, label=label, **_CHANCE)
    axes.set_xticks(range(len(chances)), labels=list(chances))
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 105)
    axes.set_xlabel("question")
    axes.set_ylabel("accuracy on the tagged word, %")
    figure.legend(loc="outside right center")
    return figure


def draw_trade_off(comparison: Comparison) -> Figure:
    """Draw each score against the prediction speed: a point for each variant, with its standard deviation over seeds.

    comparison: the results, with at least one run.
    RETURNS: the figure, with a plot for each score.
    """
    summaries = comparison.summaries
    names = list(summaries[0].scores)
    figure, plots = new_figure(len(names), width=3.2, height=4.2)
    fastest = max(summary.predict_words_per_second.mean for summary in summaries) / 1000
    for axes, name in zip(plots, names, strict=True):
        for i, summary in enumerate(summaries):
            means, spreads = _means_and_spreads([summary.scores[name]])
            axes.errorbar(
                [summary.predict_words_per_second.mean / 1000],
                means,
                spreads,
                marker=_MARKERS[i % len(_MARKERS)],
                markersize=7,
                capsize=3,
                linestyle="none",
                label=summary.variant.name if axes is plots[0] else None,
            )
        axes.set_title(name)
        axes.set_xlim(0, 1.1 * fastest)
        axes.set_xlabel("thousand words/s")
    plots[0].set_ylabel("score, %")
    figure.legend(loc="outside right center")
    return figure


def draw_prices(comparison: PriceComparison) -> Figure:
    """Draw the time per word in prediction and in training, with a bar for each encoder.

    comparison: the prices, at least one.
    RETURNS: the figure, with two plots.
    """
    prices = comparison.prices
    figure, plots = new_figure(2, width=4.5, height=1.2 + 0.32 * len(prices))
    _draw_times(plots[0], "prediction", prices, [price.predict_words_per_second for price in prices])
    _draw_times(plots[1], "training", prices, [price.train_words_per_second for price in prices])
    plots[1].tick_params(labelleft=False)
    return figure


def _draw_times(axes: Axes, title: str, prices: Sequence[Price], speeds: Sequence[float]) -> None:
    colours = ["0.6" if price.variant.cell == CNN else COLOURS[price.variant.directions - 1] for price in prices]
    axes.barh(range(len(prices)), [1e6 / speed for speed in speeds], color=colours, zorder=2)
    axes.set_yticks(range(len(prices)), labels=[price.variant.name for price in prices])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_title(title)
    axes.set_xlabel("microseconds per word")


def _means_and_spreads(scores: Sequence[Spread]) -> tuple[list[float], list[float]]:
    return [100 * score.mean for score in scores], [100 * (score.sd or 0.0) for score in scores]
