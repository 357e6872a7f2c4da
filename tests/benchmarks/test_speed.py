"""The speed of pipelines on a stream of texts."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.benchmarks import compare_speed
from spacy_bilstm.benchmarks.device import Usage
from spacy_bilstm.benchmarks.pipelines import LoadedPipeline
from spacy_bilstm.benchmarks.speed import SpeedComparison, SpeedResult, SpeedSettings, _choose_texts, _measure_rounds
from spacy_bilstm.benchmarks.texts import TextsError
from spacy_bilstm.bridge.cached_tok2vec import get_cache_statistics

ANNOUNCED: list[str] = []


class FakeWorker:
    """A worker without a process that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def call(self, method: str, *arguments: Any) -> Any:
        self.calls.append((method, arguments[0]))
        if method == "call_each":
            return [0.1] * len(arguments[0])
        return Usage(1.0, 0, None)


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
    assert ANNOUNCED == ["4 documents, 72 words after 90 others, 1 thread(s), 3 rounds"]


def test_texts_are_joined_and_counted(comparison: SpeedComparison) -> None:
    # Four tenths of the texts are the stream, five tenths the warm-up, one tenth is for latency.
    assert (comparison.settings.n_docs, comparison.settings.n_words) == (4, 16 // 2 * (5 + 4))
    assert (comparison.settings.n_warm_up_words, comparison.settings.n_cold_words) == (90, 72)


def test_machine_is_described(comparison: SpeedComparison) -> None:
    assert {"cpu", "cores", "python", "torch", "spacy"} <= set(comparison.machine)


def test_the_first_pipeline_has_ratio_1(comparison: SpeedComparison) -> None:
    first = comparison.results[0]
    assert first.stream.ratio == first.repeated.ratio == first.cold.ratio == 1.0


@pytest.mark.parametrize("name", ["stream", "repeated", "cold"])
def test_ratio_is_the_median_over_rounds(comparison: SpeedComparison, second: SpeedResult, name: str) -> None:
    first = comparison.results[0]
    ratios = [
        getattr(a, name).seconds / getattr(b, name).seconds for a, b in zip(first.rounds, second.rounds, strict=True)
    ]
    assert getattr(second, name).ratio == pytest.approx(sorted(ratios)[1])


@pytest.mark.parametrize(("name", "n_words"), [("stream", 72), ("repeated", 72), ("cold", 72)])
def test_speed_is_the_median_over_rounds(second: SpeedResult, name: str, n_words: int) -> None:
    speeds = sorted(n_words / getattr(turn, name).seconds for turn in second.rounds)
    assert getattr(second, name).words_per_second.median == pytest.approx(speeds[1])


def test_latencies_are_percentiles_of_all_rounds(second: SpeedResult) -> None:
    latencies = sorted(1e3 * seconds for turn in second.rounds for seconds in turn.latencies)
    assert latencies[0] <= second.latency_ms["p50"] <= second.latency_ms["p99"] <= latencies[-1]


def test_size_on_disk_is_that_of_the_files(pipelines: Path, second: SpeedResult) -> None:
    assert second.pipeline == str(pipelines / "second")
    files = [file for file in (pipelines / "second").rglob("*") if file.is_file()]
    assert second.facts.bytes_on_disk == sum(file.stat().st_size for file in files)


def test_memory_is_that_of_the_pipelines_process(second: SpeedResult) -> None:
    assert second.peak_memory >= second.facts.loaded_memory > 50_000_000


def make_settings() -> SpeedSettings:
    return SpeedSettings("texts.txt", None, None, None, 10, 10, 10, 10, None, 2, 1, -1)


def test_each_round_loads_the_pipeline_and_warms_up_on_other_texts() -> None:
    worker: Any = FakeWorker()
    chosen = _choose_texts([[f"text{i}"] for i in range(20)], [[f"other{i}"] for i in range(30)], None)
    _measure_rounds([worker], chosen, make_settings(), progress=False)
    n_calls = len(worker.calls) // 2
    assert worker.calls[:n_calls] == worker.calls[n_calls:]
    methods = [method for method, _ in worker.calls[:n_calls]]
    assert methods == ["reload", *["set_texts", "pipe"] * 3, "call_each", "set_texts", "pipe"]
    cold, others, stream, repeated = (given for method, given in worker.calls[:n_calls] if method == "set_texts")
    assert [*cold, *others] == [f"other{i}" for i in range(30)]
    assert stream == repeated == [f"text{i}" for i in range(18)]
    assert len(cold) == len(stream)


@given(st.integers(10, 60), st.integers(0, 60), st.sampled_from([None, 1, 7]))
def test_no_text_is_used_twice(n_texts: int, n_others: int, join_words: int | None) -> None:
    texts = [[f"text{i} "] * (1 + i % 3) for i in range(n_texts)]
    others = [[f"other{i} "] for i in range(n_others)] or None
    chosen = _choose_texts(texts, others, join_words)
    parts = (chosen.cold, chosen.warm_up, chosen.stream, chosen.short)
    words = [{token for tokens in part for token in tokens} for part in parts]
    assert sum(map(len, words)) == len(set.union(*words)) == n_texts + n_others
    assert all(words[i] for i in (0, 2, 3))


def test_short_texts_have_20_words_and_are_at_most_100() -> None:
    chosen = _choose_texts([["a "] * 4000 for _ in range(10)], None, None)
    assert [len(tokens) for tokens in chosen.short] == [20] * 100


def test_a_pipeline_loaded_again_has_an_empty_type_cache(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_tagger").add_label("X")
    nlp.initialize()
    nlp.to_disk(tmp_path)
    threads = torch.get_num_threads()
    pipeline = LoadedPipeline(str(tmp_path), -1, threads)
    n_types = []
    for text in ("She reads many books .", "He"):
        pipeline.reload("He")
        pipeline.set_texts([text])
        pipeline.pipe(None)
        model = pipeline._nlp.get_pipe("bilstm_tagger").model  # type: ignore[attr-defined]
        n_types.append(get_cache_statistics(model).n_types)
    assert n_types == [6, 1]


def test_too_few_texts_are_refused() -> None:
    with pytest.raises(TextsError, match=r"9 texts are too few to measure\. Give at least 10\."):
        _choose_texts([["One "]] * 9, None, None)
