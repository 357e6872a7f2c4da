"""Evaluates a pipeline on an annotated corpus and writes the results as an HTML page."""

from .corpus import CorpusError
from .evaluation import Evaluation, evaluate
from .html.page import write_report
from .training_log import LogError

__all__ = ["CorpusError", "Evaluation", "LogError", "evaluate", "write_report"]
