"""Reads the learning curves from the log that `spacy.ConsoleLogger.v3` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import srsly

_HINT = "Use the output_file that spacy.ConsoleLogger.v3 writes"


class LogError(ValueError):
    """A file is not the log of a training."""


@dataclass(frozen=True)
class TrainingLog:
    """The learning curves of a training, with a point for each evaluation.

    steps: the training steps, in ascending order.
    scores: the values of each score on the dev corpus, 0 to 100, by name.
    losses: the loss of each component since the previous evaluation, by name.
    """

    steps: list[int]
    scores: dict[str, list[float]]
    losses: dict[str, list[float]]


def read_log(path: Path) -> TrainingLog:
    """Read the log of a training.

    path: a JSONL file with a line for each evaluation.
    RETURNS: the log, without the speed and without scores and losses that are always zero.
    RAISES: LogError with the number of the line that can't be read.
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
            raise LogError(f"Line {number} of {path} is not a line of a training log. {_HINT}.") from error
    if not steps:
        raise LogError(f"{path} is empty. {_HINT}.")
    scores, losses = (_make_curves(values[kind]) for kind in ("scores", "losses"))
    scores.pop("speed", None)  # The other scores are percentages.
    return TrainingLog(steps, scores, losses)


def _make_curves(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    curves = {name: [row.get(name, float("nan")) for row in rows] for name in rows[0]}
    return {name: curve for name, curve in curves.items() if any(curve)}
