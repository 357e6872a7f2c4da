"""Rounds in which all that is compared takes turns, and what their numbers come to."""

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
    """The middle of some numbers, and how far they spread.

    lower, median, upper: the bounds of their four quarters.
    """

    lower: float
    median: float
    upper: float


def get_quartiles(numbers: Iterable[float]) -> Quartiles:
    """Give the quartiles of at least one number, interpolated linearly."""
    return Quartiles(*(float(bound) for bound in numpy.quantile(list(numbers), (0.25, 0.5, 0.75))))


def get_ratio(speeds: Iterable[float], baseline: Iterable[float]) -> float:
    """Give the median over rounds of a speed in relation to the baseline's in the same round."""
    return median(speed / base for speed, base in zip(speeds, baseline, strict=True))


def interleave(
    subjects: Sequence[Subject], measure: Callable[[Subject, int], Measured], n_rounds: int
) -> list[list[Measured]]:
    """Let the subjects take turns in rounds, so that a machine's changing speed meets all alike.

    subjects: what is compared. Each round starts with another one.
    measure: called with a subject and the number of the round.
    n_rounds: number of rounds.
    RETURNS: for each round, what was measured of each subject, in the order of the subjects. After an interrupt from
        the keyboard these are the rounds that were completed.
    RAISES: KeyboardInterrupt if it comes before the first round is complete.
    """
    rounds: list[list[Measured]] = []
    with tqdm(total=n_rounds * len(subjects), unit="turn", leave=False, disable=None) as progress:
        try:
            for i in range(n_rounds):
                measured: dict[int, Measured] = {}
                for turn in range(len(subjects)):
                    k = (i + turn) % len(subjects)
                    measured[k] = measure(subjects[k], i)
                    progress.update()
                rounds.append([measured[k] for k in range(len(subjects))])
        except KeyboardInterrupt:
            if not rounds:
                raise
    return rounds
