"""How much each setting mattered for the scores of a sweep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from .space import Parameter
from .trials import DIVERGED, Trial

MIN_TRIALS = 8
_N_GROUPS = 3
_N_PERMUTATIONS = 2000


@dataclass(frozen=True)
class Group:
    """The trials with similar values of a setting.

    name: the value, or the range of values.
    n_trials: number of trials.
    median_score: the median of their scores; None if more than half of them have none.
    """

    name: str
    n_trials: int
    median_score: float | None


@dataclass(frozen=True)
class Importance:
    """How much a setting mattered.

    path: the setting's dotted path in the config.
    share: share of the differences between trials that the setting explains, from 0 to 1.
    chance: probability that a setting without any effect would explain as much.
    groups: the groups of trials that were compared, by value.
    """

    path: str
    share: float
    chance: float
    groups: Sequence[Group]


def compute_importances(space: Sequence[Parameter], trials: Sequence[Trial]) -> list[Importance]:
    """Compute how much of the differences between trials each setting explains.

    Trials are ranked by score and grouped by the setting's value; values from a range form three groups of similar
    size. The share is the part of the variance of ranks that is between groups, less what chance gives on average
    (epsilon squared). It is 0 if the setting has no effect and 1 if it alone decides. It finds effects in both
    directions and optima in the middle, but looks at one setting at a time. `chance` comes from 2,000 permutations.

    space: what varied.
    trials: the trials. Those that were stopped early count with their score until then, and those that diverged before
        they had a score as the worst. Others without a score are left out.
    RETURNS: the importances, largest first; none if there are less than 8 trials.
    """
    ranked = [trial for trial in trials if trial.best is not None or trial.state == DIVERGED]
    if len(ranked) < MIN_TRIALS:
        return []
    scores = [_get_score(trial) for trial in ranked]
    ranks = _rank(scores)
    importances = []
    for parameter in space:
        values = [trial.values[parameter.path] for trial in ranked]
        names, labels = _group(parameter, values)
        share, chance = _compare(ranks, labels)
        groups = []
        for label, name in enumerate(names):
            own = [score for score, other in zip(scores, labels, strict=True) if other == label]
            median = float(numpy.median(own))
            groups.append(Group(name, len(own), median if numpy.isfinite(median) else None))
        importances.append(Importance(parameter.path, share, chance, groups))
    return sorted(importances, key=lambda one: (-one.share, one.chance))


def _get_score(trial: Trial) -> float:
    return float("-inf") if trial.best is None else trial.best.score


def _rank(scores: Sequence[float]) -> Any:
    """Return the rank of each score. Equal scores share the mean of their ranks."""
    array = numpy.array(scores)
    smaller = (array[None, :] < array[:, None]).sum(axis=1)
    equal = (array[None, :] == array[:, None]).sum(axis=1)
    return smaller + (equal - 1) / 2


def _group(parameter: Parameter, values: list[Any]) -> tuple[list[str], Any]:
    """Return the names of groups, and the number of each value's group."""
    distinct = sorted(set(values)) if parameter.is_numeric else list(parameter.values)
    if not parameter.is_numeric or len(distinct) <= _N_GROUPS:
        present = [value for value in distinct if value in values]
        return [json.dumps(value) for value in present], numpy.array([present.index(value) for value in values])
    limits = numpy.quantile(values, numpy.linspace(0, 1, _N_GROUPS + 1)[1:-1])
    found, labels = numpy.unique(numpy.searchsorted(limits, values), return_inverse=True)
    names = []
    for label in range(len(found)):
        own = [value for value, other in zip(values, labels, strict=True) if other == label]
        names.append(f"{min(own):g} to {max(own):g}")
    return names, labels


def _compare(ranks: Any, labels: Any) -> tuple[float, float]:
    """Return the share that groups explain, and the probability that as large a one is chance."""
    n, n_groups = len(ranks), int(labels.max()) + 1
    deviations = ranks - ranks.mean()
    total = float((deviations**2).sum())
    if n_groups < 2 or n_groups == n or total == 0:
        return 0.0, 1.0
    generator = numpy.random.default_rng(0)
    shuffled = generator.permuted(numpy.tile(deviations, (_N_PERMUTATIONS, 1)), axis=1)
    members = numpy.eye(n_groups)[labels]
    sizes = members.sum(axis=0)
    between = float(((deviations @ members) ** 2 / sizes).sum()) / total
    by_chance = ((shuffled @ members) ** 2 / sizes).sum(axis=1) / total
    share = 1 - (1 - between) * (n - 1) / (n - n_groups)
    # Sums in another order differ in the last digits.
    chance = (1 + int((by_chance >= between - 1e-9).sum())) / (1 + _N_PERMUTATIONS)
    return max(0.0, share), chance
