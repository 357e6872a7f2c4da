"""The speed of pipelines on the same texts."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from spacy_bilstm.benchmarks import compare_speed
from spacy_bilstm.benchmarks.device import Usage
from spacy_bilstm.benchmarks.speed import SpeedComparison, SpeedResult, SpeedSettings, _measure_rounds

ANNOUNCED: list[str] = []


class FakeWorker:
    """A worker without a process that records the short texts of each round."""

    def __init__(self) -> None:
        self.rounds: list[Sequence[str]] = []

    def call(self, method: str, *arguments: Any) -> Any:
        if method == "pipe":
            return Usage(1.0, 0, None)
        self.rounds.append(arguments[0])
        return [0.1] * len(arguments[0])


@pytest.fixture(scope="module")
def printed() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def comparison(pipelines: Path, printed: io.StringIO) -> SpeedComparison:
    """Compare two pipelines."""
    names = [pipelines / "first", pipelines / "second"]
    with redirect_stdout(printed), redirect_stderr(printed):
        return compare_speed(names, pipelines / "texts.txt", join_words=50, rounds=3, announce=ANNOUNCED.append)


@pytest.fixture(scope="module")
def second(comparison: SpeedComparison) -> SpeedResult:
    return comparison.results[1]


def test_nothing_is_printed(comparison: SpeedComparison, printed: io.StringIO) -> None:
    assert printed.getvalue() == ""


def test_the_measurement_is_announced(comparison: SpeedComparison) -> None:
    assert ANNOUNCED == ["4 documents, 180 words, 1 thread(s), 3 rounds"]


def test_texts_are_joined_and_counted(comparison: SpeedComparison) -> None:
    assert (comparison.settings.n_docs, comparison.settings.n_words) == (4, 20 * (5 + 4))


def test_machine_is_described(comparison: SpeedComparison) -> None:
    assert {"cpu", "cores", "python", "torch", "spacy"} <= set(comparison.machine)


def test_the_first_pipeline_has_ratio_1(comparison: SpeedComparison) -> None:
    assert comparison.results[0].ratio == 1.0


def test_ratio_is_the_median_over_rounds(comparison: SpeedComparison, second: SpeedResult) -> None:
    first = comparison.results[0]
    ratios = [a.pipe.seconds / b.pipe.seconds for a, b in zip(first.rounds, second.rounds, strict=True)]
    assert second.ratio == pytest.approx(sorted(ratios)[1])


def test_speed_is_the_median_over_rounds(comparison: SpeedComparison, second: SpeedResult) -> None:
    speeds = sorted(comparison.settings.n_words / turn.pipe.seconds for turn in second.rounds)
    assert second.words_per_second.median == pytest.approx(speeds[1])


def test_first_pass_has_a_speed(second: SpeedResult) -> None:
    assert second.first_pass_words_per_second > 0


def test_latencies_are_percentiles_of_all_rounds(second: SpeedResult) -> None:
    latencies = sorted(1e3 * seconds for turn in second.rounds for seconds in turn.latencies)
    assert latencies[0] <= second.latency_ms["p50"] <= second.latency_ms["p99"] <= latencies[-1]


def test_size_on_disk_is_that_of_the_files(pipelines: Path, second: SpeedResult) -> None:
    assert second.pipeline == str(pipelines / "second")
    files = [file for file in (pipelines / "second").rglob("*") if file.is_file()]
    assert second.facts.bytes_on_disk == sum(file.stat().st_size for file in files)


def test_memory_is_that_of_the_pipelines_process(second: SpeedResult) -> None:
    assert second.peak_memory >= second.facts.loaded_memory > 50_000_000


def test_each_round_takes_other_short_texts() -> None:
    worker: Any = FakeWorker()
    documents = [[f"{i} " for i in range(20 * 200)]]
    settings = SpeedSettings("texts.txt", None, None, 1, 20 * 200, None, 2, 1, -1)
    _measure_rounds([worker], documents, settings, progress=False)
    first, second = worker.rounds
    assert len(first) == len(second) == 100
    assert not set(first) & set(second)
    assert all(len(text.split()) == 20 for text in [*first, *second])
