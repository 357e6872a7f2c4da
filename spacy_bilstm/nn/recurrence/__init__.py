"""The strategies for running recurrent layers, one file each, and the table that chooses among them."""

from .onednn import OneDNNDocument, OneDNNLanes
from .packed import Packed
from .strategy import Strategy, Workload
from .time_steps import TimeStepLoop

__all__ = [
    "STRATEGIES",
    "OneDNNDocument",
    "OneDNNLanes",
    "Packed",
    "Strategy",
    "TimeStepLoop",
    "Workload",
    "find_strategy",
]

STRATEGIES: tuple[type[Strategy], ...] = (TimeStepLoop, OneDNNDocument, OneDNNLanes, Packed)
"""All strategies; the first one that applies is the fastest. To add one, write its file and list it here."""


def find_strategy(workload: Workload) -> type[Strategy]:
    """Return the first strategy that applies to a workload.

    workload: the workload.
    RETURNS: the strategy's class, which lays out the documents when it is called with the workload.
    """
    return next(strategy for strategy in STRATEGIES if strategy.applies(workload))
