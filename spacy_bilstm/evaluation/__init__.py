"""Evaluates a pipeline on an annotated corpus and writes the results as an HTML page."""

from .corpus import CorpusError
from .evaluation import Evaluation, evaluate
from .html.page import check_report_path, write_report
from .training_log import LogError

__all__ = ["CorpusError", "Evaluation", "LogError", "check_report_path", "evaluate", "write_report"]
