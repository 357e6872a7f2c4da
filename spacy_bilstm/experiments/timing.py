"""Time several calls in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from statistics import median
from typing import TypeVar

from tqdm import tqdm

Key = TypeVar("Key", bound=Hashable)


def time_in_turns(
    calls: Mapping[Key, Callable[[], object]], rounds: int, progress: bool = False
) -> dict[Key, list[float]]:
    """Time calls in turns, so a change in the machine's speed affects all equally.

    calls: the calls by key.
    rounds: number of rounds. Each round makes every call once, after a first round that only warms up.
    progress: whether to show a progress bar, if standard error is a terminal.
    RETURNS: the seconds of each call in each round, by key.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in calls}
    for _ in tqdm(range(rounds + 1), unit="round", disable=None if progress else True, dynamic_ncols=True):
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[key].append(time.perf_counter() - start)
    return {key: values[1:] for key, values in seconds.items()}


def get_medians(calls: Mapping[Key, Callable[[], object]], rounds: int) -> dict[Key, float]:
    """Time calls in turns and return the median seconds of each call.

    calls, rounds: as in `time_in_turns`.
    """
    return {key: median(seconds) for key, seconds in time_in_turns(calls, rounds).items()}
