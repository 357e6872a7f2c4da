"""Sweeps: train a config with many values of its settings, and find the best values and what mattered."""

from ..util.lock import DirectoryLockedError
from ..util.ray_runtime import RayMissingError
from .charts import draw_sweep
from .importance import Group, Importance, compute_importances
from .space import Parameter, SpaceError, parse_space, read_space
from .sweep import SweepProgress, SweepResult, run_sweep
from .trials import Evaluation, SweepError, Trial

__all__ = [
    "DirectoryLockedError",
    "Evaluation",
    "Group",
    "Importance",
    "Parameter",
    "RayMissingError",
    "SpaceError",
    "SweepError",
    "SweepProgress",
    "SweepResult",
    "Trial",
    "compute_importances",
    "draw_sweep",
    "parse_space",
    "read_space",
    "run_sweep",
]
