"""The results of a comparison: its runs, their summaries, and the JSON file that a later comparison continues."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import srsly

from ..util.files import atomic_write
from ..util.machine import get_versions
from .variants import Variant


@dataclass(frozen=True)
class Run:
    """The result of one training.

    variant: the encoder.
    seed: the seed.
    scores: scores by name, from 0 to 1 except for perplexities.
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
    """The mean of some numbers and their standard deviation, which is None for a single number."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Return the spread of some numbers."""
        return cls(mean(numbers), stdev(numbers) if len(numbers) > 1 else None)


@dataclass(frozen=True)
class Summary:
    """The results of a variant over seeds. The fields are those of `Run`."""

    variant: Variant
    n_seeds: int
    scores: dict[str, Spread]
    train_seconds: Spread
    train_words_per_second: Spread
    predict_words_per_second: Spread
    parameters: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Summary:
        """Return the summary of the runs of one variant, at least one."""
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
    """A JSON file holds the results of other settings or versions, or something else."""


@dataclass
class Comparison:
    """The result of training each variant with each seed. It continues the runs of its JSON file, if there is one.

    experiment: the name of the experiment.
    settings: what all runs have in common.
    variants: the encoders to compare.
    seeds: the seeds to train each of them with.
    chances: the accuracy of guessing for each score that has one.
    output: the JSON file, or None. It is written after each run.
    runs: all runs so far. Runs of the file with other variants or seeds are kept, too.
    RAISES: OtherSettingsError if the file holds the results of other settings or of other versions of the packages.
    """

    experiment: str
    settings: dict[str, Any]
    variants: Sequence[Variant]
    seeds: Sequence[int]
    chances: Mapping[str, float]
    output: Path | None = None
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read the runs of the file."""
        if self.output is not None and self.output.exists():
            self.runs = _read_runs(self.output, self.experiment, self.settings)

    @property
    def missing(self) -> list[tuple[Variant, int]]:
        """The variants and seeds without a run, seed by seed."""
        done = {(run.variant, run.seed) for run in self.runs}
        return [(variant, seed) for seed in self.seeds for variant in self.variants if (variant, seed) not in done]

    @property
    def summaries(self) -> list[Summary]:
        """The summary of each variant that has runs, in the order of the variants."""
        return _summarise(self.runs, self.variants)

    def add(self, run: Run) -> None:
        """Add a run and write the file."""
        self.runs.append(run)
        self.save()

    def save(self) -> None:
        """Write the file, if there is one."""
        if self.output is None:
            return
        all_summaries = _summarise(self.runs, list(dict.fromkeys(run.variant for run in self.runs)))
        content = {
            "experiment": self.experiment,
            "settings": self.settings,
            "versions": get_versions(),
            "runs": [{"name": run.variant.name, **asdict(run)} for run in self.runs],
            "summary": [{"name": summary.variant.name, **asdict(summary)} for summary in all_summaries],
        }
        with atomic_write(self.output) as draft:
            srsly.write_json(draft, content)


def _summarise(runs: Sequence[Run], variants: Sequence[Variant]) -> list[Summary]:
    by_variant = [[run for run in runs if run.variant == variant] for variant in variants]
    return [Summary.of(own_runs) for own_runs in by_variant if own_runs]


def _read_runs(path: Path, experiment: str, settings: dict[str, Any]) -> list[Run]:
    try:
        content = _read_json(path)
        settings_there = {"experiment": content["experiment"], **content["settings"]}
        versions_there = dict(content["versions"])
        runs = [_read_run(item) for item in content["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise OtherSettingsError(
            f"{path} does not hold results of a comparison. Write to another file or move this one."
        ) from error
    check_same(path, "settings", settings_there, {"experiment": experiment, **settings})
    if runs:
        check_same(path, "versions", versions_there, get_versions())
    return runs


def _read_json(path: Path) -> Any:
    """Return the content of a JSON file. Unlike srsly, `json` reads 0.3 as 0.3: the settings are compared."""
    return json.loads(path.read_text(encoding="utf8"))


def read_store(path: Path) -> dict[str, Any]:
    """Return the results in a file of `write_store`, or none if there is no file.

    path: the file.
    RETURNS: the results by name.
    RAISES: OtherSettingsError if the file holds results of other versions of the packages, or something else.
    """
    if not path.exists():
        return {}
    try:
        results = dict(_read_json(path))
        versions = dict(results.pop("versions", {}))
    except (ValueError, TypeError) as error:
        raise OtherSettingsError(
            f"{path} does not hold results of an experiment. Write to another file or move this one."
        ) from error
    if results:
        check_same(path, "versions", versions, get_versions())
    return results


def write_store(path: Path, results: Mapping[str, Any]) -> None:
    """Write results as JSON, with the versions of the packages.

    path: the file. Its folder is made if it is missing.
    results: the results by name.
    """
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps({"versions": get_versions(), **results}, indent=1), encoding="utf8")


def check_same(path: Path, kind: str, there: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check that a file holds results of the present settings or versions.

    path: the file.
    kind: `"settings"` or `"versions"`, for the message.
    there: those of the file.
    now: the present ones.
    RAISES: OtherSettingsError that lists the differences.
    """
    differences = [
        f"{name}: {there.get(name)} there, {now.get(name)} now"
        for name in (*now, *(name for name in there if name not in now))
        if there.get(name) != now.get(name)
    ]
    if differences:
        raise OtherSettingsError(
            f"{path} holds results of other {kind} ({'; '.join(differences)}). Use the same {kind} to continue it, "
            "or write to another file."
        )


def _read_run(item: dict[str, Any]) -> Run:
    fields = {name: value for name, value in item.items() if name != "name"}
    return Run(**{**fields, "variant": Variant(**fields["variant"])})
