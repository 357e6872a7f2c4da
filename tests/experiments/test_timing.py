"""Test how calls are timed, and that the timing programs run."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from spacy_bilstm.experiments.crf_timings import time_messages, time_viterbi
from spacy_bilstm.experiments.embedding_timings import time_embeddings
from spacy_bilstm.experiments.label_timings import time_labels
from spacy_bilstm.experiments.recurrence_timings import time_lanes, time_strategies
from spacy_bilstm.experiments.tables import Table
from spacy_bilstm.experiments.timing import time_in_turns


def test_calls_take_turns_after_a_warm_up() -> None:
    calls: list[str] = []
    seconds = time_in_turns({name: partial(calls.append, name) for name in "ab"}, rounds=2)
    assert calls == ["a", "b", "a", "b", "b", "a"]
    assert [len(seconds[name]) for name in "ab"] == [2, 2]


@pytest.mark.parametrize(
    ("measure", "n_rows"),
    [
        (partial(time_strategies, 1, [4], {"two sentences": [3, 2]}), 1),
        (partial(time_lanes, 1, [4], [2]), 2),
        (partial(time_labels, 1, [2]), 1),
        (partial(time_embeddings, 1, [1]), 1),
        (partial(time_messages, 1, [1]), 1),
        (partial(time_viterbi, 1, [1]), 1),
    ],
    ids=["strategies", "lanes", "labels", "embeddings", "messages", "viterbi"],
)
def test_a_measurement_fills_its_table(measure: Callable[[], Table], n_rows: int) -> None:
    with torch.inference_mode():
        table = measure()
    assert len(table.rows) == n_rows
    assert all(len(row) == len(table.header) for row in table.rows)
