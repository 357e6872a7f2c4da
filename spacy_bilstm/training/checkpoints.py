"""The checkpoints of a training: files that are written whole, and what they belong to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import srsly

from ..util.files import atomic_write

_N_KEPT = 2
_DIGEST_SIZE = 32
_SECTIONS_WITH_FILES = ("paths", "corpora", "initialize")


class CheckpointError(ValueError):
    """A checkpoint is of another training, or is damaged."""


class Checkpoints:
    """The folder with the checkpoints of one training.

    `training.json` describes the training from its start. `step-N.msgpack` is the state after N steps. At the end of
    the training, `complete.json` takes the place of the states.
    """

    def __init__(self, directory: Path) -> None:
        """Use a folder, which need not exist.

        directory: the folder.
        """
        self._directory = directory
        self._description = directory / "training.json"
        self._complete = directory / "complete.json"

    def read_description(self) -> dict[str, Any] | None:
        """Return what `write_description` wrote, or None if no training has begun."""
        return _read_json(self._description)

    def write_description(self, description: dict[str, Any]) -> None:
        """Write what identifies the training, in a form that JSON can store."""
        with atomic_write(self._description) as draft:
            draft.write_text(json.dumps(description, indent=1), encoding="utf8")

    def read_completion(self) -> dict[str, Any] | None:
        """Return what `complete` wrote, or None if the training has not ended."""
        return _read_json(self._complete)

    def complete(self, summary: dict[str, Any]) -> None:
        """Mark the training as complete and remove its states.

        summary: the end of the training, in a form that JSON can store.
        """
        with atomic_write(self._complete) as draft:
            draft.write_text(json.dumps(summary), encoding="utf8")
        for path in [*self._list_states(), *self._list_drafts()]:
            path.unlink()

    def write(self, n_steps: int, state: dict[str, Any]) -> None:
        """Write the state after some steps, and remove all states but the last two.

        n_steps: number of steps.
        state: the state, in a form that msgpack can store.
        """
        data: bytes = srsly.msgpack_dumps(state)
        with atomic_write(self._directory / f"step-{n_steps:09}.msgpack") as draft, draft.open("wb") as file:
            file.write(hashlib.sha256(data).digest())
            file.write(data)
        for path in self._list_states()[:-_N_KEPT]:
            path.unlink()

    def read(self) -> dict[str, Any] | None:
        """Return the last state that is not damaged, or None if there is none.

        RAISES: CheckpointError if all states are damaged.
        """
        paths = self._list_states()
        for path in reversed(paths):
            data = path.read_bytes()
            if hashlib.sha256(data[_DIGEST_SIZE:]).digest() == data[:_DIGEST_SIZE]:
                state: dict[str, Any] = srsly.msgpack_loads(data[_DIGEST_SIZE:])
                return state
        if paths:
            raise CheckpointError(f"{paths[-1]} is damaged. To begin the training afresh, add --restart.")
        return None

    def clear(self) -> None:
        """Remove everything about the training."""
        for path in [*self._list_states(), self._complete, self._description, *self._list_drafts()]:
            path.unlink(missing_ok=True)

    def _list_states(self) -> list[Path]:
        return sorted(self._directory.glob("step-*.msgpack"))

    def _list_drafts(self) -> list[Path]:
        """List what processes that were killed have left."""
        return list(self._directory.glob(".*.part"))


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
    return content


def describe_inputs(config: dict[str, Any], files: Sequence[Path] = ()) -> dict[str, dict[str, Any]]:
    """Describe what determines a training: each setting of its config, and the content of the files that it reads.

    config: the interpolated config.
    files: further files, such as Python code.
    RETURNS: the settings by dotted name, and the SHA-256 of each file by path. Files are those that a string in
        `[paths]`, `[corpora]` or `[initialize]`, or the source of a component, is the path of.
    """
    settings = dict(_flatten(config))
    named = [value for name, value in settings.items() if _may_be_path(name) and isinstance(value, str) and value]
    paths = sorted({*filter(Path.exists, map(Path, named)), *files})
    return {"settings": settings, "files": {str(path): _hash(path) for path in paths}}


def check_inputs(before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> None:
    """Check that a training goes on with the inputs that it began with.

    before, now: results of `describe_inputs`.
    RAISES: CheckpointError, with the names of all that differs.
    """
    differences = find_differences(before, now, "in the checkpoint")
    if differences:
        raise CheckpointError(
            "The output folder has a training with other inputs. These differ:\n- "
            + "\n- ".join(differences)
            + "\nUse the same inputs or another output folder, or begin afresh with --restart."
        )


def find_differences(before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]], place: str) -> list[str]:
    """Compare two descriptions of inputs.

    before, now: results of `describe_inputs`.
    place: where the former one is stored, for the text.
    RETURNS: a text for each setting and each file that differs.
    """
    settings = [
        f"{name}: {before['settings'].get(name)!r} {place}, {now['settings'].get(name)!r} now"
        for name in sorted({*before["settings"], *now["settings"]})
        if before["settings"].get(name) != now["settings"].get(name)
    ]
    files = [
        f"the content of {path}"
        for path in sorted({*before["files"], *now["files"]})
        if before["files"].get(path) != now["files"].get(path)
    ]
    return settings + files


def _flatten(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, json.loads(json.dumps(value))


def _may_be_path(name: str) -> bool:
    section = name.partition(".")[0]
    return section in _SECTIONS_WITH_FILES or (section == "components" and name.endswith(".source"))


def _hash(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of a folder's files.

    Names that start with "_" or "." are left out: `write_parts` keeps its notes there, which change without the parts.
    """
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        is_note = any(name[0] in "._" for name in file.relative_to(path).parts)
        if file.is_file() and not is_note:
            if file != path:
                digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            with file.open("rb") as stream:
                while block := stream.read(2**20):
                    digest.update(block)
    return digest.hexdigest()
