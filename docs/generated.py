"""Generates the parts of the pages that describe functions, commands and recipes.

A comment such as `<!-- generated: registered spacy_architectures -->` marks the place of a part. The text comes from
entry points, docstrings, the Typer commands and the recipes, as MyST Markdown.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from importlib import import_module
from importlib.metadata import distribution
from itertools import groupby
from typing import Any

import srsly
import typer
from spacy.language import Language
from thinc.api import Config
from typer.cli import get_docs_for_click

from spacy_bilstm.cli import app
from spacy_bilstm.recipes import make_config, read_changes

PLACEHOLDER = re.compile(r"^<!-- generated: (.+) -->$", flags=re.MULTILINE)
ENTRY = re.compile(r"^(\w+(?:, \w+)*): ", flags=re.MULTILINE)
GROUPS = {
    "spacy_architectures": "@architectures",
    "spacy_factories": "factory",
    "spacy_scorers": "@scorers",
    "spacy_batchers": "@batchers",
    "spacy_readers": "@readers",
    "spacy_callbacks": "@callbacks",
    "spacy_misc": "@misc",
    "spacy_tokenizers": "@tokenizers",
    "spacy_vectors": "@vectors",
    "thinc_layers": "@layers",
    "thinc_optimizers": "@optimizers",
}
PIPES = ["tagger", "morphologizer", "ner", "textcat"]
MODULE = re.compile(r"(\w+\.)+(?=\w)")
# The parameters of a factory that spaCy sets.
GIVEN = ("nlp", "name")
REQUIRED = inspect.Parameter.empty


def fill_page(text: str) -> str:
    """Replace the placeholders of a page by the generated parts."""
    return PLACEHOLDER.sub(lambda match: generate(*match[1].split()), text)


def generate(what: str, *args: str) -> str:
    """Generate the part that a placeholder names."""
    return GENERATORS[what](*args)


def describe_registered(group: str) -> str:
    """Describe all functions of a group of entry points."""
    points = [point for point in distribution("spacy-bilstm").entry_points if point.group == group]
    return "\n".join(_describe_registered(GROUPS[group], point.name, point.load()) for point in points)


def describe_methods(path: str, *names: str) -> str:
    """Describe methods of a class, named as `module:Class`."""
    cls = _import(path)
    return "\n".join(_describe_function(f"{cls.__name__}.{method}", getattr(cls, method)) for method in names)


def describe_functions(*paths: str) -> str:
    """Describe functions, and the classes of their results, named as `module:function`."""
    return "\n".join(_describe_function(path.replace(":", "."), _import(path), show=repr, level=4) for path in paths)


def describe_commands() -> str:
    """Describe all commands, as `typer utils docs` does."""
    command: Any = typer.main.get_command(app)
    name = "python -m spacy bilstm"
    docs: str = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name=name), indent=1, name=name)
    return docs


def compare_recipes(*names: str) -> str:
    """Return a table of the settings of recipes."""
    settings = [_flatten(read_changes(name)) for name in names]
    keys = sorted({key for recipe in settings for key in recipe}, key=lambda key: (key.startswith("training"), key))
    rows = [[f"`{key}`", *(_code(recipe[key]) if key in recipe else "" for recipe in settings)] for key in keys]
    return _table(["", *(f"`{name}`" for name in names)], rows)


def show_recipe(name: str, section: str) -> str:
    """Return a section of the config that `init-config` generates, with its subsections."""
    config: Any = make_config("en", PIPES, name)
    keys = section.split(".")
    for key in keys:
        config = config[key]
    for key in reversed(keys):
        config = {key: config}
    text = Config(config).to_str(interpolate=False)
    return _fence("ini", text[text.index(f"[{section}]") :])


GENERATORS: dict[str, Callable[..., str]] = {
    "registered": describe_registered,
    "methods": describe_methods,
    "functions": describe_functions,
    "commands": describe_commands,
    "recipes": compare_recipes,
    "recipe": show_recipe,
}


def _import(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _describe_registered(key: str, name: str, function: Callable[..., Any]) -> str:
    if key != "factory":
        return _describe_function(name, function, f'In a config: `{key} = "{name}"`.')
    meta = Language.get_factory_meta(name)
    settings = {setting: value for setting, value in meta.default_config.items() if setting != "model"}
    config = Config({"components": {name: {"factory": name, **deepcopy(meta.default_config)}}})
    assigns = ", ".join(f"`{attribute}`" for attribute in meta.assigns)
    notes = f'Add it with `nlp.add_pipe("{name}")`, or in a config with `factory = "{name}"`. It sets {assigns}.'
    if config["components"][name]["model"].get("tok2vec") == _get_default_model("bilstm_tok2vec"):
        del config["components"][name]["model"]["tok2vec"]
        notes += " By default, `model.tok2vec` is the model of `bilstm_tok2vec`. The other defaults:\n\n"
    else:
        notes += " The defaults:\n\n"
    text = config.to_str()
    notes += _fence("ini", text[text.index("[components.") :])
    return _describe_function(name, function, notes, settings, hidden=GIVEN)


def _get_default_model(factory: str) -> Any:
    return Language.get_factory_meta(factory).default_config["model"]


def _describe_function(
    name: str,
    function: Callable[..., Any],
    notes: str = "",
    defaults: Mapping[str, Any] | None = None,
    hidden: Sequence[str] = (),
    show: Callable[[Any], str] = srsly.json_dumps,
    level: int = 3,
) -> str:
    """Describe a function or a class, without hidden parameters. `show` formats default values."""
    summary, entries = _read_docstring(function)
    parameters = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name not in hidden]
    parts = [f"{'#' * level} `{name}`", summary, notes]
    for text, same in groupby(parameters, key=lambda p: _find_entry(entries, p.name)):
        if text:
            parts.append("; ".join(_describe_parameter(p, defaults, show) for p in same) + f"\n: {_indent(text)}")
    parts += [f"**{word.capitalize()}** {text}" for word, text in entries.items() if word in ("RETURNS", "RAISES")]
    return "\n\n".join(part for part in parts if part) + "\n"


def _read_docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the text of a docstring before its arguments, and its entries: arguments, RETURNS and RAISES."""
    text = inspect.getdoc(function) or ""
    first = ENTRY.search(text)
    if first is None:
        return text, {}
    pieces = ENTRY.split(text[first.start() :])[1:]
    entries = {names: " ".join(said.split()) for names, said in zip(pieces[::2], pieces[1::2], strict=True)}
    return text[: first.start()].strip(), entries


def _find_entry(entries: Mapping[str, str], name: str) -> str:
    return next((text for names, text in entries.items() if name in names.split(", ")), "")


def _describe_parameter(
    parameter: inspect.Parameter, defaults: Mapping[str, Any] | None, show: Callable[[Any], str]
) -> str:
    default = parameter.default if defaults is None else defaults.get(parameter.name, REQUIRED)
    annotation = parameter.annotation
    kind = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    kind = "" if kind == "Any" else f": `{MODULE.sub('', kind).replace('~', '')}`"
    has_default = default is not REQUIRED and repr(default) != "<factory>"
    return f"`{parameter.name}`{kind}" + (f", default `{show(default)}`" if has_default else "")


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return dict(_walk(config, prefix))


def _walk(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _walk(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _code(value: object) -> str:
    return f"`{srsly.json_dumps(value)}`"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _fence(language: str, text: str) -> str:
    return f"```{language}\n{text.strip()}\n```\n"


def _indent(text: str) -> str:
    return textwrap.indent(text, "  ").strip()
