"""What trainings gave. Runs come in one by one, a JSON file that a later command continues goes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import srsly

from ..util.files import written_whole
from .variants import Variant

_PACKAGES = ("spacy-bilstm", "spacy", "thinc", "torch")


@dataclass(frozen=True)
class Run:
    """What one training gave.

    variant: the encoder.
    seed: the seed.
    scores: scores from 0 to 1 by name.
    train_seconds: duration of the training steps.
    train_words_per_second, predict_words_per_second: speeds of the whole pipeline.
    parameters: number of the encoder's weights.
    """

    variant: Variant
    seed: int
    scores: dict[str, float]
    train_seconds: float
    train_words_per_second: float
    predict_words_per_second: float
    parameters: int


@dataclass(frozen=True)
class Spread:
    """The mean of some numbers and their standard deviation, which one number does not have."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Give that of some numbers."""
        return cls(mean(numbers), stdev(numbers) if len(numbers) > 1 else None)


@dataclass(frozen=True)
class Summary:
    """What the trainings of a variant gave, over seeds; the numbers are those of `Run`."""

    variant: Variant
    n_seeds: int
    scores: dict[str, Spread]
    train_seconds: Spread
    train_words_per_second: Spread
    predict_words_per_second: Spread
    parameters: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Summary:
        """Give that of the runs of one variant, at least one."""
        return cls(
            variant=runs[0].variant,
            n_seeds=len(runs),
            scores={name: Spread.of([run.scores[name] for run in runs]) for name in runs[0].scores},
            train_seconds=Spread.of([run.train_seconds for run in runs]),
            train_words_per_second=Spread.of([run.train_words_per_second for run in runs]),
            predict_words_per_second=Spread.of([run.predict_words_per_second for run in runs]),
            parameters=runs[0].parameters,
        )


class OtherSettingsError(ValueError):
    """A file holds results that were made with other settings, or none at all."""


@dataclass
class Results:
    """All runs of a comparison, on disk where it has a file.

    experiment: name of the command.
    settings: what all runs have in common.
    path: the JSON file, or None.
    """

    experiment: str
    settings: dict[str, Any]
    path: Path | None = None
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Continue what the file holds.

        RAISES: OtherSettingsError if the file is of another comparison; the message says what differs.
        """
        if self.path is not None and self.path.exists():
            self.runs = _read_runs(self.path, self.experiment, self.settings)

    def has(self, variant: Variant, seed: int) -> bool:
        """Say whether a training is done."""
        return any(run.variant == variant and run.seed == seed for run in self.runs)

    def add(self, run: Run) -> None:
        """Take a run and write the file anew."""
        self.runs.append(run)
        self.save()

    def save(self) -> None:
        """Write the file, if there is one."""
        if self.path is None:
            return
        content = {
            "experiment": self.experiment,
            "settings": self.settings,
            "versions": {name: version(name) for name in _PACKAGES},
            "runs": [{"name": run.variant.name, **asdict(run)} for run in self.runs],
            "summary": [{"name": row.variant.name, **asdict(row)} for row in self.summarise()],
        }
        with written_whole(self.path) as draft:
            srsly.write_json(draft, content)

    def summarise(self, variants: Sequence[Variant] | None = None) -> list[Summary]:
        """Give a summary of each variant that has runs.

        variants: the variants, in the order wanted; all in the order of their first runs if None.
        RETURNS: the summaries.
        """
        if variants is None:
            variants = list(dict.fromkeys(run.variant for run in self.runs))
        runs = {variant: [run for run in self.runs if run.variant == variant] for variant in variants}
        return [Summary.of(found) for found in runs.values() if found]


def _read_runs(path: Path, experiment: str, settings: dict[str, Any]) -> list[Run]:
    try:
        content = srsly.read_json(path)
        theirs = {"experiment": content["experiment"], **content["settings"]}
        runs = [_read_run(item) for item in content["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise OtherSettingsError(
            f"{path} does not hold results of `compare`. Give another --output or move the file."
        ) from error
    ours = {"experiment": experiment, **settings}
    differences = [
        f"{name}: {theirs.get(name)} there, {ours.get(name)} now"
        for name in (*ours, *(name for name in theirs if name not in ours))
        if theirs.get(name) != ours.get(name)
    ]
    if differences:
        raise OtherSettingsError(
            f"{path} holds results that were made otherwise ({'; '.join(differences)}). Results are continued only "
            "with the same settings: give another --output, or the same options as before."
        )
    return runs


def _read_run(item: dict[str, Any]) -> Run:
    fields = {name: value for name, value in item.items() if name != "name"}
    return Run(**{**fields, "variant": Variant(**fields["variant"])})
