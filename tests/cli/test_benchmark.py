"""`spacy bilstm benchmark`: it runs, says what it compared, and writes what it printed."""

from pathlib import Path

import srsly
from typer.testing import CliRunner

from spacy_bilstm.cli import app


def test_encoders_are_compared_in_a_table_and_in_json(tmp_path: Path) -> None:
    path = tmp_path / "metrics" / "encoder.json"
    arguments = ["--width", "16", "--n-docs", "6", "--max-length", "30", "--rounds", "2", "--output", str(path)]
    result = CliRunner().invoke(app, ["benchmark", "encoder", *arguments])
    assert result.exit_code == 0, result.output
    written = srsly.read_json(path)
    measured = {row["name"]: row for row in written["results"]}
    assert all(name in result.output for name in measured)
    ours, theirs = measured["spacy-bilstm.BiLSTMEncoder.v1"], measured["spacy.TorchBiLSTMEncoder.v1"]
    assert ours["predict_ratio"] == ours["train_ratio"] == 1.0
    assert ours["batch_dependence"] < 1e-5 < theirs["batch_dependence"]
    assert all(row["predict_words_per_second"] > 0 for row in measured.values())
