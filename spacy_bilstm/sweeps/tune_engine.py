"""Run the trials of a sweep with Ray Tune, in processes of their own."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from spacy.util import import_file, load_config

from ..training.divergence import DivergedError
from ..training.resumable import train_with_checkpoints
from ..util.lock import DirectoryLockedError, lock_directory
from ..util.ray_runtime import start_ray
from .trials import COMPLETE, DIVERGED, FAILED, LOCK, STOPPED, Evaluation, Trial, TrialStore

# How often a trial is tried again if its process ends, such as for want of memory.
_N_RETRIES = 2
_LOCK_SECONDS = 60.0
# Ray Tune's own files, signal handling and working directories, which a sweep replaces.
_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class TrialSettings:
    """How all trials are trained and when they are stopped.

    checkpoint_steps: number of steps between two checkpoints of a trial.
    code: file of Python code that the config needs, or None.
    grace_steps, reduction_factor: when trials are stopped, as for `run_sweep`.
    max_steps: number of steps of the longest trial.
    """

    checkpoint_steps: int
    code: Path | None
    grace_steps: int
    reduction_factor: float
    max_steps: int


def run_trials(
    store: TrialStore,
    trials: Sequence[Trial],
    workers: int,
    settings: TrialSettings,
    on_change: Callable[[Trial], object],
) -> None:
    """Train the trials that are not done. Each change of a trial is stored at once.

    store: where they are stored.
    trials: all trials. Those that are done count in the comparisons of early stopping.
    workers: number of trials at a time, each in a process with one thread.
    settings: how they are trained.
    on_change: called with a trial after each of its evaluations and at its end.
    """
    # Interrupted trials go on first.
    waiting = sorted((trial for trial in trials if not trial.is_done), key=lambda trial: not trial.evaluations)
    directories = {trial.number: str(trial.directory) for trial in waiting}
    train = partial(_train, directories=directories, settings=settings, cwd=os.getcwd())
    with _set_environment(), start_ray(workers), tempfile.TemporaryDirectory() as scratch:
        from ray import tune

        tune.Tuner(
            tune.with_resources(train, {"cpu": 1}),
            param_space={"number": tune.grid_search(list(directories))},
            tune_config=tune.TuneConfig(
                scheduler=make_scheduler([trial for trial in trials if trial.is_done], settings),
                max_concurrent_trials=workers,
                reuse_actors=False,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=scratch,
                callbacks=[_make_recorder(store, waiting, on_change)],
                failure_config=tune.FailureConfig(max_failures=_N_RETRIES),
                verbose=0,
            ),
        ).fit()


def make_scheduler(done: Sequence[Trial], settings: TrialSettings) -> Any:
    """Make Ray Tune's scheduler, in the state that it had after some trials.

    done: the trials.
    settings: when trials are stopped.
    RETURNS: the scheduler, an `ASHAScheduler`.
    """
    from ray.tune.schedulers import ASHAScheduler

    # A trial that has reached its last step is complete. So the last comparison is before it.
    max_t = max(settings.max_steps - 1, settings.grace_steps)
    scheduler = ASHAScheduler(
        time_attr="step",
        metric="score",
        mode="max",
        max_t=max_t,
        grace_period=settings.grace_steps,
        reduction_factor=settings.reduction_factor,
        stop_last_trials=False,
    )
    for trial in done:
        stored = SimpleNamespace(trial_id=f"stored {trial.number}")
        scheduler.on_trial_add(None, stored)
        for result in _iterate_results(trial.evaluations):
            scheduler.on_trial_result(None, stored, result)
    return scheduler


def _iterate_results(evaluations: Sequence[Evaluation]) -> Iterator[dict[str, float]]:
    """Yield each step with the best score until then, because that is of the model that a trial would leave."""
    best = float("-inf")
    for evaluation in evaluations:
        best = max(best, evaluation.score)
        yield {"step": evaluation.step, "score": best}


@contextmanager
def _set_environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _train(config: dict[str, Any], directories: dict[int, str], settings: TrialSettings, cwd: str) -> None:
    """Train a trial, in a process of Ray. The training ends at a report if the scheduler stops the trial."""
    from ray import tune

    os.chdir(cwd)
    torch.set_num_threads(1)
    directory = Path(directories[config["number"]])
    evaluations: list[Evaluation] = []

    def report(info: dict[str, Any]) -> None:
        evaluations.append(Evaluation(info["step"], float(info["score"])))
        *_, result = _iterate_results(evaluations)
        tune.report(result | {"own_score": evaluations[-1].score})

    try:
        code = [] if settings.code is None else [settings.code]
        for file in code:
            import_file("python_code", file)
        with _lock(directory), (directory / "log.txt").open("w", encoding="utf8") as log:
            train_with_checkpoints(
                load_config(directory / "config.cfg", interpolate=False),
                directory,
                checkpoint_steps=settings.checkpoint_steps,
                code=code,
                stdout=log,
                on_evaluation=report,
            )
        end = {"state": COMPLETE}
    except DivergedError as error:
        end = {"state": DIVERGED, "error": str(error)}
    except Exception as error:
        end = {"state": FAILED, "error": f"{type(error).__name__}: {error}"}
    tune.report(end)


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Wait until the process of a killed sweep that trained the trial has ended, and keep others out."""
    for _ in range(int(_LOCK_SECONDS / 0.5)):
        try:
            with lock_directory(directory, LOCK):
                yield
                return
        except DirectoryLockedError:
            time.sleep(0.5)
    with lock_directory(directory, LOCK):
        yield


def _make_recorder(store: TrialStore, trials: Sequence[Trial], on_change: Callable[[Trial], object]) -> Any:
    """Make a callback of Ray Tune that stores what happens to trials."""
    from ray import tune

    by_number = {trial.number: trial for trial in trials}

    class Recorder(tune.Callback):
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any) -> None:
            changed = by_number[trial.config["number"]]
            if "state" in result:
                changed.state, changed.error = result["state"], result.get("error")
            else:
                changed.add(Evaluation(result["step"], result["own_score"]))
                if result.get("done"):  # The scheduler has stopped it.
                    changed.state, changed.error = STOPPED, None
            self._finish(changed)

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            changed = by_number[trial.config["number"]]
            changed.state, changed.error = FAILED, f"Its process ended {_N_RETRIES + 1} times. It may lack memory."
            self._finish(changed)

        def _finish(self, changed: Trial) -> None:
            store.write(changed)
            on_change(changed)

    return Recorder()
