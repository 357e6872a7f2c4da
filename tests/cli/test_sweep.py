"""`spacy bilstm sweep`: what it passes on, what it prints, and how it ends."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from spacy_bilstm.cli.sweep_output import describe_sweep
from spacy_bilstm.recipes import make_config
from spacy_bilstm.sweeps import (
    Evaluation,
    RayMissingError,
    SweepProgress,
    SweepResult,
    Trial,
    compute_importances,
    parse_space,
)

RATE = "training.optimizer.learn_rate.initial_rate"
SPACE = parse_space({RATE: {"log_uniform": [0.001, 0.1]}, "training.dropout": {"choice": [0.1, 0.5]}})


def make_result(directory: Path) -> SweepResult:
    """Make a result in which a lower dropout is better, whatever the rate."""
    trials = []
    for number in range(1, 13):
        values = {RATE: number / 1000, "training.dropout": 0.1 if number % 2 else 0.5}
        trials.append(Trial(number, directory, values, "complete", [Evaluation(20, 0.9 if number % 2 else 0.4)]))
    trials.append(Trial(13, directory, {RATE: 0.1, "training.dropout": 0.1}, "failed", error="OSError: disk full"))
    return SweepResult(directory, SPACE, trials, compute_importances(SPACE, trials))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace the sweep. The dictionary has the arguments that it got, and `raises` is the exception that it raises."""
    arguments: dict[str, Any] = {}

    def run_sweep(config: Any, space: Any, directory: Path, **settings: Any) -> SweepResult:
        arguments.update(config=config, space=space, directory=directory, **settings)
        if "raises" in arguments:
            raise arguments["raises"]
        return make_result(directory)

    # The package's attribute `sweep` is the command.
    monkeypatch.setattr(import_module("spacy_bilstm.cli.sweep"), "run_sweep", run_sweep)
    return arguments


@pytest.fixture
def run(tmp_path: Path, run_spacy: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that runs the command with a config and a space."""
    make_config("en", ["tagger"]).to_disk(tmp_path / "config.cfg", interpolate=False)
    (tmp_path / "space.toml").write_text('"training.dropout" = {choice = [0.1, 0.5]}')
    arguments = [tmp_path / "config.cfg", "--space", tmp_path / "space.toml", "--output", tmp_path / "sweep"]
    return lambda *more, exit_code=0: run_spacy("bilstm", "sweep", *arguments, *more, exit_code=exit_code)


def test_options_and_overrides_are_passed_on(run: Callable[..., Result], called: dict[str, Any]) -> None:
    run("--trials", 5, "--workers", 2, "--seed", 3, "--metric", "tag_acc", "--training.dropout", 0.25)
    expected = {"n_trials": 5, "workers": 2, "seed": 3, "metric": "tag_acc", "grace_steps": None}
    assert {name: called[name] for name in expected} == expected
    assert called["config"]["training"]["dropout"] == 0.25
    assert called["config"]["components"]["tagger"]["model"]["tok2vec"]["width"].startswith("${")


def test_the_best_trials_and_what_mattered_are_printed(run: Callable[..., Result], called: dict[str, Any]) -> None:
    lines = run().output.splitlines()
    header = next(line for line in lines if "initial_rate" in line)
    assert header.split() == ["trial", "score", "step", "state", "initial_rate", "dropout"]
    assert ["1", "0.9000", "20", "complete", "0.001", "0.1"] in [line.split() for line in lines]
    mattered = next(line for line in lines if line.startswith("training.dropout"))
    assert mattered.split(maxsplit=3)[1:2] == ["100%"]
    assert "0.1: 0.9000, 0.5: 0.4000" in mattered
    assert any("Trial 13 failed." in line for line in lines)
    assert any("OSError: disk full" in line for line in lines)


def test_the_plot_is_drawn(run: Callable[..., Result], called: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra 'plots'")
    run("--plot", tmp_path / "sweep.svg")
    assert "explains 100%" in (tmp_path / "sweep.svg").read_text(encoding="utf8")
    called.clear()
    output = run("--plot", tmp_path / "sweep.txt", exit_code=1).output
    assert "End its name with .svg or .png" in " ".join(output.split())
    assert not called


def test_ctrl_c_says_how_to_continue(run: Callable[..., Result], called: dict[str, Any]) -> None:
    called["raises"] = KeyboardInterrupt()
    assert "Run the same command again to continue" in run(exit_code=130).output


def test_errors_are_messages(run: Callable[..., Result], called: dict[str, Any], tmp_path: Path) -> None:
    called["raises"] = RayMissingError("Sweeps")
    assert "Sweeps need Ray" in run(exit_code=1).output
    (tmp_path / "space.toml").write_text('"training.dropout" = {choice = [0.1]}')
    assert "choice needs at least two values" in " ".join(run(exit_code=1).output.split())


def test_progress_is_a_line(tmp_path: Path) -> None:
    trials = make_result(tmp_path).trials
    progress = SweepProgress(trials[1], n_trials=20, n_done=5, n_stopped=3, best=trials[0])
    assert describe_sweep(progress) == (
        "5 of 20 trials done, 3 stopped early | trial 2: step 20, score 0.4000 | best 0.9000, trial 1"
    )


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        ("{choice = [1979-05-27, 1980-01-01]}", "values that a config can't have"),
        ("{choice = [1.0, nan]}", "values that a config can't have"),
        ("{randint = [0, 99999999999999999999]}", "randint needs limits"),
        ("{uniform = [-1.7e308, 1.7e308]}", "too far apart"),
        (f"{{uniform = [0, 1{'0' * 400}]}}", "is not a valid space"),
    ],
)
def test_values_that_cannot_be_drawn_or_stored_are_refused(
    run: Callable[..., Result], tmp_path: Path, called: dict[str, Any], distribution: str, message: str
) -> None:
    (tmp_path / "space.toml").write_text(f'"training.dropout" = {distribution}')
    output = " ".join(run(exit_code=1).output.split())
    assert "The sweep can't run." in output
    assert message in output
    assert not called


def test_a_space_saved_by_a_windows_editor_is_read(
    run: Callable[..., Result], tmp_path: Path, called: dict[str, Any]
) -> None:
    (tmp_path / "space.toml").write_bytes(b'\xef\xbb\xbf"training.dropout" = {choice = [0.1, 0.5]}\r\n')
    run()
    assert [parameter.path for parameter in called["space"]] == ["training.dropout"]


def test_a_folder_that_cannot_be_written_is_one_message(run: Callable[..., Result], called: dict[str, Any]) -> None:
    called["raises"] = PermissionError("read-only")
    assert "read-only" in run(exit_code=1).output
