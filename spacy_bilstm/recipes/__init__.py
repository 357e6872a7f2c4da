"""Training configs: `make_config` builds a complete one from a recipe.

`base.cfg` is the part that all recipes share. `efficiency.cfg` and `accuracy.cfg` are recipes; `fast.cfg` is what the
recipe `fast` changes of `efficiency`. `gpu.cfg` and `vectors.cfg` change any recipe for a GPU and for static vectors,
`entity_linker.cfg` and `trainable_lemmatizer.cfg` for these components, and `characters.cfg` for sequences of single
characters. `pretraining.cfg` adds the settings of pretraining.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import spacy.lang
import srsly
from spacy import util
from thinc.api import Config

from ..util.pipeline_paths import find_pipeline
from .scale import RECIPE_WORDS, scale_settings

RECIPES = Path(__file__).parent
# Components that need changes to a recipe, in files of their names.
CHANGED_BY = ("trainable_lemmatizer", "entity_linker")
# Recipes whose file has only what they change of another recipe.
_CHANGES_OF = {"fast": "efficiency"}


class Recipe(str, Enum):
    """The recipes. Each one is the file `<name>.cfg` in this folder."""

    efficiency = "efficiency"
    accuracy = "accuracy"
    fast = "fast"


class RecipeError(ValueError):
    """The recipes cannot make the config that was asked for."""


def make_config(
    lang: str,
    pipeline: Sequence[str],
    optimize: str = "efficiency",
    *,
    gpu: bool = False,
    vectors: str | None = None,
    characters: bool = False,
    tokenizer: Mapping[str, Any] | None = None,
    n_words: int = RECIPE_WORDS,
) -> Config:
    """Make a complete training config for a pipeline whose components share one recurrent encoder.

    lang: language code, such as `"en"`; also another ISO 639 code of a language that spaCy supports.
    pipeline: names of the components, in any order, from `tagger`, `morphologizer`, `trainable_lemmatizer`, `senter`,
        `parser`, `ner`, `entity_linker`, `spancat`, `textcat` and `textcat_multilabel`. The shared `tok2vec` is always
        added, and a `sentencizer` before an `entity_linker` without `senter` and `parser`.
    optimize: the recipe: `"efficiency"` for a small and fast pipeline, `"accuracy"` for a more accurate, slower one, or
        `"fast"` for a faster, less accurate one, which is made to be the student of a distillation.
    gpu: whether to train on a GPU.
    vectors: path or package name of a pipeline with static vectors to include, or None.
    characters: whether each character is a token, such as a base of DNA.
    tokenizer: the block `[nlp.tokenizer]`, such as `{"@tokenizers": "spacy.Tokenizer.v1"}`; the language's own if None.
    n_words: number of words to train on, >= 1. `scale_settings` says which settings grow with it.
    RETURNS: the config, with all defaults filled in, so it does not need `spacy init fill-config`. Its variables, such
        as `${paths.train}`, are not interpolated.
    RAISES: RecipeError for an unknown language, recipe or component, a repeated component, a pipeline without a
        component to train, and a path or package without vectors.
    """
    layers = [_find_recipe(optimize), *(["gpu"] if gpu else []), *(["vectors"] if vectors else [])]
    layers += [*(name for name in CHANGED_BY if name in pipeline), *(["characters"] if characters else [])]
    config = read_changes("base")
    for layer in layers:
        _override(config, read_changes(layer))
    config["nlp"]["lang"] = _find_language(lang)
    if tokenizer is not None:
        config["nlp"]["tokenizer"] = dict(tokenizer)
    config["nlp"]["pipeline"] = _select(pipeline, config["nlp"]["pipeline"])
    config["components"] = {name: config["components"][name] for name in config["nlp"]["pipeline"]}
    if "entity_linker" in pipeline:
        _add_sentences(config)
    if vectors is not None:
        _check_vectors(vectors)
        config["paths"]["vectors"] = vectors
        config["nlp"]["vectors"] = _read_kind_of_vectors(vectors)
    for name, value in scale_settings(config, n_words).items():
        util.set_dot_to_object(config, name, value)
    return _fill(config)


def add_pretraining(config: Config, raw_text: str | None = None, weights: str | None = None) -> Config:
    """Return a config with the settings of `spacy pretrain`.

    `spacy train` needs them too, to load the pretrained weights.

    config: a config of `make_config`. It is not modified.
    raw_text: path of the raw text: JSONL with a `text` on each line, or a folder of such files; None for a path that
        the command line gives as `--paths.raw_text`.
    weights: path of the pretrained weights, such as `pretrained/model2.bin`, for `spacy train`; None before there are
        any.
    RETURNS: the config.
    """
    config = config.copy()
    _override(config, read_changes("pretraining"))
    config["paths"]["raw_text"] = raw_text
    config["paths"]["init_tok2vec"] = weights
    return config


def read_changes(name: str) -> Config:
    """Return the settings of a recipe, or of another file of this package.

    name: the name of the recipe or of the file.
    RETURNS: its settings, not interpolated. A recipe that changes another one has those of both.
    """
    changes = Config().from_disk(RECIPES / f"{name}.cfg", interpolate=False)
    if name not in _CHANGES_OF:
        return changes
    config = read_changes(_CHANGES_OF[name])
    _override(config, changes)
    return config


def _override(config: dict[str, Any], changes: dict[str, Any]) -> None:
    """Change a config in place. Unlike thinc's `Config.merge`, this keeps the order of the sections."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _override(config[key], value)
        else:
            config[key] = value


def _find_recipe(optimize: str) -> str:
    try:
        return Recipe(optimize).value
    except ValueError:
        raise RecipeError(f"There is no recipe '{optimize}'. Choose from: {', '.join(Recipe.__members__)}.") from None


def _find_language(lang: str) -> str:
    built_in = {module.name for module in pkgutil.iter_modules(spacy.lang.__path__) if module.ispkg}
    languages = built_in | set(util.registry.languages.get_all())
    found = lang if lang in languages else util.find_matching_language(lang)
    if found is None:
        raise RecipeError(f"spaCy has no language '{lang}'. Choose from: {', '.join(sorted(languages))}.")
    return found


def _select(wanted: Sequence[str], ordered: Sequence[str]) -> list[str]:
    """Return the wanted components in pipeline order, after the tok2vec that they listen to."""
    available = f"Choose from: {', '.join(ordered[1:])}."
    unknown = [name for name in wanted if name not in ordered]
    if unknown:
        raise RecipeError(f"The recipes have no component {_quote(unknown)}. {available}")
    repeated = [name for name in ordered if wanted.count(name) > 1]
    if repeated:
        raise RecipeError(f"The pipeline names {_quote(repeated)} more than once. Name each component once.")
    if not set(wanted) - {"tok2vec"}:
        raise RecipeError(f"The pipeline has no component to train. {available}")
    return [name for name in ordered if name == "tok2vec" or name in wanted]


def _add_sentences(config: Config) -> None:
    """Make a component find sentences in training too: an entity linker reads the sentence of each entity."""
    pipeline = config["nlp"]["pipeline"]
    learned = [name for name in ("parser", "senter") if name in pipeline]
    if not learned:
        pipeline.insert(1, "sentencizer")
        config["components"] = {"sentencizer": {"factory": "sentencizer"}, **config["components"]}
        # Rules learn nothing, so their score would only dilute the others.
        config["training"]["score_weights"] = dict.fromkeys(("sents_f", "sents_p", "sents_r"))
    config["training"]["annotating_components"] = ["tok2vec", learned[0]] if learned else ["sentencizer"]


def _check_vectors(vectors: str) -> None:
    directory = find_pipeline(vectors)
    if not (directory / "meta.json").is_file():
        raise RecipeError(
            f"Can't find the vectors '{vectors}': this is neither an installed package nor the directory of a "
            "pipeline. Install a package such as en_core_web_md with `spacy download`, or create a pipeline from a "
            "file of vectors with `spacy init vectors`."
        )
    if srsly.read_json(directory / "meta.json").get("vectors", {}).get("vectors") == 0:
        raise RecipeError(f"The pipeline '{vectors}' has no vectors. Use one that has, such as en_core_web_md.")


def _read_kind_of_vectors(vectors: str) -> dict[str, Any]:
    """Return the section `[nlp.vectors]` of a pipeline."""
    config = util.load_config(find_pipeline(vectors) / "config.cfg")
    kind: dict[str, Any] = config["nlp"].get("vectors", {"@vectors": "spacy.Vectors.v1"})
    return kind


def _fill(config: Config) -> Config:
    try:
        filled: Config = util.load_model_from_config(config, auto_fill=True).config
    except ImportError as error:
        raise RecipeError(f"The language '{config['nlp']['lang']}' needs another package. {error}") from error
    return filled


def _quote(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
