"""The tables that the benchmarks print."""

from __future__ import annotations

from collections.abc import Sequence

from wasabi import msg

from ...benchmarks.encoder import EncoderComparison
from ...benchmarks.labels import format_count, shorten_names
from ...benchmarks.rounds import Quartiles
from ...benchmarks.scaling import ScalingComparison
from ...benchmarks.speed import SpeedComparison
from ...benchmarks.training import TrainingComparison


def print_speed(comparison: SpeedComparison) -> None:
    """Print a table of speeds, and one of latencies and memory."""
    results = comparison.results
    names = shorten_names([result.pipeline for result in results])
    speeds = [
        (
            name,
            format_count(result.stream.words_per_second.median),
            _format_quartiles(result.stream.words_per_second),
            f"{result.stream.ratio:.2f}",
            format_count(result.repeated.words_per_second.median),
            f"{result.repeated.ratio:.2f}",
            format_count(result.cold.words_per_second.median),
            f"{result.cold.ratio:.2f}",
        )
        for name, result in zip(names, results, strict=True)
    ]
    header = ("words/s", "stream", "quartiles", "ratio", "repeated", "ratio", "cold start", "ratio")
    _print_table(header, speeds)
    latencies = [
        (
            name,
            *(f"{latency:.2f} ms" for latency in result.latency_ms.values()),
            _format_bytes(result.peak_memory),
            _format_bytes(result.peak_gpu_memory),
            _format_bytes(result.facts.bytes_on_disk),
        )
        for name, result in zip(names, results, strict=True)
    ]
    percentiles = results[0].latency_ms
    columns = (*percentiles, "peak memory", "GPU memory", "on disk")
    _print_table((f"{comparison.settings.latency_words} words", *columns), latencies)


def print_scaling(comparison: ScalingComparison) -> None:
    """Print a row for each workload and pipeline."""
    names = shorten_names(comparison.pipelines)
    rows = [
        (
            f"{result.setting.length:,}",
            "own" if result.setting.batch_size is None else f"{result.setting.batch_size:,}",
            names[i % len(names)],
            format_count(result.words_per_second.median),
            _format_quartiles(result.words_per_second),
            f"{result.ratio:.2f}",
            _format_bytes(result.peak_memory),
            _format_bytes(result.peak_gpu_memory),
        )
        for i, result in enumerate(comparison.results)
    ]
    header = ("length", "batch", "pipeline", "words/s", "quartiles", "ratio", "peak memory", "GPU memory")
    _print_table(header, rows, aligns="rrlrrrrr")


def print_training(comparison: TrainingComparison) -> None:
    """Print a row for each config."""
    results = comparison.results
    names = shorten_names([result.config for result in results])
    last = len(results[0].epochs)
    second = min(2, last)
    rows = [
        (
            name,
            format_count(result.words_per_second.median),
            _format_quartiles(result.words_per_second),
            f"{result.ratio:.2f}",
            _format_bytes(result.initial_memory),
            _format_bytes(result.epochs[second - 1].usage.peak_memory),
            _format_bytes(result.epochs[-1].usage.peak_memory),
            _format_bytes(result.epochs[-1].usage.peak_gpu_memory),
        )
        for name, result in zip(names, results, strict=True)
    ]
    epochs = (f"epoch {second}", f"epoch {last}")
    _print_table(("config", "words/s", "quartiles", "ratio", "peak at start", *epochs, "GPU memory"), rows)


def print_encoders(comparison: EncoderComparison) -> None:
    """Print a table for each batch, with a row for each encoder."""
    header = ("Encoder", "predict words/s", "ratio", "share", "train words/s", "ratio", "batch dependence")
    for batch in comparison.settings.batches:
        rows = [
            (
                result.name,
                format_count(result.predict_words_per_second),
                f"{result.predict_ratio:.2f}",
                f"{result.matmul_share:.0%}",
                format_count(result.train_words_per_second),
                f"{result.train_ratio:.2f}",
                f"{result.batch_dependence:.1e}",
            )
            for result in comparison.results
            if result.batch == batch
        ]
        msg.text(batch.title)
        _print_table(header, rows)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]], aligns: str = "") -> None:
    """Print a table. Without alignments, the first column is text and all others are numbers."""
    msg.table(list(rows), header=tuple(header), divider=True, aligns=tuple(aligns or "l" + "r" * (len(header) - 1)))


def _format_quartiles(quartiles: Quartiles) -> str:
    return f"{format_count(quartiles.lower)} to {format_count(quartiles.upper)}"


def _format_bytes(n_bytes: int | None) -> str:
    """Format a size in megabytes (10^6 bytes)."""
    return "-" if n_bytes is None else f"{n_bytes / 1e6:,.0f} MB"
