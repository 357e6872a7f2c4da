"""The space of a sweep: which settings of a config vary, and how their values are drawn."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("choice", "uniform", "log_uniform", "randint")
_DIGITS = 4
_MAX_INTEGER = 2**53  # Larger ones are not exact in all programs that read JSON.


class SpaceError(ValueError):
    """The space of a sweep is not valid, or does not fit the config."""


@dataclass(frozen=True)
class Parameter:
    """A setting that varies.

    path: the setting's dotted path in the config, such as `"training.dropout"`.
    kind: `"choice"`: one of the values. `"uniform"`: a number between two. `"log_uniform"`: a number between two whose
        logarithm is uniform. `"randint"`: an integer between two, both included.
    values: the values of a choice; otherwise the lower and the upper limit.
    """

    path: str
    kind: str
    values: tuple[Any, ...]

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers from a range, not from a list."""
        return self.kind != "choice"

    def draw(self, generator: numpy.random.Generator) -> Any:
        """Draw a value. Numbers that are not integers are rounded to four digits.

        generator: the random generator.
        RETURNS: the value.
        """
        if self.kind == "choice":
            return self.values[int(generator.integers(len(self.values)))]
        low, high = self.values
        if self.kind == "randint":
            return int(generator.integers(low, high, endpoint=True))
        if self.kind == "uniform":
            value = generator.uniform(low, high)
        else:
            value = math.exp(generator.uniform(math.log(low), math.log(high)))
        return min(max(float(f"{value:.{_DIGITS}g}"), low), high)


def read_space(path: str | Path) -> list[Parameter]:
    """Read a space from a TOML file.

    path: the file. A line such as `"training.dropout" = {uniform = [0.1, 0.5]}` describes a setting.
    RETURNS: the parameters.
    RAISES: SpaceError, with the file and the setting, if the file is not valid.
    """
    try:
        return parse_space(tomllib.loads(Path(path).read_text(encoding="utf-8-sig")))
    except (ValueError, OverflowError) as error:
        raise SpaceError(f"{path} is not a valid space: {error}") from error


def parse_space(table: Mapping[str, Any]) -> list[Parameter]:
    """Make the parameters of a space.

    table: for each dotted path of a setting its distribution, such as `{"uniform": [0.1, 0.5]}`. Nested tables are
        accepted for nested paths.
    RETURNS: the parameters.
    RAISES: SpaceError, with the path, if a distribution is not valid.
    """
    parameters = _parse(table, "")
    if not parameters:
        raise SpaceError('No setting varies. Add a line such as "training.dropout" = {uniform = [0.1, 0.5]}.')
    paths = [parameter.path for parameter in parameters]
    for path in paths:
        if paths.count(path) > 1:
            raise SpaceError(f"{path} is there twice. Remove one of the two.")
    return parameters


def draw_values(space: list[Parameter], seed: int, number: int) -> dict[str, Any]:
    """Draw the values of a trial. They depend on the arguments only, not on other trials.

    space: the parameters.
    seed: the seed of the sweep, >= 0.
    number: the number of the trial, >= 1.
    RETURNS: a value for each path.
    """
    generator = numpy.random.default_rng([seed, number])
    return {parameter.path: parameter.draw(generator) for parameter in space}


def describe_space(space: list[Parameter]) -> dict[str, Any]:
    """Return the distribution of each path as a table of TOML would have it, in a form that JSON can store."""
    return {parameter.path: {parameter.kind: list(parameter.values)} for parameter in space}


def _parse(table: Mapping[str, Any], prefix: str) -> list[Parameter]:
    parameters = []
    for name, content in table.items():
        path = prefix + name
        if not all(path.split(".")):
            raise SpaceError(f'{path!r} is not the path of a setting. Write one such as "training.dropout".')
        if not isinstance(content, Mapping) or not content:
            raise SpaceError(
                f"{path}: {content!r} is not a distribution. Write one such as {{choice = [1, 2]}}, "
                "or set a fixed value in the config."
            )
        if any(isinstance(inner, Mapping) for inner in content.values()):
            parameters += _parse(content, f"{path}.")
        else:
            parameters.append(_parse_distribution(path, content))
    return parameters


def _parse_distribution(path: str, content: Mapping[str, Any]) -> Parameter:
    kind, *others = content
    if others or kind not in KINDS:
        raise SpaceError(f"{path}: {', '.join(content)!r} is not a distribution. Use one of: {', '.join(KINDS)}.")
    values = content[kind]
    if not isinstance(values, list):
        raise SpaceError(f"{path}: {kind} needs a list, not {values!r}.")
    if kind == "choice":
        if any(isinstance(value, Mapping) for value in values):
            raise SpaceError(f"{path}: choice has tables. Let the settings of the section vary, each by its own path.")
        try:
            json.dumps(values, allow_nan=False)
        except (TypeError, ValueError) as error:  # Dates, NaN and infinity.
            raise SpaceError(f"{path}: choice has values that a config can't have: {error}.") from error
        if len({json.dumps(value, default=str) for value in values}) != len(values) or len(values) < 2:
            raise SpaceError(f"{path}: choice needs at least two values, all different, not {values}.")
        return Parameter(path, kind, tuple(values))
    types = (int,) if kind == "randint" else (int, float)
    if len(values) != 2 or not all(type(value) in types and math.isfinite(value) for value in values):
        named = "integers" if kind == "randint" else "numbers"
        raise SpaceError(f"{path}: {kind} needs two {named}, [lower, upper], not {values}.")
    low, high = values
    if low >= high:
        raise SpaceError(f"{path}: {kind} needs a lower limit below the upper one, not {values}.")
    if kind == "randint" and not -_MAX_INTEGER <= low < high <= _MAX_INTEGER:
        raise SpaceError(f"{path}: randint needs limits between -{_MAX_INTEGER} and {_MAX_INTEGER}, not {values}.")
    if kind == "uniform" and not math.isfinite(float(high) - float(low)):
        raise SpaceError(f"{path}: the limits of uniform are too far apart: {values}.")
    if kind == "log_uniform" and low <= 0:
        raise SpaceError(f"{path}: log_uniform needs limits above 0, not {values}.")
    return Parameter(path, kind, (low, high))
