"""The configs of a sweep's trials: a config with values of the space, and the checks that both fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacy.util import load_model_from_config
from thinc.api import Config

from .space import Parameter, SpaceError


def complete_config(config: Config) -> Config:
    """Return a config with the defaults of all settings, with its variables interpolated. The pipeline is built once.

    config: the config.
    RETURNS: the complete config.
    RAISES: the errors of `spacy.util.load_model_from_config`.
    """
    return load_model_from_config(config, auto_fill=True).config.interpolate()


def check_space(space: list[Parameter], complete: Config) -> None:
    """Check that each path of a space is a setting of a config.

    space: the parameters.
    complete: the result of `complete_config`.
    RAISES: SpaceError, with the path, if one is not.
    """
    for parameter in space:
        *sections, name = parameter.path.split(".")
        section: Any = complete
        for i, key in enumerate(sections):
            section = section.get(key)
            if not isinstance(section, dict):
                raise SpaceError(f"The config has no section [{'.'.join(sections[: i + 1])}], so {_reject(parameter)}")
        if name not in section:
            raise SpaceError(
                f"The section [{'.'.join(sections)}] of the config has no setting {name!r}, so {_reject(parameter)} "
                f"It has: {', '.join(key for key in section if not isinstance(section[key], dict))}."
            )
        if isinstance(section[name], dict):
            raise SpaceError(f"{parameter.path} is a section of the config, so {_reject(parameter)}")


def set_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return a copy of a config with other values.

    config: the config, not interpolated.
    values: a value for each dotted path. A path that the config lacks is added, to replace a default.
    RETURNS: the copy.
    RAISES: SpaceError if a part of a path is a variable such as `${components.tok2vec}`.
    """
    changed = config.copy()
    for path, value in values.items():
        *sections, name = path.split(".")
        section: Any = changed
        for key in sections:
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise SpaceError(f"{path} is in {section}. Name the path that this variable refers to.")
        section[name] = value
    return changed


def weight_metric(config: Config, complete: Config, metric: str) -> Config:
    """Return a copy of a config whose score is one metric.

    config: the config, not interpolated.
    complete: the result of `complete_config`.
    metric: name of the metric, such as `"ents_f"`.
    RETURNS: the copy. All other metrics have the weight 0.
    RAISES: SpaceError if the config's components have no such metric.
    """
    weights = complete["training"]["score_weights"]
    if metric not in weights:
        raise SpaceError(f"The config has no metric {metric!r}. It has: {', '.join(weights)}.")
    zeros = {name: None if weight is None else 0.0 for name, weight in weights.items()}
    return set_values(config, {"training.score_weights": {**zeros, metric: 1.0}})


def separate_log(config: Config, directory: Path) -> Config:
    """Return a copy of a config whose logger writes to a folder of its own, if it writes to a file.

    config: the config, not interpolated.
    directory: the folder.
    RETURNS: the copy.
    """
    file = config.interpolate()["training"].get("logger", {}).get("output_file")
    return set_values(config, {"training.logger.output_file": str(directory / Path(file).name)}) if file else config


def _reject(parameter: Parameter) -> str:
    return f"{parameter.path} can't vary. Name a setting that the config has."
