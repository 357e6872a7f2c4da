"""Sweeps with a stand-in for Ray Tune: what folders hold, what later calls do, and what is refused."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from spacy.util import load_config
from thinc.api import Config
from toy_sweeps import LEARN_RATE, make_space, make_sweep_config
from toy_training import write_corpus

from spacy_bilstm.sweeps import (
    DirectoryLockedError,
    Evaluation,
    RayMissingError,
    SpaceError,
    SweepError,
    SweepProgress,
    SweepResult,
    Trial,
    draw_sweep,
    parse_space,
    run_sweep,
    tune_engine,
)
from spacy_bilstm.sweeps import sweep as sweep_module
from spacy_bilstm.sweeps.configs import complete_config
from spacy_bilstm.sweeps.trials import TrialStore
from spacy_bilstm.util.lock import lock_directory

End = tuple[str, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return make_sweep_config(write_corpus(tmp_path_factory.mktemp("corpus")))


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replace Ray Tune. `ends` has the state and the evaluations that each trial gets, and `begun` the trials."""
    fake = SimpleNamespace(ends={}, begun=[], settings=None)

    def run_trials(store: TrialStore, trials: Sequence[Trial], workers: int, settings: Any, on_change: Any) -> None:
        fake.settings = settings
        for trial in trials:
            if not trial.is_done:
                fake.begun.append(trial.number)
                trial.state, evaluations = fake.ends.get(trial.number, ("complete", [(2, trial.number / 10)]))
                if trial.state == "interrupt":
                    raise KeyboardInterrupt
                for step, score in evaluations:
                    trial.add(Evaluation(step, score))
                trial.error = "broken" if trial.state in ("failed", "diverged") else None
                store.write(trial)
                on_change(trial)

    monkeypatch.setattr(tune_engine, "run_trials", run_trials)
    monkeypatch.setattr(sweep_module, "check_ray", lambda purpose: None)
    monkeypatch.setattr(sweep_module, "complete_config", lambda config: complete(config.to_str()))
    return fake


@cache
def complete(config: str) -> Config:
    """Complete a config once, because that builds a pipeline."""
    return complete_config(Config().from_str(config, interpolate=False))


@pytest.fixture
def run(config: Config, tmp_path: Path) -> Callable[..., SweepResult]:
    """Return a function that runs a sweep of three trials in the folder `sweep`."""

    def call(**settings: Any) -> SweepResult:
        arguments = {"config": config, "space": make_space(), "directory": tmp_path / "sweep", "n_trials": 3} | settings
        return run_sweep(**arguments)

    return call


def test_the_best_trial_and_its_config(run: Callable[..., SweepResult], tmp_path: Path) -> None:
    result = run()
    assert [trial.number for trial in result.trials] == [3, 2, 1]
    assert result.best is not None
    assert result.best.best == Evaluation(2, 0.3)
    best = load_config(tmp_path / "sweep" / "best.cfg", interpolate=True)
    assert best["training"]["optimizer"]["learn_rate"]["initial_rate"] == result.best.values[LEARN_RATE]
    trained = load_config(result.best.directory / "config.cfg", interpolate=True)
    assert best == trained


def test_results_have_a_line_for_each_trial(
    run: Callable[..., SweepResult], engine: SimpleNamespace, tmp_path: Path
) -> None:
    engine.ends = {1: ("stopped", [(2, 0.2), (4, 0.4), (6, 0.3)]), 2: ("diverged", [])}
    run()
    rows = [json.loads(line) for line in (tmp_path / "sweep" / "results.jsonl").read_text().splitlines()]
    assert [row["trial"] for row in rows] == [1, 2, 3]
    assert [rows[0][name] for name in ("state", "score", "step", "last_step")] == ["stopped", 0.4, 4, 6]
    assert [rows[1][name] for name in ("state", "score", "step", "error")] == ["diverged", None, None, "broken"]
    assert set(rows[0]["values"]) == {LEARN_RATE, "training.seed"}


def test_the_later_one_of_equal_scores_is_the_best_as_in_training(
    run: Callable[..., SweepResult], engine: SimpleNamespace
) -> None:
    engine.ends = {3: ("complete", [(2, 0.1), (4, 0.9), (6, 0.9), (8, 0.5)])}
    result = run()
    assert result.best is not None
    assert result.best.best == Evaluation(6, 0.9)


def test_the_same_seed_gives_the_same_values(run: Callable[..., SweepResult], tmp_path: Path) -> None:
    values = [
        {trial.number: trial.values for trial in run(directory=tmp_path / name, seed=seed, n_trials=n).trials}
        for name, seed, n in (("a", 1, 3), ("b", 1, 4), ("c", 2, 3))
    ]
    assert values[0] == {number: values[1][number] for number in values[0]}
    assert values[0] != values[2]


def test_an_interrupted_sweep_goes_on(run: Callable[..., SweepResult], engine: SimpleNamespace) -> None:
    engine.ends = {2: ("interrupt", [])}
    with pytest.raises(KeyboardInterrupt):
        run()
    engine.ends = {}
    assert {trial.state for trial in run().trials} == {"complete"}
    assert engine.begun == [1, 2, 2, 3]


def test_a_complete_sweep_trains_nothing_and_needs_no_ray(
    run: Callable[..., SweepResult], engine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(purpose: str) -> None:
        raise RayMissingError(purpose)

    first = run()
    monkeypatch.setattr(sweep_module, "check_ray", refuse)
    assert run() == first
    assert engine.begun == [1, 2, 3]
    with pytest.raises(RayMissingError, match=r"Sweeps need Ray.*spacy-bilstm\[ray\]"):
        run(n_trials=4)


def test_more_trials_are_added_and_fewer_change_nothing(
    run: Callable[..., SweepResult], engine: SimpleNamespace
) -> None:
    run()
    assert len(run(n_trials=5).trials) == 5
    assert len(run(n_trials=1).trials) == 5
    assert engine.begun == [1, 2, 3, 4, 5]


def test_failed_trials_are_tried_again_and_diverged_ones_are_not(
    run: Callable[..., SweepResult], engine: SimpleNamespace
) -> None:
    engine.ends = {1: ("failed", []), 2: ("diverged", [])}
    assert {trial.number: trial.error for trial in run().trials} == {1: "broken", 2: "broken", 3: None}
    engine.ends = {}
    assert {trial.number: trial.state for trial in run().trials} == {1: "complete", 2: "diverged", 3: "complete"}


def test_a_training_that_ended_just_before_the_sweep_was_killed_is_complete(
    run: Callable[..., SweepResult], engine: SimpleNamespace, tmp_path: Path
) -> None:
    engine.ends = {1: ("waiting", [(2, 0.5)])}
    run()
    checkpoints = tmp_path / "sweep" / "trials" / "0001" / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "complete.json").write_text("{}")
    assert run().trials[0].state == "complete"
    assert engine.begun == [1, 2, 3]


def test_if_all_trials_fail_the_first_error_is_shown(run: Callable[..., SweepResult], engine: SimpleNamespace) -> None:
    engine.ends = {number: ("failed", []) for number in (1, 2, 3)}
    with pytest.raises(SweepError, match=r"No trial has a score\.\n- trial 1: broken"):
        run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": parse_space({"training.seed": {"choice": [1, 2]}})}, "space.training.seed: "),
        ({"seed": 7}, "seed: 0 there, 7 now"),
        ({"metric": "ents_f"}, "metric: None there, 'ents_f' now"),
        ({"grace_steps": 4}, "grace_steps: 2 there, 4 now"),
        ({"reduction_factor": 2.0}, "reduction_factor: 3.0 there, 2.0 now"),
    ],
)
def test_another_sweep_in_the_folder_is_refused_by_name(
    run: Callable[..., SweepResult], change: dict[str, Any], message: str
) -> None:
    run()
    with pytest.raises(SweepError, match="has another sweep") as error:
        run(**change)
    assert message in str(error.value)
    run()


def test_another_config_or_corpus_in_the_folder_is_refused_by_name(
    run: Callable[..., SweepResult], config: Config, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path)
    run(config=make_sweep_config(corpus))
    with pytest.raises(SweepError, match=r"training.dropout: 0.1 there, 0.2 now"):
        run(config=make_sweep_config(corpus, dropout=0.2))
    write_corpus(tmp_path, 11)
    with pytest.raises(SweepError, match=r"the content of .*train.spacy"):
        run(config=make_sweep_config(corpus))


def test_a_folder_with_other_content_is_refused(run: Callable[..., SweepResult], tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "thesis.tex").touch()
    with pytest.raises(SweepError, match="other content than a sweep"):
        run()


def test_a_second_process_is_refused(run: Callable[..., SweepResult], tmp_path: Path) -> None:
    run()
    with lock_directory(tmp_path / "sweep", ".lock"), pytest.raises(DirectoryLockedError):
        run()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"space": parse_space({"training.dropuot": {"choice": [1, 2]}})}, SpaceError, "training.dropuot can't vary"),
        ({"metric": "f"}, SpaceError, "no metric 'f'"),
        ({"n_trials": 0}, SweepError, "a trial"),
        ({"reduction_factor": 1}, SweepError, "reduction factor above 1"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    run: Callable[..., SweepResult], tmp_path: Path, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(**settings)
    assert not (tmp_path / "sweep").exists()


def test_a_config_without_a_limit_of_steps_is_refused(run: Callable[..., SweepResult], tmp_path: Path) -> None:
    with pytest.raises(SweepError, match=r"Set training.max_steps above 0"):
        run(config=make_sweep_config(tmp_path, max_steps=0))


def test_no_trial_is_stopped_before_a_sixth_of_its_steps(
    run: Callable[..., SweepResult], engine: SimpleNamespace, tmp_path: Path
) -> None:
    """The comparison is at a step with an evaluation."""
    run(config=make_sweep_config(tmp_path, max_steps=2000, eval_frequency=200))
    assert (engine.settings.grace_steps, engine.settings.max_steps) == (400, 2000)


def test_progress_has_counts_and_the_best_trial(run: Callable[..., SweepResult], engine: SimpleNamespace) -> None:
    engine.ends = {2: ("stopped", [(2, 0.05)])}
    states: list[SweepProgress] = []
    run(progress=states.append)
    assert [(state.trial.number, state.n_done, state.n_stopped, state.n_trials) for state in states] == [
        (1, 1, 0, 3),
        (2, 2, 1, 3),
        (3, 3, 1, 3),
    ]
    assert [state.best and state.best.number for state in states] == [1, 1, 3]


def test_the_plot_has_the_most_important_setting_first(run: Callable[..., SweepResult]) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    result = run(n_trials=9)
    figure = draw_sweep(result)
    labels = [axes.get_xlabel().replace("\n", ".") for axes in figure.axes]
    assert labels == [importance.path for importance in result.importances]
    assert figure.axes[0].get_title() == f"explains {result.importances[0].share:.0%}"
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines) == 9
