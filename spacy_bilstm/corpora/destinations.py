"""Check where the assets of a project would be written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from pathlib import Path, PurePath

PROJECT_FILES = {"project.yml", "project.lock"}


class DestinationError(ValueError):
    """An asset would be written where it must not be."""


def normalize_destination(dest: object, project_dir: Path) -> str:
    """Return the path of an asset in its project.

    dest: the path as project.yml has it.
    project_dir: the directory of the project.
    RETURNS: the path relative to the project, with slashes, without `.` and `..`.
    RAISES: DestinationError if it is not a path in the project.
    """
    if not isinstance(dest, str) or not dest.strip() or "\0" in dest:
        raise DestinationError("the asset has no path as its 'dest'. Write one such as assets/train.conllu.")
    root = os.path.abspath(project_dir)
    target = os.path.abspath(os.path.join(root, dest))
    if not PurePath(target).is_relative_to(root) or target == root:
        raise DestinationError("the path leaves the project. Write a path relative to the project's directory.")
    return PurePath(os.path.relpath(target, root)).as_posix()


def check_destination(dest: str, project_dir: Path, tracked: Collection[str]) -> None:
    """Check that writing an asset replaces no file of the project.

    dest: its path as `normalize_destination` returns it.
    project_dir: the directory of the project.
    tracked: the paths of the files that git tracks, relative to the project. A tracked link may be part of the path.
    RAISES: DestinationError if it is such a file or a directory.
    """
    path = PurePath(dest)
    names = {name.casefold() for name in tracked} | PROJECT_FILES
    if ".git" in (part.casefold() for part in path.parts):
        raise DestinationError("the path is part of git's own files. Choose another one.")
    for part in (path, *path.parents):
        if part.as_posix().casefold() in names:
            raise DestinationError(f"{part.as_posix()} is a file of the project itself. Choose another path.")
    if (project_dir / dest).is_dir():
        raise DestinationError("the path is a directory. Add the name of the file.")


def list_tracked_files(project_dir: Path) -> set[str]:
    """Return the files that git tracks in a directory.

    project_dir: the directory.
    RETURNS: their paths relative to it, with slashes; none if it is not part of a repository or git is missing.
    """
    # The monitor of a repository is a program that its config names.
    command = ["git", "-C", str(project_dir), "-c", "core.fsmonitor=false", "ls-files", "-z"]
    try:
        result = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {name for name in result.stdout.decode("utf8", "surrogateescape").split("\0") if name}
