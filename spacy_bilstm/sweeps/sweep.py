"""Train a config with many values of its settings, stop bad trials early, and find what mattered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thinc.api import Config

from ..training.checkpoints import describe_inputs
from ..training.resumable import CHECKPOINT_STEPS
from ..util.files import atomic_write
from ..util.lock import lock_directory
from ..util.ray_runtime import check_ray
from .configs import check_space, complete_config, separate_log, set_values, weight_metric
from .importance import Importance, compute_importances
from .space import Parameter, describe_space, draw_values
from .trials import FAILED, LOCK, STOPPED, WAITING, SweepError, Trial, TrialStore

# Without `grace_steps`, each trial gets this share of its steps.
_GRACE_SHARE = 1 / 6


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is.

    trial: the trial that has changed.
    n_trials: number of trials.
    n_done: number of trials that are done, those that were stopped included.
    n_stopped: number of trials that were stopped early.
    best: the best trial so far, or None if none has a score.
    """

    trial: Trial
    n_trials: int
    n_done: int
    n_stopped: int
    best: Trial | None


@dataclass(frozen=True)
class SweepResult:
    """The end of a sweep.

    directory: its folder, with `trials`, `results.jsonl` and `best.cfg`.
    space: what varied.
    trials: the trials, best first. Those without a score are last.
    importances: how much each setting mattered, most important first; empty if there are too few trials.
    """

    directory: Path
    space: Sequence[Parameter]
    trials: Sequence[Trial]
    importances: Sequence[Importance]

    @property
    def best(self) -> Trial | None:
        """The trial with the best score, or None if none has one."""
        return self.trials[0] if self.trials and self.trials[0].best else None


def run_sweep(
    config: Config,
    space: Sequence[Parameter],
    directory: str | Path,
    *,
    n_trials: int = 20,
    workers: int = 1,
    seed: int = 0,
    metric: str | None = None,
    grace_steps: int | None = None,
    reduction_factor: float = 3.0,
    checkpoint_steps: int = CHECKPOINT_STEPS,
    code: Path | None = None,
    progress: Callable[[SweepProgress], object] | None = None,
) -> SweepResult:
    """Train a config with many values of its settings. If an earlier call was interrupted at any moment, go on.

    Ray Tune runs the trials and stops the bad ones early, by asynchronous successive halving. Each trial is a training
    as `train_with_checkpoints` makes it, in a folder of its own, `trials/0001` and so on. Trials that were running when
    the sweep was interrupted continue from their last checkpoint. A later call with more trials adds trials.

    ASHA: Li et al. (2020), A System for Massively Parallel Hyperparameter Tuning.

    config: the config, as `spacy.util.load_config` returns it with `interpolate=False`. It sets `training.max_steps`.
    space: what varies, as `read_space` or `parse_space` returns it.
    directory: the folder: new, empty, or of an earlier call with the same config, space and settings.
    n_trials: number of trials, >= 1.
    workers: number of trials at a time, >= 1. Each has a process with one thread.
    seed: seed of the values. The same seed gives the same values, whatever the number of trials and workers.
    metric: name of the score that counts, such as `"ents_f"`; None for the weighted score of the config.
    grace_steps: number of steps before which no trial is stopped; None for a sixth of `training.max_steps`. From
        `training.max_steps` on, no trial is stopped.
    reduction_factor: after `grace_steps` steps, that times this factor, and so on, a trial is compared with all that
        got so far. It goes on if it is among the best `1 / reduction_factor` of them; > 1.
    checkpoint_steps: number of steps between two checkpoints of a trial, >= 1.
    code: file of Python code that the config needs. Call `spacy.util.import_file` before.
    progress: called after each evaluation and at the end of each trial.
    RETURNS: the trials and how much each setting mattered.
    RAISES: SpaceError if the space or the metric does not fit the config; SweepError if the folder has another sweep or
        other content, or all trials failed; DirectoryLockedError if another process runs the sweep; RayMissingError if
        trials are to be trained and Ray is not installed.
    """
    if n_trials < 1 or workers < 1 or seed < 0 or reduction_factor <= 1:
        raise SweepError("A sweep needs a trial, a worker, a seed of at least 0 and a reduction factor above 1.")
    space, store = list(space), TrialStore(Path(directory))
    complete = complete_config(config)
    check_space(space, complete)
    scored = config if metric is None else weight_metric(config, complete, metric)
    if not complete["training"]["max_steps"]:
        raise SweepError("The config has no limit of steps. Set training.max_steps above 0.")
    grace_steps = grace_steps or _choose_grace_steps(complete)
    inputs = describe_inputs(config.interpolate(), [] if code is None else [code])
    sweep = {"metric": metric, "seed": seed, "grace_steps": grace_steps, "reduction_factor": reduction_factor}
    sweep |= {f"space.{path}": distribution for path, distribution in describe_space(space).items()}
    description = {"settings": inputs["settings"] | sweep, "files": inputs["files"]}
    store.check(description)
    store.directory.mkdir(parents=True, exist_ok=True)
    with lock_directory(store.directory, LOCK):
        store.check(description)
        store.write_description(description)
        trials = _make_trials(store, scored, space, seed, max(n_trials, store.count()))
        if any(not trial.is_done for trial in trials):
            _run(store, trials, scored, workers, grace_steps, reduction_factor, checkpoint_steps, code, progress)
        return _conclude(store, space, trials, scored)


def _make_trials(store: TrialStore, config: Config, space: list[Parameter], seed: int, n_trials: int) -> list[Trial]:
    """Read the trials, and add those that are missing."""
    trials = []
    for number in range(1, n_trials + 1):
        trial = store.read(number)
        if trial is None:
            trial = Trial(number, store.get_directory(number), draw_values(space, seed, number))
            store.add(trial, separate_log(set_values(config, trial.values), trial.directory))
        elif trial.state == FAILED:
            trial.state, trial.error = WAITING, None
        trials.append(trial)
    return trials


def _run(
    store: TrialStore,
    trials: list[Trial],
    config: Config,
    workers: int,
    grace_steps: int,
    reduction_factor: float,
    checkpoint_steps: int,
    code: Path | None,
    progress: Callable[[SweepProgress], object] | None,
) -> None:
    check_ray("Sweeps")
    from .tune_engine import TrialSettings, run_trials

    def report(changed: Trial) -> None:
        store.write_results(trials)
        if progress is not None:
            done = [trial for trial in trials if trial.state != WAITING]
            n_stopped = sum(trial.state == STOPPED for trial in done)
            best = max((trial for trial in trials if trial.best), key=_get_score, default=None)
            progress(SweepProgress(changed, len(trials), len(done), n_stopped, best))

    max_steps = max(_get_max_steps(set_values(config, trial.values)) for trial in trials)
    settings = TrialSettings(checkpoint_steps, code, grace_steps, reduction_factor, max_steps)
    run_trials(store, trials, workers, settings, report)


def _conclude(store: TrialStore, space: list[Parameter], trials: list[Trial], config: Config) -> SweepResult:
    store.write_results(trials)
    ranked = sorted(trials, key=_get_score, reverse=True)
    result = SweepResult(store.directory, space, ranked, compute_importances(space, trials))
    if result.best is None:
        errors = [f"trial {trial.number}: {trial.error}" for trial in trials if trial.error]
        raise SweepError("No trial has a score.\n- " + "\n- ".join(errors[:3]))
    with atomic_write(store.directory / "best.cfg") as draft:
        set_values(config, result.best.values).to_disk(draft, interpolate=False)
    return result


def _get_score(trial: Trial) -> float:
    return float("-inf") if trial.best is None else trial.best.score


def _get_max_steps(config: Config) -> int:
    steps: Any = config.interpolate()["training"].get("max_steps")
    return int(steps or 0)


def _choose_grace_steps(complete: Config) -> int:
    """Choose a share of the steps, rounded up to a step with an evaluation."""
    max_steps, frequency = complete["training"]["max_steps"], complete["training"]["eval_frequency"]
    return max(1, -int(-max_steps * _GRACE_SHARE // frequency)) * int(frequency)
