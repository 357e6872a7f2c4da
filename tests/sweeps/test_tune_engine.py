"""Sweeps on Ray Tune: early stopping, processes that are killed, and Ctrl-C.

Starting Ray takes several seconds, so most of these tests are slow: python -m pytest -m slow tests/sweeps. They need
the extra `ray`.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy_sweeps
from spacy.util import load_config
from toy_training import get_digests, write_corpus

from spacy_bilstm.experiments.serving import find_processes
from spacy_bilstm.sweeps import Evaluation, SweepResult, Trial, parse_space, run_sweep
from spacy_bilstm.sweeps.tune_engine import TrialSettings, make_scheduler
from spacy_bilstm.training.resumable import train_with_checkpoints

pytest.importorskip("ray", reason="needs the extra 'ray'")


def make_trial(number: int, scores: list[float]) -> Trial:
    """Make a trial that was scored after every 100 steps."""
    evaluations = [Evaluation(100 * i, score) for i, score in enumerate(scores)]
    return Trial(number, Path(str(number)), {}, "complete", evaluations)


@pytest.mark.parametrize(
    ("step", "score", "expected"),
    [
        (100, 0.0, "CONTINUE"),  # Before the first comparison, which is after 200 steps.
        (200, 0.61, "STOP"),
        (200, 0.71, "CONTINUE"),
        (300, 0.0, "STOP"),
        (600, 0.71, "STOP"),
        (600, 0.81, "CONTINUE"),
    ],
)
def test_a_trial_is_compared_with_those_of_an_earlier_call(step: int, score: float, expected: str) -> None:
    """Three trials got to 200 steps, and three to 600. One in three goes on."""
    settings = TrialSettings(checkpoint_steps=100, code=None, grace_steps=200, reduction_factor=3, max_steps=1000)
    done = [make_trial(i, [0.1, 0.2, 0.5 + i / 10]) for i in range(3)]
    done += [make_trial(3 + i, [0.1, 0.7, 0.1, 0.1, 0.1, 0.1, 0.6 + i / 10]) for i in range(3)]
    scheduler = make_scheduler(done, settings)
    trial = SimpleNamespace(trial_id="new")
    scheduler.on_trial_add(None, trial)
    assert scheduler.on_trial_result(None, trial, {"step": step, "score": score}) == expected


def test_a_trial_at_its_last_step_is_complete_and_not_stopped() -> None:
    settings = TrialSettings(checkpoint_steps=100, code=None, grace_steps=200, reduction_factor=2, max_steps=800)
    scheduler = make_scheduler([make_trial(1, [0.9] * 9)], settings)
    trial = SimpleNamespace(trial_id="new")
    scheduler.on_trial_add(None, trial)
    results = [{"step": 100 * i, "score": 0.9 if i < 8 else 0.1} for i in range(9)]
    assert {scheduler.on_trial_result(None, trial, result) for result in results} == {"CONTINUE"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Return a sweep that was not interrupted."""
    return toy_sweeps.run(corpus, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def start(corpus: Path, tmp_path: Path) -> Iterator[Callable[[int], "subprocess.Popen[bytes]"]]:
    """Return a function that starts the sweep in the folder `sweep`, in a group of processes of its own."""
    processes = []

    def begin(workers: int = 1) -> "subprocess.Popen[bytes]":
        arguments = [str(corpus), str(tmp_path / "sweep"), str(workers)]
        command = [sys.executable, toy_sweeps.__file__, *arguments]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True))
        return processes[-1]

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def read_trial(directory: Path, number: int) -> dict[str, Any]:
    path = directory / "trials" / f"{number:04}" / "trial.json"
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"evaluations": [], "state": "waiting"}
    return content


def count_evaluations(directory: Path) -> int:
    numbers = range(1, toy_sweeps.N_TRIALS + 1)
    return sum(len(read_trial(directory, number)["evaluations"]) for number in numbers)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    while not condition():
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.05)


def find_trial_processes(driver: int) -> list[int]:
    """Return the ids of the processes that train trials, by the name that Ray gives them."""
    found = []
    for folder in find_processes(driver):
        with suppress(OSError):  # It has ended.
            if (folder / "cmdline").read_bytes().startswith(b"ray::ImplicitFunc"):
                found.append(int(folder.name))
    return found


def describe(result: SweepResult) -> list[Any]:
    """Return what a sweep of one worker must end with, interrupted or not."""
    trials = sorted(result.trials, key=lambda trial: trial.number)
    return [(trial.number, trial.values, trial.state, trial.evaluations) for trial in trials]


@pytest.mark.slow
def test_each_trial_is_a_normal_training(corpus: Path, whole: SweepResult, tmp_path: Path) -> None:
    """A complete trial has the bytes of a training outside of a sweep. A stopped one goes on if it is trained."""
    by_state = {trial.state: trial for trial in whole.trials}
    assert set(by_state) == {"complete", "stopped"}
    complete, stopped = by_state["complete"], by_state["stopped"]
    config = load_config(complete.directory / "config.cfg", interpolate=False)
    train_with_checkpoints(config, tmp_path / "alone")
    for name in ("model-best", "model-last"):
        assert get_digests(tmp_path / "alone" / name) == get_digests(complete.directory / name)
    assert stopped.evaluations[-1].step < 8
    shutil.copytree(stopped.directory, tmp_path / "stopped")
    config = load_config(stopped.directory / "config.cfg", interpolate=False)
    rest = train_with_checkpoints(config, tmp_path / "stopped")
    assert rest.resumed_at > 0
    assert rest.n_steps == 9


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(
    start: Callable[[int], "subprocess.Popen[bytes]"], corpus: Path, whole: SweepResult, tmp_path: Path
) -> None:
    """Kill the driver while the second trial trains. Trial 1 stays as it is and trial 2 continues."""
    directory = tmp_path / "sweep"
    process = start(1)
    wait_for(lambda: len(read_trial(directory, 2)["evaluations"]) >= 1, process)
    process.kill()
    process.communicate()
    logs = [directory / "trials" / name / "log.txt" for name in ("0001", "0002")]
    times = [path.stat().st_mtime_ns for path in logs]
    running = read_trial(directory, 2)["state"] == "waiting"
    result = toy_sweeps.run(corpus, directory)
    assert describe(result) == describe(whole)
    assert logs[0].stat().st_mtime_ns == times[0]
    if running:
        assert "Continuing after" in logs[1].read_text()
    for trial in result.trials:
        other = whole.directory / "trials" / trial.directory.name
        assert get_digests(trial.directory / "model-best") == get_digests(other / "model-best")


@pytest.mark.slow
def test_a_sweep_killed_ten_times_at_random_has_every_trial_once(
    start: Callable[[int], "subprocess.Popen[bytes]"], corpus: Path, whole: SweepResult, tmp_path: Path
) -> None:
    """Kill the driver at random moments after its first progress. Takes minutes."""
    generator = random.Random(0)
    directory = tmp_path / "sweep"
    n_killed = 0
    while n_killed < 10:
        process = start(1)
        before = directory / "trials" / "0001" / "log.txt"
        time.sleep(generator.random() * 20)
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()[1].decode()
            break
        process.kill()
        process.communicate()
        n_killed += before.exists()
    assert describe(toy_sweeps.run(corpus, directory)) == describe(whole)
    assert len((directory / "results.jsonl").read_text().splitlines()) == toy_sweeps.N_TRIALS


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to a group of processes")
def test_ctrl_c_stops_at_once_and_the_next_call_goes_on(
    start: Callable[[int], "subprocess.Popen[bytes]"], corpus: Path, whole: SweepResult, tmp_path: Path
) -> None:
    process = start(1)
    wait_for(lambda: count_evaluations(tmp_path / "sweep") > 0, process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors.decode()
    assert describe(toy_sweeps.run(corpus, tmp_path / "sweep")) == describe(whole)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_a_trial_whose_process_is_killed_goes_on(
    start: Callable[[int], "subprocess.Popen[bytes]"], corpus: Path, whole: SweepResult, tmp_path: Path
) -> None:
    process = start(1)
    wait_for(lambda: count_evaluations(tmp_path / "sweep") > 1, process)  # So there is a checkpoint.
    (trial,) = find_trial_processes(process.pid)
    os.kill(trial, signal.SIGKILL)
    process.communicate()
    assert "Continuing after" in (tmp_path / "sweep" / "trials" / "0001" / "log.txt").read_text()
    assert describe(toy_sweeps.run(corpus, tmp_path / "sweep")) == describe(whole)


@pytest.mark.slow
def test_two_workers_train_every_trial(corpus: Path, tmp_path: Path) -> None:
    result = toy_sweeps.run(corpus, tmp_path / "sweep", workers=2)
    assert {trial.number for trial in result.trials} == {1, 2, 3, 4}
    assert {trial.state for trial in result.trials} <= {"complete", "stopped"}


@pytest.mark.slow
def test_trials_that_diverge_do_not_end_the_sweep(corpus: Path, tmp_path: Path) -> None:
    space = parse_space({toy_sweeps.LEARN_RATE: {"choice": [0.001, 1e38]}})
    config = toy_sweeps.make_sweep_config(corpus, max_steps=4)
    result = run_sweep(config, space, tmp_path / "sweep", n_trials=4, workers=2, grace_steps=4)
    states = {trial.values[toy_sweeps.LEARN_RATE]: trial.state for trial in result.trials}
    assert states == {0.001: "complete", 1e38: "diverged"}
