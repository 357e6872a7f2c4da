"""Measure several subjects in turns, and summarise the numbers of all rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy
from tqdm import tqdm

Subject = TypeVar("Subject")
Measured = TypeVar("Measured")


@dataclass
class Quartiles:
    """The quartiles of some numbers.

    lower, median, upper: first, second and third quartile.
    """

    lower: float
    median: float
    upper: float


def get_quartiles(numbers: Iterable[float]) -> Quartiles:
    """Compute the quartiles of at least one number, with linear interpolation."""
    return Quartiles(*(float(bound) for bound in numpy.quantile(list(numbers), (0.25, 0.5, 0.75))))


def get_ratio(speeds: Iterable[float], baseline: Iterable[float]) -> float:
    """Compute the median over rounds of a speed divided by the baseline's speed in the same round.

    speeds, baseline: one speed per round, > 0.
    RETURNS: the ratio; above 1 if the baseline is slower.
    """
    return median(speed / base for speed, base in zip(speeds, baseline, strict=True))


def interleave(
    subjects: Sequence[Subject],
    measure: Callable[[Subject, int], Measured],
    n_rounds: int,
    progress: bool = False,
) -> list[list[Measured]]:
    """Measure subjects in turns. A change in the machine's speed then affects all of them equally.

    subjects: the things to compare. The subject that starts changes from round to round.
    measure: measures a subject. Takes the subject and the number of the round, from 0.
    n_rounds: number of rounds, >= 1.
    progress: whether to show a progress bar on a terminal.
    RETURNS: for each round, the measurement of each subject, in the order of the subjects. After Ctrl-C, only the
        completed rounds.
    RAISES: KeyboardInterrupt on Ctrl-C before the first round is complete.
    """
    rounds: list[list[Measured]] = []
    # tqdm takes None for "only on a terminal".
    disable = None if progress else True
    with tqdm(total=n_rounds * len(subjects), unit="turn", leave=False, disable=disable) as bar:
        try:
            for i in range(n_rounds):
                measured: dict[int, Measured] = {}
                for turn in range(len(subjects)):
                    k = (i + turn) % len(subjects)
                    measured[k] = measure(subjects[k], i)
                    bar.update()
                rounds.append([measured[k] for k in range(len(subjects))])
        except KeyboardInterrupt:
            if not rounds:
                raise
    return rounds
