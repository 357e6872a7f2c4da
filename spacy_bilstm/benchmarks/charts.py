"""The plots of the benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..util.plots import new_figure
from .encoder import EncoderComparison
from .labels import format_count, shorten_names
from .rounds import Quartiles, get_quartiles
from .scaling import SENTENCE_WORDS, ScalingComparison
from .speed import SpeedComparison
from .training import TrainingComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_speed(comparison: SpeedComparison) -> Figure:
    """Draw each pipeline's speed on the stream, on the same texts again and after loading; its latency and peak memory.

    comparison: the result of `compare_speed`.
    RETURNS: the figure, with three plots.
    RAISES: PlotsMissingError if Matplotlib is not installed.
    """
    results, settings = comparison.results, comparison.settings
    figure, (speeds, latencies, memory) = new_figure(3, 4.0, 1.6 + 0.6 * len(results), settings.title)
    _draw_speed_bars(speeds, [result.stream.words_per_second for result in results])
    speeds.set_xlabel("words per second: a stream of new texts (line: quartiles)")
    for marker, name in (("D", "repeated"), ("s", "cold start")):
        passes = [result.repeated if name == "repeated" else result.cold for result in results]
        medians = [speed.words_per_second.median for speed in passes]
        below = [i + 0.38 for i in range(len(results))]  # Beside the bar, whose number would cover them.
        speeds.plot(medians, below, marker, color="black", label=name, markersize=5, fillstyle="none")
    speeds.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for marker, percentile in zip("o|x", results[0].latency_ms, strict=True):
        values = [result.latency_ms[percentile] for result in results]
        latencies.plot(values, range(len(results)), marker, color="black", label=percentile, markersize=7)
    latencies.set_xlabel(f"milliseconds for a text of {settings.latency_words} words")
    latencies.margins(x=0.1)
    latencies.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    latencies.set_xlim(left=0)
    _draw_bars(memory, [result.peak_memory / 1e6 for result in results])
    memory.set_xlabel("peak memory, MB")
    _label_bars((speeds, latencies, memory), shorten_names([result.pipeline for result in results]))
    return figure


def draw_scaling(comparison: ScalingComparison) -> Figure:
    """Draw each pipeline's speed by length of documents and by batch size, and its memory by length.

    comparison: the result of `compare_scaling`.
    RETURNS: the figure, with three plots.
    RAISES: PlotsMissingError if Matplotlib is not installed.
    """
    figure, (over_lengths, over_sizes, memory) = new_figure(3, 4.5, 3.5, comparison.settings.title)
    over_sizes.sharey(over_lengths)
    names = shorten_names(comparison.pipelines)
    lines = [comparison.results[i :: len(names)] for i in range(len(names))]
    for axes, axis in ((over_lengths, "length"), (over_sizes, "batch_size")):
        chosen = [[result for result in line if result.setting.axis == axis] for line in lines]
        positions = [result.setting.position for result in chosen[0]]
        _draw_lines(axes, positions, [[result.words_per_second for result in line] for line in chosen], names)
        _set_log_x(axes, positions)
        _set_log_y(axes)
        axes.set_ylabel("words per second")
    for line, name in zip(lines, names, strict=True):
        by_length = {result.setting.length: result for result in line if result.setting.axis == "length"}
        peaks = [result.peak_memory / 1e6 for result in by_length.values()]
        memory.plot(list(by_length), peaks, marker="o", label=name)
        _set_log_x(memory, list(by_length))
    _start_at_zero(memory)
    memory.set_ylabel("peak memory, MB")
    for axes in (over_lengths, memory):
        axes.set_xlabel("words in a document")
    over_sizes.set_xlabel(f"documents in a batch (of {SENTENCE_WORDS} words each)")
    memory.legend(frameon=False, loc="lower right")
    return figure


def draw_training(comparison: TrainingComparison) -> Figure:
    """Draw each config's training speed, and its peak memory by epoch.

    comparison: the result of `compare_training`.
    RETURNS: the figure, with two plots.
    RAISES: PlotsMissingError if Matplotlib is not installed.
    """
    results = comparison.results
    names = shorten_names([result.config for result in results])
    figure, (speeds, memory) = new_figure(2, 4.5, 3.2, comparison.settings.title)
    _draw_speed_bars(speeds, [result.words_per_second for result in results])
    speeds.set_xlabel("words per second in training (line: quartiles)")
    _label_bars([speeds], names)
    for name, result in zip(names, results, strict=True):
        peaks = [epoch.usage.peak_memory / 1e6 for epoch in result.epochs]
        memory.plot(range(1, len(peaks) + 1), peaks, marker="o", label=name)
    _start_at_zero(memory)
    memory.set_xticks(range(1, len(results[0].epochs) + 1))
    memory.set_xlabel("epoch")
    memory.set_ylabel("peak memory so far, MB")
    memory.legend(frameon=False)
    return figure


def draw_encoders(comparison: EncoderComparison) -> Figure:
    """Draw each encoder's speed in prediction and training, and its share of the machine's matrix-multiply speed.

    comparison: the result of `compare_encoders`.
    RETURNS: the figure, with three plots.
    RAISES: PlotsMissingError if Matplotlib is not installed.
    """
    results = comparison.results
    figure, (predict, train, share) = new_figure(3, 4.0, 1.2 + 0.6 * len(results), comparison.settings.title)
    for axes, task in ((predict, "predict"), (train, "train")):
        speeds = [[result.batch.n_words / getattr(turn, task) for turn in result.rounds] for result in results]
        _draw_speed_bars(axes, [get_quartiles(numbers) for numbers in speeds])
    predict.set_xlabel("words per second, prediction")
    train.set_xlabel("words per second, forward and backward")
    _draw_bars(share, [100 * result.matmul_share for result in results])
    share.set_xlim(0, 100)
    share.set_xlabel("% of the machine's matrix-multiply speed")
    _label_bars((predict, train, share), [f"{result.name}\n{result.batch.lengths} lengths" for result in results])
    return figure


def _draw_bars(axes: Axes, numbers: Sequence[float], spread: Sequence[Sequence[float]] | None = None) -> None:
    """Draw a bar for each number, from top to bottom, with the number beside it.

    spread: lengths of the error bars to the left, and to the right.
    """
    bars = axes.barh(range(len(numbers)), numbers, xerr=spread, capsize=4, height=0.6)
    axes.bar_label(bars, [format_count(number) for number in numbers], padding=4)
    axes.margins(x=0.25)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _draw_speed_bars(axes: Axes, speeds: Sequence[Quartiles]) -> None:
    """Draw a bar for each median, with a line from the lower to the upper quartile."""
    medians = [quartiles.median for quartiles in speeds]
    below = [quartiles.median - quartiles.lower for quartiles in speeds]
    above = [quartiles.upper - quartiles.median for quartiles in speeds]
    _draw_bars(axes, medians, (below, above))


def _label_bars(plots: Sequence[Axes], names: Sequence[str]) -> None:
    """Label the bars of plots that are side by side. Only the left one shows the names."""
    for i, axes in enumerate(plots):
        axes.set_yticks(range(len(names)), names if i == 0 else [""] * len(names))
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)


def _start_at_zero(axes: Axes) -> None:
    """Make the vertical axis start at zero."""
    axes.set_ylim(0, 1.15 * axes.dataLim.ymax)


def _set_log_x(axes: Axes, positions: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with the positions as plain numbers."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.set_xticks(positions, [f"{position:,}" for position in positions])
    axes.xaxis.set_minor_locator(NullLocator())


def _set_log_y(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_lines(
    axes: Axes, positions: Sequence[float], lines: Sequence[Sequence[Quartiles]], names: Sequence[str]
) -> None:
    """Draw a line through the medians for each name, in a band from the lower to the upper quartile."""
    for name, numbers in zip(names, lines, strict=True):
        (drawn,) = axes.plot(positions, [quartiles.median for quartiles in numbers], marker="o", label=name)
        lower, upper = ([getattr(quartiles, side) for quartiles in numbers] for side in ("lower", "upper"))
        axes.fill_between(positions, lower, upper, color=drawn.get_color(), alpha=0.2, linewidth=0)
