"""The times of the stages of pipelines."""

from pathlib import Path

import spacy

from spacy_bilstm.experiments.stages import time_stages


def test_each_stage_of_each_pipeline_is_timed(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.to_disk(tmp_path / "blank")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "rules")
    table = time_stages([tmp_path / "blank", tmp_path / "rules"], ["A text."], ["Another text.", ""], rounds=1)
    assert list(table.header) == ["pipeline", "tokenizer", "sentencizer", "all", "speed, relative to the first"]
    blank, rules = table.rows
    assert (blank[0], blank[2], blank[-1]) == (str(tmp_path / "blank"), "0.00", "1.00")
    assert float(rules[2]) > 0
    assert abs(float(rules[1]) + float(rules[2]) - float(rules[3])) < 0.02
