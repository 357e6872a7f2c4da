"""Time several calls in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from statistics import median
from typing import TypeVar

from ..benchmarks.rounds import interleave

Key = TypeVar("Key", bound=Hashable)


def time_in_turns(
    calls: Mapping[Key, Callable[[], object]], rounds: int, progress: bool = False
) -> dict[Key, list[float]]:
    """Time calls in turns, so a change in the machine's speed affects all equally.

    calls: the calls by key. Each is made once before the first round, to warm up.
    rounds: number of rounds, >= 1. Each round makes every call once.
    progress: whether to show a progress bar on a terminal.
    RETURNS: the seconds of each call in each round, by key. After Ctrl-C, those of the completed rounds.
    """
    for call in calls.values():
        call()

    def measure(key: Key, number: int) -> float:
        start = time.perf_counter()
        calls[key]()
        return time.perf_counter() - start

    seconds = interleave(list(calls), measure, rounds, progress)
    return {key: [of_round[i] for of_round in seconds] for i, key in enumerate(calls)}


def get_medians(calls: Mapping[Key, Callable[[], object]], rounds: int) -> dict[Key, float]:
    """Time calls in turns and return the median seconds of each call.

    calls, rounds: as in `time_in_turns`.
    """
    return {key: median(seconds) for key, seconds in time_in_turns(calls, rounds).items()}
