"""The command `spacy bilstm info`: all facts on lines of their own, to be pasted into a bug report."""

from typer.testing import CliRunner

import spacy_bilstm
from spacy_bilstm.cli import app
from spacy_bilstm.util.info import collect_info


def test_every_fact_has_a_line() -> None:
    result = CliRunner().invoke(app, ["info"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert f"  spacy-bilstm: {spacy_bilstm.__version__}" in lines
    info = collect_info()
    assert len(lines) == len(info) + sum(map(len, info.values()))
    assert "  MPS: no" in lines or "  MPS: yes" in lines
