"""Print how far a sweep is, and its results."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from wasabi import msg

from ..sweeps import Group, SweepProgress, SweepResult

_N_SHOWN = 10


def describe_sweep(progress: SweepProgress) -> str:
    """Return how far a sweep is, as a line.

    progress: the progress.
    RETURNS: such as `"5 of 20 trials done, 3 stopped early | trial 6: step 400, score 0.81 | best 0.85, trial 2"`.
    """
    trial = progress.trial
    parts = [f"{progress.n_done} of {progress.n_trials} trials done, {progress.n_stopped} stopped early"]
    if trial.evaluations:
        last = trial.evaluations[-1]
        parts.append(f"trial {trial.number}: step {last.step}, score {last.score:.4f}")
    if progress.best is not None and progress.best.best is not None:
        parts.append(f"best {progress.best.best.score:.4f}, trial {progress.best.number}")
    return " | ".join(parts)


def print_sweep(result: SweepResult) -> None:
    """Print the best trials and what mattered."""
    paths = [parameter.path for parameter in result.space]
    msg.divider("Best trials")
    rows = []
    for trial in result.trials[:_N_SHOWN]:
        best = trial.best
        score = (f"{best.score:.4f}", str(best.step)) if best else ("-", "-")
        rows.append((str(trial.number), *score, trial.state, *(json.dumps(trial.values[path]) for path in paths)))
    header = ("trial", "score", "step", "state", *_shorten(paths))
    msg.table(rows, header=header, divider=True, aligns=("r", "r", "r", "l", *"r" * len(paths)))
    if result.importances:
        msg.divider("What mattered")
        rows = [
            (one.path, f"{one.share:.0%}", f"{one.chance:.3f}", _describe_groups(one.groups))
            for one in result.importances
        ]
        msg.table(rows, header=("setting", "explains", "p", "median scores, best first"), divider=True, max_col=100)
    states = Counter(trial.state for trial in result.trials)
    msg.good(f"Wrote {result.directory / 'best.cfg'}", ", ".join(f"{n} {state}" for state, n in states.items()))
    for trial in result.trials:
        if trial.error is not None:
            msg.warn(f"Trial {trial.number} {trial.state}.", trial.error.splitlines()[0])


def _describe_groups(groups: Sequence[Group]) -> str:
    """Return the median score of each group, best first."""
    with_scores = [(group.name, group.median_score) for group in groups if group.median_score is not None]
    best_first = sorted(with_scores, key=lambda pair: -pair[1])
    return ", ".join(f"{name}: {score:.4f}" for name, score in best_first)


def _shorten(paths: list[str]) -> list[str]:
    """Return the last name of each path, or as many of its last names as tell it from the others."""
    names = []
    for path in paths:
        parts = path.split(".")
        for n in range(1, len(parts) + 1):
            name = ".".join(parts[-n:])
            if sum(f".{other}".endswith(f".{name}") for other in paths) == 1:
                break
        names.append(name)
    return names
