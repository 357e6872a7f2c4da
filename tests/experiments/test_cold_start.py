"""The program that measures the start of a process."""

from pathlib import Path

import pytest
import spacy

from spacy_bilstm.experiments.cold_start import STAGES, measure_stages


@pytest.mark.slow
def test_each_stage_is_measured(tmp_path: Path) -> None:
    """Run: python -m pytest -m slow tests/experiments/test_cold_start.py"""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path)
    table = measure_stages(str(tmp_path), rounds=1)
    assert [row[0] for row in table.rows] == [*STAGES, "sum"]
    assert all(float(cell) >= 0 for row in table.rows for cell in row[1:])
    assert float(table.rows[0][2]) > 0
