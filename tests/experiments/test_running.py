"""Test `compare`, which trains encoders on a task."""

from collections.abc import Callable
from pathlib import Path

import pytest

from spacy_bilstm.experiments import Comparison, Run, compare, make_long_gap_task, make_merge_task, make_variants

GRU = make_variants(["gru"], [1])


def compare_gru(output: Path | None = None, on_run: Callable[[Run], object] | None = None) -> Comparison:
    """Compare one small encoder on one distance with one seed."""
    return compare(make_long_gap_task([5]), GRU, width=16, steps=4, seeds=[0], output=output, on_run=on_run)


def test_a_seed_gives_the_same_scores_again() -> None:
    assert compare_gru().runs[0].scores == compare_gru().runs[0].scores


def test_compare_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    compare_gru()
    output = capfd.readouterr()
    assert not output.out
    assert not output.err


def test_a_finished_comparison_is_not_repeated(tmp_path: Path) -> None:
    runs: list[Run] = []
    first = compare_gru(tmp_path / "out.json", runs.append)
    assert runs == first.runs
    again = compare_gru(tmp_path / "out.json", runs.append)
    assert len(runs) == 1
    assert [run.scores for run in again.runs] == [run.scores for run in first.runs]


def test_an_encoder_that_cannot_have_the_width_is_an_error_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encoder BiLSTM\. .* must be even"):
        compare(make_merge_task(), make_variants(["lstm"]), width=15, output=tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()
