"""What the process of a trial does, with a stand-in for Ray: it trains, reports, and survives errors."""

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from toy_sweeps import LEARN_RATE, make_sweep_config
from toy_training import write_corpus

from spacy_bilstm.sweeps import tune_engine
from spacy_bilstm.sweeps.configs import set_values

SETTINGS = tune_engine.TrialSettings(checkpoint_steps=2, code=None, grace_steps=2, reduction_factor=2, max_steps=4)


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the list that reports are added to."""
    found: list[dict[str, Any]] = []
    ray: Any = ModuleType("ray")
    ray.tune = ModuleType("ray.tune")
    ray.tune.report = found.append
    monkeypatch.setitem(sys.modules, "ray", ray)
    return found


# Sums and products of a training that diverges.
@pytest.mark.filterwarnings("ignore:.* encountered in:RuntimeWarning:(spacy|thinc)")
@pytest.mark.parametrize(
    ("values", "state", "message"),
    [
        ({}, "complete", None),
        ({LEARN_RATE: 1e38}, "diverged", "step"),
        ({"training.batcher.@batchers": "nothing.v1"}, "failed", "nothing.v1"),
    ],
)
def test_a_trial_reports_its_scores_and_how_it_ended(
    tmp_path: Path, reports: list[dict[str, Any]], values: dict[str, Any], state: str, message: str | None
) -> None:
    config = set_values(make_sweep_config(write_corpus(tmp_path), max_steps=4), values)
    config.to_disk(tmp_path / "config.cfg", interpolate=False)
    tune_engine._train({"number": 1}, {1: str(tmp_path)}, SETTINGS, os.getcwd())
    *evaluations, end = reports
    assert end["state"] == state
    assert message is None or message in end["error"]
    assert message is not None or [report["step"] for report in evaluations] == [0, 2, 4]
    best = [report["score"] for report in evaluations]
    assert best == sorted(best)
