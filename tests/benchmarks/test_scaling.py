"""Speed and memory over the length of documents and the batch size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_benchmarks import make_scaling

from spacy_bilstm.benchmarks import compare_scaling, scaling
from spacy_bilstm.benchmarks.scaling import ScalingComparison, make_workloads
from spacy_bilstm.benchmarks.workers import WorkerError

ANNOUNCED: list[str] = []


@pytest.fixture(scope="module")
def comparison(pipelines: Path) -> ScalingComparison:
    """Measure one pipeline with five workloads."""
    return compare_scaling(
        [pipelines / "first"],
        pipelines / "texts.txt",
        lengths=[100, 10, 5000],
        batch_sizes=[1, 8],
        words=1000,
        rounds=2,
        announce=ANNOUNCED.append,
    )


def test_workloads_are_sorted_by_length_then_by_batch_size() -> None:
    workloads = [(work.axis, work.length, work.batch_size) for work in make_workloads([100, 10, 10], [8, 1])]
    assert workloads == [("length", 10, None), ("length", 100, None), ("batch_size", 20, 1), ("batch_size", 20, 8)]


@pytest.mark.parametrize(
    ("lengths", "sizes", "message"), [([0, 5], [1], r"lengths is \[0, 5\]"), ([5], [], r"batch_sizes is \[\]")]
)
def test_numbers_below_1_are_refused(lengths: list[int], sizes: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}. Give at least one number, each at least 1."):
        make_workloads(lengths, sizes)


def test_results_are_in_the_order_of_the_workloads(comparison: ScalingComparison) -> None:
    assert [result.setting for result in comparison.results] == comparison.workloads
    assert comparison.error is None


def test_documents_are_cut_to_the_wanted_number_of_words(comparison: ScalingComparison) -> None:
    assert [result.n_docs for result in comparison.results] == [100, 10, 1, 50, 50]
    assert [result.n_words for result in comparison.results] == [1000, 1000, 5000, 1000, 1000]


def test_every_workload_has_a_speed_and_all_rounds(comparison: ScalingComparison) -> None:
    assert all(result.words_per_second.median > 0 and len(result.rounds) == 2 for result in comparison.results)


def test_each_workload_is_announced(comparison: ScalingComparison) -> None:
    assert ANNOUNCED[0] == "1 of 5: documents of 10 words, the pipeline's own batch size"
    assert ANNOUNCED[4] == "5 of 5: documents of 20 words, batches of 8"


def test_pipelines_are_listed_once_even_if_equal(comparison: ScalingComparison) -> None:
    twice = make_scaling()
    for result in twice.results:
        result.pipeline = "same"
    assert twice.pipelines == ["same", "same"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), WorkerError("first: its process ended")])
@pytest.mark.parametrize("n_done", [0, 1])
def test_an_error_keeps_the_workloads_measured_before_it(
    pipelines: Path, monkeypatch: pytest.MonkeyPatch, n_done: int, error: BaseException
) -> None:
    measured = make_scaling().results[:2]

    def measure(*_: Any) -> Iterator[Any]:
        yield from [measured] * n_done
        raise error

    monkeypatch.setattr(scaling, "_measure", measure)
    if n_done:
        comparison = compare_scaling(["first", "second"], pipelines / "texts.txt")
        assert comparison.results == measured
        assert comparison.error is error
    else:
        with pytest.raises(type(error)):
            compare_scaling(["first", "second"], pipelines / "texts.txt")
