"""The trials of a sweep, and the folder that stores them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from thinc.api import Config

from ..training.checkpoints import find_differences
from ..training.resumable import is_complete
from ..util.files import atomic_write

LOCK = ".lock"
WAITING, COMPLETE, STOPPED, DIVERGED, FAILED = "waiting", "complete", "stopped", "diverged", "failed"


class SweepError(ValueError):
    """A sweep can't begin or continue."""


@dataclass(frozen=True)
class Evaluation:
    """A score of a trial.

    step: number of the step after which it was computed.
    score: spaCy's weighted score, or that of the chosen metric.
    """

    step: int
    score: float


@dataclass
class Trial:
    """A training with values of the space.

    number: its number, from 1.
    directory: its folder, with `config.cfg`, `model-best`, `model-last` and `checkpoints`.
    values: a value for each path of the space.
    state: `"waiting"`: has not begun or was interrupted. `"complete"`. `"stopped"`: stopped early, because others were
        better after as many steps. `"diverged"`: a number was not finite. `"failed"`: another error; a later call
        tries again.
    evaluations: its scores, in order.
    error: the message of the error if it diverged or failed.
    """

    number: int
    directory: Path
    values: dict[str, Any]
    state: str = WAITING
    evaluations: list[Evaluation] = field(default_factory=list)
    error: str | None = None

    @property
    def best(self) -> Evaluation | None:
        """The best evaluation, which `model-best` is of: if scores are equal, the later one, as in spaCy's loop."""
        return max(self.evaluations, key=lambda one: (one.score, one.step), default=None)

    @property
    def is_done(self) -> bool:
        """Whether a later call does not continue it."""
        return self.state not in (WAITING, FAILED)

    def add(self, evaluation: Evaluation) -> None:
        """Add an evaluation. It replaces that of the same step, which a training that continues reports again."""
        self.evaluations = [one for one in self.evaluations if one.step < evaluation.step] + [evaluation]


class TrialStore:
    """The folder of a sweep: what it is, and its trials."""

    def __init__(self, directory: Path) -> None:
        """Use a folder, which need not exist.

        directory: the folder.
        """
        self.directory = directory
        self._description = directory / "sweep.json"

    def check(self, description: Mapping[str, Any]) -> None:
        """Check that the folder is new, empty, or of the same sweep.

        description: what identifies the sweep: `"settings"` by name, and the hashes of `"files"` by path.
        RAISES: SweepError, with the names of all that differs, if it is of another sweep.
        """
        if not self._description.exists():
            if self.directory.exists() and (not self.directory.is_dir() or _has_content(self.directory)):
                raise SweepError(f"{self.directory} has other content than a sweep. Choose a new or empty folder.")
            return
        before = json.loads(self._description.read_text(encoding="utf8"))
        differences = find_differences(before, json.loads(json.dumps(description)), "there")
        if differences:
            raise SweepError(
                f"{self.directory} has another sweep. These differ:\n- "
                + "\n- ".join(differences)
                + "\nUse the same inputs, or choose another folder."
            )

    def write_description(self, description: Mapping[str, Any]) -> None:
        """Write what identifies the sweep."""
        with atomic_write(self._description) as draft:
            draft.write_text(json.dumps(description, indent=1), encoding="utf8")

    def get_directory(self, number: int) -> Path:
        """Return the folder of a trial.

        number: the number of the trial, >= 1.
        """
        return self.directory / "trials" / f"{number:04}"

    def count(self) -> int:
        """Return the number of trials that have a folder."""
        return len(list((self.directory / "trials").glob("*/trial.json")))

    def add(self, trial: Trial, config: Config) -> None:
        """Write a new trial.

        trial: the trial.
        config: its config, not interpolated.
        """
        trial.directory.mkdir(parents=True, exist_ok=True)
        with atomic_write(trial.directory / "config.cfg") as draft:
            config.to_disk(draft, interpolate=False)
        self.write(trial)

    def write(self, trial: Trial) -> None:
        """Write the state of a trial."""
        content = asdict(trial)
        del content["number"], content["directory"]
        with atomic_write(trial.directory / "trial.json") as draft:
            draft.write_text(json.dumps(content, indent=1), encoding="utf8")

    def read(self, number: int) -> Trial | None:
        """Return a trial, or None if it has not been added.

        number: the number of the trial, >= 1.
        """
        directory = self.get_directory(number)
        path = directory / "trial.json"
        if not path.exists():
            return None
        content = json.loads(path.read_text(encoding="utf8"))
        evaluations = [Evaluation(**one) for one in content.pop("evaluations")]
        trial = Trial(number, directory, evaluations=evaluations, **content)
        if trial.state == WAITING and evaluations and is_complete(directory):
            trial.state = COMPLETE  # The process was killed between the end of the training and this note.
        return trial

    def write_results(self, trials: Sequence[Trial]) -> None:
        """Write `results.jsonl`, a line for each trial in the order of numbers.

        trials: the trials.
        """
        with atomic_write(self.directory / "results.jsonl") as draft:
            draft.write_text("".join(json.dumps(_to_row(trial)) + "\n" for trial in trials), encoding="utf8")


def _to_row(trial: Trial) -> dict[str, Any]:
    best = trial.best
    return {
        "trial": trial.number,
        "state": trial.state,
        "score": best and best.score,
        "step": best and best.step,
        "last_step": trial.evaluations[-1].step if trial.evaluations else None,
        "values": trial.values,
        "error": trial.error,
    }


def _has_content(directory: Path) -> bool:
    return any(path.name != LOCK for path in directory.iterdir())
