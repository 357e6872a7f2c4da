"""Write files and directories as a whole, and refuse targets whose content would be lost."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

# The files that every pipeline directory has besides its components.
_PIPELINE_FILES = ("meta.json", "config.cfg")
_PIPELINE_PARTS = {*_PIPELINE_FILES, "tokenizer", "vocab"}
_COUNTER = itertools.count(1)
# The drafts of this process, so that a leftover of an earlier process with the same id is told from them.
_in_use: set[str] = set()


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Write a file next to its target and rename it when it is complete.

    target: the file to write; its directory is created if it is missing. A link is followed. A device such as
        `/dev/stdout` is written directly.
    RETURNS: the path to write to. If the block raises, this file is removed and the target stays as it was.
    RAISES: IsADirectoryError if the target is a directory.
    """
    target = _follow_links(target)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a directory. Choose the path of a file.")
    if target.exists() and not target.is_file():
        yield target
        return
    with _make_draft(target) as draft:
        yield draft
        os.replace(draft, target)


@contextmanager
def replace_directory(target: Path) -> Iterator[Path]:
    """Write a directory next to its target and rename it when it is complete.

    The old directory is moved aside before the new one takes its place. If the process is killed between the two steps,
    the next call with the same target moves the old one back.

    target: the directory to write; a directory that exists there is replaced as a whole. A link is followed. See
        `check_output_directory` for targets that should not be replaced.
    RETURNS: the path of the directory to create and fill. If the block raises, this directory is removed and the target
        stays as it was.
    RAISES: NotADirectoryError if the target is a file.
    """
    target = _follow_links(target)
    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target} is a file. Choose the path of a directory.")
    with _make_draft(target) as draft:
        yield draft
        _swap(draft, target, draft.with_suffix(".old"))


def recover_directory(target: Path) -> None:
    """Move back the old content of a directory if a process was killed while `replace_directory` replaced it.

    target: the directory. Drafts that killed processes have left next to it are removed.
    """
    target = _follow_links(target)
    if target.parent.is_dir():
        _clear_leftovers(target)


def check_writable(target: Path) -> None:
    """Check that a file or a directory can be written to a path, without writing it.

    target: the path.
    RAISES: OSError, with the path and the reason, if it can't.
    """
    target = _follow_links(target)
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            return
        directory = next((parent for parent in target.parents if parent.exists()), target)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=f".{target.name}.", suffix=".part"):
            pass
    except OSError as error:
        raise OSError(f"{target} can't be written: {error}. Choose another path.") from error


def check_output_directory(target: Path, *, inputs: Sequence[str | Path] = (), force: bool = False) -> None:
    """Check that writing a pipeline to a directory loses nothing.

    target: the directory to write. A directory that is missing or empty is accepted.
    inputs: files and directories that the command reads. The target may not be, contain or be inside any of them.
        Names that are not paths, such as those of installed packages, have no effect.
    force: whether a directory that contains a pipeline and nothing else is accepted too.
    RAISES: ValueError, with the reason, if the directory is refused; OSError if it can't be written.
    """
    real = _follow_links(target)
    if Path.cwd().resolve().is_relative_to(real):
        raise ValueError(f"{target} is or contains the current directory. Choose another directory.")
    for path in map(Path, inputs):
        source = _follow_links(path)
        if source.exists() and (source.is_relative_to(real) or (source.is_dir() and real.is_relative_to(source))):
            raise ValueError(f"{target} is, contains or is inside {path}, which is read. Choose another directory.")
    if real.exists() and not real.is_dir():
        raise ValueError(f"{target} is a file. Choose the path of a directory.")
    if real.is_dir() and any(real.iterdir()):
        strangers = _find_strangers(real)
        if strangers:
            raise ValueError(
                f"{target} contains {strangers[0]}, which is not part of a pipeline. Choose a new or empty directory."
            )
        if not force:
            raise ValueError(f"{target} contains a pipeline. Choose another directory, or replace it with --force.")
    check_writable(real)


def _follow_links(target: Path) -> Path:
    return Path(os.path.realpath(target))


@contextmanager
def _make_draft(target: Path) -> Iterator[Path]:
    """Yield a path next to the target, which is removed afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(target)
    draft = target.with_name(f".{target.name}.{os.getpid()}-{next(_COUNTER)}.part")
    _in_use.add(draft.stem)
    try:
        yield draft
    except OSError as error:
        if error.filename is None:  # A full disk is an error that names no file.
            error.filename = str(target)
        raise
    finally:
        _remove(draft)
        _in_use.discard(draft.stem)


def _swap(new: Path, target: Path, old: Path) -> None:
    """Put a directory in the place of the target, or leave the target as it was."""
    try:
        if target.exists():
            os.replace(target, old)
        os.replace(new, target)
    except BaseException:  # Ctrl-C too.
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    finally:
        if target.exists():
            _remove(old)


def _clear_leftovers(target: Path) -> None:
    """Remove what processes that were killed have left next to the target, or restore the target from it."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(?P<pid>\d+)(-\d+)?\.(part|old)")
    for path in sorted(target.parent.iterdir()):
        match = pattern.fullmatch(path.name)
        if match is None or path.stem in _in_use:
            continue
        pid = int(match["pid"])
        if pid != os.getpid() and _is_alive(pid):
            continue
        if path.suffix == ".old" and not target.exists():
            os.replace(path, target)
        else:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _is_alive(pid: int) -> bool:
    """Return whether a process with an id runs on this machine."""
    if sys.platform == "win32":  # os.kill would end the process.
        import ctypes

        query, still_active = 0x1000, 259
        handle = ctypes.windll.kernel32.OpenProcess(query, False, pid)
        code = ctypes.c_ulong()
        found = handle and ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
        ctypes.windll.kernel32.CloseHandle(handle)
        return bool(found) and code.value == still_active
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0


def _find_strangers(directory: Path) -> list[str]:
    """Return the names in a directory that a pipeline stored there would not have."""
    names = sorted(path.name for path in directory.iterdir())
    try:
        meta = json.loads((directory / "meta.json").read_bytes())
        components = {*meta["pipeline"], *meta.get("components", []), *meta.get("disabled", [])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return names
    if not all((directory / name).is_file() for name in _PIPELINE_FILES):
        return names
    return [name for name in names if name not in _PIPELINE_PARTS | components]
