"""Interrupted trainings that continue on a GPU."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
import toy_training
from toy_corpus import make_docs
from toy_training import make_our_config, write_corpus

from spacy_bilstm.training.resumable import TrainingResult, train_with_checkpoints


@pytest.fixture(autouse=True)
def _clear() -> Iterator[None]:
    yield
    toy_training.STOPS.clear()


def run(corpus: Path, output: Path, gpu_id: int, stops: list[int]) -> TrainingResult:
    """Train, and call again after each interruption."""
    toy_training.STOPS[:] = stops
    config = make_our_config(corpus, max_steps=24)
    while True:
        try:
            return train_with_checkpoints(config, output, checkpoint_steps=8, use_gpu=gpu_id)
        except KeyboardInterrupt:
            pass


def get_scores(path: Path) -> dict[str, Any]:
    performance: dict[str, Any] = spacy.load(path).meta["performance"]
    return {name: value for name, value in performance.items() if isinstance(value, float) and "loss" not in name}


def test_an_interrupted_training_scores_as_one_that_was_not(gpu_id: int, tmp_path: Path) -> None:
    """A GPU adds in another order each time, so weights and losses differ slightly, also without an interruption."""
    corpus = write_corpus(tmp_path)
    whole = run(corpus, tmp_path / "whole", gpu_id, [])
    resumed = run(corpus, tmp_path / "interrupted", gpu_id, [3, 13, 20])
    assert (resumed.n_steps, resumed.resumed_at) == (whole.n_steps, 16)
    expected = get_scores(tmp_path / "whole/model-last")
    assert get_scores(tmp_path / "interrupted/model-last") == pytest.approx(expected, abs=0.05)
    nlp = spacy.load(tmp_path / "interrupted/model-last")
    assert all(doc.has_annotation("TAG") for doc in nlp.pipe(doc.text for doc in make_docs(nlp.vocab, 3, seed=5)))
