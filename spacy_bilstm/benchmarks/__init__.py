"""Compare the speed and memory of pipelines, of their training, and of encoders.

The `compare_*` functions measure and return a `Comparison`, which can be written as JSON. The `draw_*` functions plot
it.
"""

from .charts import draw_encoders, draw_scaling, draw_speed, draw_training
from .comparison import Comparison
from .encoder import compare_encoders
from .scaling import compare_scaling
from .speed import compare_speed
from .training import compare_training

__all__ = [
    "Comparison",
    "compare_encoders",
    "compare_scaling",
    "compare_speed",
    "compare_training",
    "draw_encoders",
    "draw_scaling",
    "draw_speed",
    "draw_training",
]
