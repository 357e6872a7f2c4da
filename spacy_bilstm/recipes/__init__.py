"""The recipes, as data. A use case comes in, and its complete training config goes out."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy.lang
import srsly
from spacy import util
from thinc.api import Config

RECIPES = Path(__file__).parent


class RecipeError(ValueError):
    """A use case for which there is no config."""


def make_config(
    lang: str, pipeline: Sequence[str], optimize: str = "efficiency", *, gpu: bool = False, vectors: str | None = None
) -> Config:
    """Make the complete training config of a use case.

    lang: code of the language, such as `"en"`, or another ISO 639 code for it.
    pipeline: names of the components, in any order. The shared tok2vec may be left out.
    optimize: the recipe: `"efficiency"` or `"accuracy"`.
    gpu: whether the config is for a GPU.
    vectors: path or package of a pipeline with static vectors, or None.
    RETURNS: the config, with nothing left for `spacy init fill-config` to do.
    RAISES: RecipeError for a language, a component or vectors that there are not.
    """
    layers = [optimize, *(["gpu"] if gpu else []), *(["vectors"] if vectors else [])]
    config = _read("base")
    for layer in layers:
        _override(config, _read(layer))
    config["nlp"]["lang"] = _find_language(lang)
    config["nlp"]["pipeline"] = _select(pipeline, config["nlp"]["pipeline"])
    config["components"] = {name: config["components"][name] for name in config["nlp"]["pipeline"]}
    if vectors:
        _check_vectors(vectors)
        config["paths"]["vectors"] = vectors
    return _fill(config)


def _read(name: str) -> Config:
    return Config().from_disk(RECIPES / f"{name}.cfg", interpolate=False)


def _override(config: dict[str, Any], changes: dict[str, Any]) -> None:
    """Change a config in place. Its sections stay in their order, which thinc's `Config.merge` does not keep."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _override(config[key], value)
        else:
            config[key] = value


def _find_language(lang: str) -> str:
    built_in = {module.name for module in pkgutil.iter_modules(spacy.lang.__path__) if module.ispkg}
    languages = built_in | set(util.registry.languages.get_all())
    found = lang if lang in languages else util.find_matching_language(lang)
    if found is None:
        raise RecipeError(f"spaCy has no language '{lang}'. It has: {', '.join(sorted(languages))}.")
    return found


def _select(wanted: Sequence[str], ordered: Sequence[str]) -> list[str]:
    """Bring the wanted components in order, behind the tok2vec that they listen to."""
    available = f"There are: {', '.join(ordered[1:])}."
    unknown = [name for name in wanted if name not in ordered]
    if unknown:
        raise RecipeError(f"The recipes have no component {_quote(unknown)}. {available}")
    repeated = [name for name in ordered if wanted.count(name) > 1]
    if repeated:
        raise RecipeError(f"The pipeline names {_quote(repeated)} more than once. Name each component once.")
    if not set(wanted) - {"tok2vec"}:
        raise RecipeError(f"The pipeline names no component to train. {available}")
    return [name for name in ordered if name == "tok2vec" or name in wanted]


def _check_vectors(vectors: str) -> None:
    directory = util.get_package_path(vectors) if util.is_package(vectors) else Path(vectors)
    if not (directory / "meta.json").is_file():
        raise RecipeError(
            f"There are no vectors '{vectors}': it is neither an installed package nor the directory of a pipeline. "
            "Install one with `spacy download`, such as en_core_web_md, or make one with `spacy init vectors`."
        )
    if srsly.read_json(directory / "meta.json").get("vectors", {}).get("vectors") == 0:
        raise RecipeError(f"The pipeline '{vectors}' holds no vectors. Name one that does, such as en_core_web_md.")


def _fill(config: Config) -> Config:
    try:
        filled: Config = util.load_model_from_config(config, auto_fill=True).config
    except ImportError as error:
        raise RecipeError(f"The language '{config['nlp']['lang']}' needs a further package. {error}") from error
    return filled


def _quote(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
