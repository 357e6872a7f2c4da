"""The public interface as text: registered names, commands and documented functions, with parameters and defaults.

`python tests/data/public_api.py` writes it to `public_api.txt`. `CONTRIBUTING.md` says when to do so.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, get_args, get_origin

import srsly
import typer
from spacy.language import Language
from typer.models import ArgumentInfo

import spacy_bilstm
from spacy_bilstm.cli import app

PROJECT = Path(__file__).parent.parent.parent
SNAPSHOT = Path(__file__).parent / "public_api.txt"
COMMAND = "python tests/data/public_api.py"
FACTORIES = "spacy_factories"
# The sections that are not registries, whose names may change in a new version.
UNREGISTERED = ("commands", "functions")
REQUIRED = inspect.Parameter.empty
PLACEHOLDER = re.compile(r"^<!-- generated: (?:functions|methods) (.+) -->$", flags=re.MULTILINE)

Entries = dict[str, list[str]]
"""The parameters of each name, one per line."""


def describe_api() -> dict[str, Entries]:
    """Return the present interface by section: one for each registry, the commands, and the functions."""
    points = sorted(distribution("spacy-bilstm").entry_points, key=lambda point: point.name)
    sections: dict[str, Entries] = {}
    for group in sorted({point.group for point in points} - {"console_scripts", "spacy_cli"}):
        describe = _describe_factory if group == FACTORIES else _describe_registered
        sections[group] = {point.name: describe(point.name, point.load()) for point in points if point.group == group}
    sections["commands"] = {name: _describe_command(function) for name, function in sorted(_list_commands(app))}
    sections["functions"] = {name: _describe_object(value) for name, value in sorted(_find_functions())}
    return sections


def to_text(sections: Mapping[str, Entries], version: str, since: Mapping[str, str]) -> str:
    """Return the interface as text.

    sections: the interface.
    version: the version of the package.
    since: the version that first had a registered name, by name; this version if it is missing.
    """
    lines = [f"spacy-bilstm {version}"]
    for section, entries in sections.items():
        lines += ["", f"[{section}]"]
        for name, parameters in entries.items():
            lines.append(f"{name} (since {since.get(name, version)})" if section not in UNREGISTERED else name)
            lines += [f"    {parameter}" for parameter in parameters]
    return "\n".join(lines) + "\n"


def read_text(text: str) -> tuple[str, dict[str, Entries], dict[str, str]]:
    """Return the version, the interface and the first version of each registered name, from what `to_text` returned."""
    first, *lines = text.splitlines()
    sections: dict[str, Entries] = {}
    entries: Entries = {}
    parameters: list[str] = []
    since = {}
    for line in filter(None, lines):
        if line.startswith("["):
            entries = sections.setdefault(line[1:-1], {})
        elif line.startswith("    "):
            parameters.append(line[4:])
        else:
            match = re.fullmatch(r"(.+) \(since (.+)\)", line)
            name = match[1] if match else line
            if match:
                since[name] = match[2]
            parameters = entries.setdefault(name, [])
    return first.removeprefix("spacy-bilstm "), sections, since


def find_broken(before: Mapping[str, Entries], after: Mapping[str, Entries], unreleased: set[str]) -> list[str]:
    """Return a sentence for each registered name that configs may use and that is no longer what it was.

    before, after: the interface before and after a change.
    unreleased: the registered names that no released version has. They may change.
    """
    problems = []
    for group, entries in before.items():
        for name, parameters in entries.items() if group not in UNREGISTERED else ():
            new = after.get(group, {}).get(name)
            if name in unreleased or new == parameters:
                continue
            if new is None:
                problems.append(f"{name} is gone. Configs and saved pipelines use it: keep it")
            elif group != FACTORIES:
                problems.append(f"{name} has other parameters. Keep it, and register a new version with them")
            elif not set(parameters) <= set(new):
                problems.append(f"{name} lost or changed a setting. Keep each setting of a factory, with its default")
    return problems


def is_released(version: str) -> bool:
    """Return whether the heading of a version in the changelog has a date."""
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf8")
    return re.search(rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, flags=re.MULTILINE) is not None


def compare(text: str) -> tuple[str, list[str], list[str]]:
    """Compare the present interface with a snapshot.

    text: the text of the snapshot.
    RETURNS: the present text; the lines that differ; and why the snapshot must not be rewritten, if so.
    """
    version, before, since = read_text(text)
    unreleased = {name for name, first in since.items() if not is_released(first)}
    after = describe_api()
    present = to_text(after, spacy_bilstm.__version__, since)
    lines = difflib.unified_diff(text.splitlines(), present.splitlines(), "public_api.txt", "code", "", "", 3, "")
    problems = find_broken(before, after, unreleased)
    if present != text and version == spacy_bilstm.__version__ and is_released(version):
        problems.append(
            f"version {version} is released. Set a new version in pyproject.toml, install the package again with "
            "pip install -e ., and begin a section for it in CHANGELOG.md"
        )
    return present, list(lines), problems


def _describe_registered(name: str, function: Any) -> list[str]:
    return _describe_signature(function, hidden=())


def _describe_factory(name: str, function: Any) -> list[str]:
    defaults = dict(_flatten(Language.get_factory_meta(name).default_config))
    parameters = [name for name in inspect.signature(function).parameters if name not in ("nlp", "name")]
    required = [name for name in parameters if not any(key.split(".")[0] == name for key in defaults)]
    return required + [f"{key} = {_show(value)}" for key, value in defaults.items()]


def _list_commands(group: typer.Typer, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and the function of each command. A command object differs between versions of Typer."""
    for command in group.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        yield f"{path}{name}", command.callback
    for part in group.registered_groups:
        yield from _list_commands(part.typer_instance, f"{path}{part.name or part.typer_instance.info.name} ")


def _describe_command(function: Any) -> list[str]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return [_describe_option(p) for p in parameters if p.annotation is not typer.Context]


def _describe_option(parameter: inspect.Parameter) -> str:
    kind, info = get_args(parameter.annotation)
    if isinstance(info, ArgumentInfo):
        name = (info.metavar or parameter.name).upper()
    else:
        # Typer stores the first name as the default, because it is the first argument of `typer.Option`.
        names = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)]
        name = ", ".join(names or [f"--{parameter.name.replace('_', '-')}"])
    if inspect.isclass(kind) and issubclass(kind, Enum):
        name += f" {{{','.join(str(choice.value) for choice in kind)}}}"
    several = " ..." if get_origin(kind) is list else ""
    return name + several + (" (required)" if parameter.default is REQUIRED else f" = {_show(parameter.default)}")


def _find_functions() -> Iterator[tuple[str, Any]]:
    """Yield what the reference describes and what the packages export, by full name."""
    reference = (PROJECT / "docs" / "reference.md").read_text(encoding="utf8")
    for match in PLACEHOLDER.finditer(reference):
        place, *others = match[1].split()
        if match[0].startswith("<!-- generated: methods"):
            yield from ((f"{_join(place)}.{name}", getattr(_import(place), name)) for name in others)
        else:
            yield from ((_join(path), _import(path)) for path in (place, *others))
    for path in sorted(Path(spacy_bilstm.__file__).parent.glob("*/__init__.py")):
        module = import_module(f"spacy_bilstm.{path.parent.name}")
        if module.__name__ not in ("spacy_bilstm.bridge", "spacy_bilstm.nn"):  # inside of the architectures
            yield from ((f"{module.__name__}.{name}", getattr(module, name)) for name in getattr(module, "__all__", ()))


def _join(path: str) -> str:
    return path.replace(":", ".")


def _import(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _describe_object(value: Any) -> list[str]:
    if inspect.isclass(value) and issubclass(value, BaseException):
        return [f"is a {value.__bases__[0].__name__}"]
    if inspect.isclass(value) and issubclass(value, Enum):
        return [_show(choice) for choice in value]
    if getattr(value, "_is_protocol", False):
        return sorted(name for name in vars(value) if not name.startswith("_"))
    if callable(value):
        return _describe_signature(value, hidden=("self",))
    return [_show(value)]


def _describe_signature(function: Any, hidden: tuple[str, ...]) -> list[str]:
    lines, only_by_name = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not only_by_name:
            only_by_name = True
            lines.append("*")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is REQUIRED else f" = {_show(parameter.default)}"
        lines.append(f"{star}{parameter.name}{default}")
    return [line for line in lines if line not in hidden]


def _flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _show(value: Any) -> str:
    """Return a default as text that is the same on every system and in every version of Python."""
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    if isinstance(value, Path):
        return srsly.json_dumps(value.as_posix())
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_show, value))}]"
    value = getattr(value, "value", value)  # of an enumeration
    return srsly.json_dumps(value) if isinstance(value, str | bool | int | float | dict | None) else repr(value)


def main() -> None:
    text = SNAPSHOT.read_text(encoding="utf8") if SNAPSHOT.exists() else "spacy-bilstm 0\n"
    present, lines, problems = compare(text)
    if problems:
        sys.exit("\n".join([*lines, "", "Nothing was written:", *(f"- {problem}" for problem in problems)]))
    SNAPSHOT.write_text(present, encoding="utf8")
    print("\n".join(lines) or "Nothing changed.")


if __name__ == "__main__":
    main()
