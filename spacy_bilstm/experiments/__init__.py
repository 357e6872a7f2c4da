"""Experiments with encoders: comparisons on probe tasks and corpora, and the programs behind the docs' numbers."""

from .charts import draw_distances, draw_prices, draw_questions, draw_trade_off
from .corpus_task import CorpusTask, make_corpus_task
from .next_word import NextWordTask, compare_next_word, make_generated_task, make_raw_text_task
from .price import Price, PriceComparison, compare_prices
from .results import Comparison, OtherSettingsError, Run, Summary
from .running import compare
from .tables import Table, make_comparison_table, make_next_word_table, make_price_table
from .tasks import (
    ProbeTask,
    Question,
    Task,
    make_future_context_task,
    make_long_gap_task,
    make_merge_task,
    make_reading_frame_task,
)
from .variants import Variant, make_variants

__all__ = [
    "Comparison",
    "CorpusTask",
    "NextWordTask",
    "OtherSettingsError",
    "Price",
    "PriceComparison",
    "ProbeTask",
    "Question",
    "Run",
    "Summary",
    "Table",
    "Task",
    "Variant",
    "compare",
    "compare_next_word",
    "compare_prices",
    "draw_distances",
    "draw_prices",
    "draw_questions",
    "draw_trade_off",
    "make_comparison_table",
    "make_corpus_task",
    "make_future_context_task",
    "make_generated_task",
    "make_long_gap_task",
    "make_merge_task",
    "make_next_word_table",
    "make_price_table",
    "make_raw_text_task",
    "make_reading_frame_task",
    "make_variants",
]
