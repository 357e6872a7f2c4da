"""Test the results of a comparison and their JSON file."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import srsly

from spacy_bilstm.experiments import Comparison, OtherSettingsError, Run, Variant

VARIANTS = [Variant("gru"), Variant("lstm")]


def make_run(variant: Variant, seed: int, score: float = 0.5) -> Run:
    """Make a run with one score."""
    return Run(variant, seed, {"tag_acc": score}, 1.0, 100.0, 1000.0, 10)


def make_comparison(output: Path | None = None, **settings: Any) -> Comparison:
    """Make a comparison of two variants and two seeds without runs."""
    return Comparison("merge", {"steps": 4, **settings}, VARIANTS, [0, 1], {"tag_acc": 0.25}, output)


def test_missing_runs_are_ordered_by_seed() -> None:
    comparison = make_comparison()
    comparison.add(make_run(VARIANTS[1], 0))
    assert comparison.missing == [(VARIANTS[0], 0), (VARIANTS[0], 1), (VARIANTS[1], 1)]


def test_a_summary_has_the_mean_and_the_standard_deviation() -> None:
    comparison = make_comparison()
    for seed, score in enumerate((0.25, 0.75)):
        comparison.add(make_run(VARIANTS[0], seed, score))
    (summary,) = comparison.summaries
    assert (summary.variant, summary.n_seeds) == (VARIANTS[0], 2)
    assert summary.scores["tag_acc"].mean == mean([0.25, 0.75])
    assert summary.scores["tag_acc"].sd == stdev([0.25, 0.75])


def test_a_single_run_has_no_standard_deviation() -> None:
    comparison = make_comparison()
    comparison.add(make_run(VARIANTS[0], 0))
    assert comparison.summaries[0].scores["tag_acc"].sd is None


def test_a_file_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    make_comparison(path).add(make_run(VARIANTS[0], 0))
    assert make_comparison(path).runs == [make_run(VARIANTS[0], 0)]


@pytest.mark.parametrize("number", [0.3, 0.1, 0.003])
def test_a_file_with_fractions_in_its_settings_is_continued(tmp_path: Path, number: float) -> None:
    path = tmp_path / "out.json"
    make_comparison(path, dropout=number).add(make_run(VARIANTS[0], 0, number))
    assert make_comparison(path, dropout=number).runs == [make_run(VARIANTS[0], 0, number)]


def test_a_file_keeps_the_runs_of_other_variants(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    other = make_run(Variant("rnn"), 5)
    make_comparison(path).add(other)
    comparison = make_comparison(path)
    comparison.add(make_run(VARIANTS[0], 0))
    assert [row["name"] for row in srsly.read_json(path)["summary"]] == ["RNN", "GRU"]
    assert [summary.variant for summary in comparison.summaries] == VARIANTS[:1]


def test_a_file_with_other_settings_is_an_error_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    make_comparison(path, learn_rate=0.003).add(make_run(VARIANTS[0], 0))
    before = path.read_bytes()
    with pytest.raises(OtherSettingsError, match=r"learn_rate: 0\.003 there, 0\.5 now"):
        make_comparison(path, learn_rate=0.5)
    assert path.read_bytes() == before


def test_a_file_with_runs_of_other_versions_is_an_error_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    make_comparison(path).add(make_run(VARIANTS[0], 0))
    content = srsly.read_json(path)
    srsly.write_json(path, content | {"versions": content["versions"] | {"torch": "1.0"}})
    before = path.read_bytes()
    with pytest.raises(OtherSettingsError, match=r"other versions \(torch: 1\.0 there, \S+ now\)"):
        make_comparison(path)
    assert path.read_bytes() == before


def test_a_file_of_other_versions_without_runs_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    make_comparison(path).save()
    srsly.write_json(path, srsly.read_json(path) | {"versions": {}})
    assert make_comparison(path).runs == []


def test_a_file_with_something_else_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text('{"other": 1}', encoding="utf8")
    with pytest.raises(OtherSettingsError, match="does not hold results"):
        make_comparison(path)
