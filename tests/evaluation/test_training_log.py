"""The learning curves from the log of a training."""

from pathlib import Path
from typing import Any

import pytest
import srsly

from spacy_bilstm.evaluation.training_log import LogError, read_log


def test_a_log_becomes_curves_without_speed_and_zeros(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "epoch": 0,
            "step": step,
            "losses": {"ner": 9.0 - step, "tagger": 0.0},
            "scores": {"ents_f": 10.0 * step, "pos_acc": 0.0, "speed": 1e4},
        }
        for step in (1, 2)
    ]
    srsly.write_jsonl(tmp_path / "log.jsonl", rows)
    log = read_log(tmp_path / "log.jsonl")
    assert (log.steps, log.scores, log.losses) == ([1, 2], {"ents_f": [10.0, 20.0]}, {"ner": [8.0, 7.0]})


@pytest.mark.parametrize("line", ["{", "[]", '{"step": 1}', '{"step": 1, "losses": {"a": "x"}, "scores": {}}', ""])
def test_an_error_names_the_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "losses": {}, "scores": {}}\n' + line + "\n", encoding="utf8")
    with pytest.raises(LogError, match=r"Line 2 of .*log\.jsonl"):
        read_log(path)


@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"\xff", "is not encoded in UTF-8")])
def test_a_file_that_is_not_a_log_is_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(LogError, match=message):
        read_log(tmp_path / "log.jsonl")
