"""The log of a training, as `spacy.ConsoleLogger.v3` writes it, becomes curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import srsly

_HINT = "It must be what spacy.ConsoleLogger.v3 writes to its output_file"


class LogError(ValueError):
    """A file is no log of a training."""


@dataclass(frozen=True)
class TrainingLog:
    """What was measured each time a training was evaluated.

    steps: its steps, rising.
    scores: the values of each score on the dev corpus, 0 to 100, by name.
    losses: the loss of each component since the evaluation before, by name.
    """

    steps: list[int]
    scores: dict[str, list[float]]
    losses: dict[str, list[float]]


def read_log(path: Path) -> TrainingLog:
    """Read the log of a training.

    path: a JSONL file with a line for each evaluation.
    RETURNS: the log. Scores and losses that are zero throughout are left out.
    RAISES: LogError that names the line that is wrong.
    """
    steps: list[int] = []
    values: dict[str, list[dict[str, float]]] = {"scores": [], "losses": []}
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError as error:
        raise LogError(f"{path} is not encoded in UTF-8. {_HINT}.") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = srsly.json_loads(line)
            steps.append(int(row["step"]))
            for kind, rows in values.items():
                rows.append({str(name): float(value) for name, value in row[kind].items()})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LogError(f"Line {number} of {path} is no line of a training log. {_HINT}.") from error
    if not steps:
        raise LogError(f"{path} is empty. {_HINT}.")
    curves = {kind: _collect(rows) for kind, rows in values.items()}
    return TrainingLog(steps, curves["scores"], curves["losses"])


def _collect(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    curves = {name: [row.get(name, float("nan")) for row in rows] for name in rows[0]}
    return {name: curve for name, curve in curves.items() if any(curve)}
