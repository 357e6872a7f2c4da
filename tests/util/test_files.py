"""Writing files: a file or directory is replaced when it is complete, or stays as it was; nothing else is lost."""

import errno
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from spacy_bilstm.util.files import (
    atomic_write,
    check_output_directory,
    check_writable,
    recover_directory,
    replace_directory,
)


def write_file(target: Path, text: str) -> None:
    with atomic_write(target) as draft:
        draft.write_text(text)


def write_directory(target: Path, text: str) -> None:
    with replace_directory(target) as draft:
        draft.mkdir()
        (draft / "x").write_text(text)


def read(target: Path) -> str:
    return (target / "x" if target.is_dir() else target).read_text()


WRITERS = pytest.mark.parametrize("write", [write_file, write_directory], ids=["file", "directory"])
Writer = Callable[[Path, str], None]


@WRITERS
def test_a_complete_draft_replaces_the_target(tmp_path: Path, write: Writer) -> None:
    target = tmp_path / "new" / "out"
    for text in ("first", "second"):
        write(target, text)
        assert read(target) == text
    assert list(target.parent.iterdir()) == [target]


@WRITERS
@pytest.mark.parametrize("before", [None, "precious"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_incomplete_draft_leaves_the_target_as_it_was(
    tmp_path: Path, write: Writer, before: str | None, error: type[BaseException]
) -> None:
    target = tmp_path / "out"
    if before is not None:
        write(target, before)
    context: AbstractContextManager[Path] = (atomic_write if write is write_file else replace_directory)(target)

    def fail() -> None:
        with context as draft:
            draft.write_text("half") if write is write_file else draft.mkdir()
            raise error

    with pytest.raises(error):
        fail()
    assert [read(path) for path in tmp_path.iterdir()] == ([] if before is None else [before])


@pytest.fixture
def failing_rename(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Return a function that makes the n-th rename from now raise an error before it happens."""
    replace = os.replace

    def prepare(n: int, error: BaseException) -> None:
        calls: list[Path] = []

        def rename(source: Path, target: Path) -> None:
            calls.append(source)
            if len(calls) == n:
                raise error
            replace(source, target)

        monkeypatch.setattr(os, "replace", rename)

    return prepare


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
@pytest.mark.parametrize("n", [1, 2])
def test_the_old_directory_comes_back_if_a_rename_fails(
    tmp_path: Path, failing_rename: Callable[[int, BaseException], None], n: int, error: BaseException
) -> None:
    write_directory(tmp_path / "out", "precious")
    failing_rename(n, error)
    with pytest.raises(type(error)):
        write_directory(tmp_path / "out", "new")
    assert read(tmp_path / "out") == "precious"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_an_interrupt_after_the_last_rename_keeps_the_new_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_directory(tmp_path / "out", "old")
    replace = os.replace

    def rename(source: Path, target: Path) -> None:
        replace(source, target)
        if str(source).endswith(".part"):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", rename)
    with pytest.raises(KeyboardInterrupt):
        write_directory(tmp_path / "out", "new")
    assert read(tmp_path / "out") == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


@WRITERS
def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path, write: Writer) -> None:
    write(tmp_path / "real" / "out", "old")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "out")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real" / "out") == "new"
    assert list((tmp_path / "real").iterdir()) == [tmp_path / "real" / "out"]


@WRITERS
def test_a_link_to_nothing_is_followed(tmp_path: Path, write: Writer) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real") == "new"


def test_a_target_of_the_other_kind_is_refused_and_kept(tmp_path: Path) -> None:
    write_file(tmp_path / "file", "precious")
    write_directory(tmp_path / "directory", "precious")
    with pytest.raises(IsADirectoryError, match="Choose the path of a file"):
        write_file(tmp_path / "directory", "new")
    with pytest.raises(NotADirectoryError, match="Choose the path of a directory"):
        write_directory(tmp_path / "file", "new")
    assert [read(path) for path in sorted(tmp_path.iterdir())] == ["precious", "precious"]


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs a POSIX device")
def test_a_device_is_written_directly() -> None:
    write_file(Path("/dev/null"), "text")
    check_writable(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


@pytest.fixture(scope="module")
def ended_pid() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.fixture(scope="module")
def running_pid() -> Iterator[int]:
    """Return the id of another process that runs."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


@WRITERS
@pytest.mark.parametrize("tail", ["{pid}.part", "{pid}-3.part", "{pid}.old", "{pid}-3.old"])
def test_leftovers_of_killed_processes_are_removed(tmp_path: Path, write: Writer, ended_pid: int, tail: str) -> None:
    write(tmp_path / "out", "old")
    for pid in (ended_pid, os.getpid()):  # An earlier process may have had the same id, as in a container.
        write(tmp_path / f".out.{tail.format(pid=pid)}", "half")
    write(tmp_path / "out", "new")
    assert [read(path) for path in tmp_path.iterdir()] == ["new"]


@WRITERS
def test_drafts_of_running_processes_and_other_targets_are_left_alone(
    tmp_path: Path, write: Writer, running_pid: int, ended_pid: int
) -> None:
    names = {
        f".out.{running_pid}.part",
        f".out.{running_pid}-2.old",
        f".out2.{ended_pid}.part",
        "out.part",
        ".out.x.old",
    }
    for name in names:
        write(tmp_path / name, "other")
    write(tmp_path / "out", "new")
    assert {path.name for path in tmp_path.iterdir()} == names | {"out"}


def test_a_directory_that_a_killed_process_moved_aside_comes_back(tmp_path: Path, ended_pid: int) -> None:
    write_directory(tmp_path / f".out.{ended_pid}.old", "precious")
    write_directory(tmp_path / f".out.{ended_pid}.part", "half")

    def fail() -> None:
        with replace_directory(tmp_path / "out"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    assert read(tmp_path / "out") == "precious"


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_a_process_killed_between_the_renames_loses_nothing(tmp_path: Path) -> None:
    write_directory(tmp_path / "out", "precious")
    code = (
        "import os, signal, sys; from pathlib import Path; sys.modules['spacy_bilstm'] = type(sys)('spacy_bilstm')\n"
        f"sys.modules['spacy_bilstm'].__path__ = [{str(Path(sys.modules['spacy_bilstm'].__file__ or '').parent)!r}]\n"
        "from spacy_bilstm.util.files import replace_directory\n"
        f"with replace_directory(Path({str(tmp_path / 'out')!r})) as draft:\n"
        "    draft.mkdir(); replace = os.replace\n"
        "    os.replace = lambda *paths: (replace(*paths), os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert not (tmp_path / "out").exists()
    with replace_directory(tmp_path / "out") as draft:
        assert read(tmp_path / "out") == "precious"
        draft.mkdir()
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_threads_that_write_one_target_do_not_mix(tmp_path: Path) -> None:
    texts = {str(n) * 1000 for n in range(8)}
    threads = [threading.Thread(target=write_file, args=(tmp_path / "out", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read(path) in texts for path in tmp_path.iterdir()] == [True]


def test_a_writable_target_is_accepted_and_not_created(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file/out", "file/new/out", "x" * 300])
def test_a_target_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"can't be written: .*\. Choose another path\."):
        check_writable(tmp_path / name)


def make_pipeline(path: Path, **meta: object) -> Path:
    for name in ("ner", "tokenizer", "vocab"):
        (path / name).mkdir(parents=True)
    (path / "config.cfg").write_text("")
    (path / "meta.json").write_text(json.dumps({"pipeline": ["ner"], **meta}))
    return path


@pytest.mark.parametrize("force", [False, True])
def test_a_missing_or_empty_directory_is_accepted(tmp_path: Path, force: bool) -> None:
    (tmp_path / "empty").mkdir()
    check_output_directory(tmp_path / "empty", force=force)
    check_output_directory(tmp_path / "new" / "out", force=force)
    check_output_directory(tmp_path / "m2", inputs=[make_pipeline(tmp_path / "m"), "en_core_web_sm"], force=force)
    assert not (tmp_path / "new").exists()


def test_a_pipeline_is_accepted_only_with_force(tmp_path: Path) -> None:
    make_pipeline(tmp_path / "m")
    with pytest.raises(ValueError, match=r"contains a pipeline\. Choose another directory, or replace it with --force"):
        check_output_directory(tmp_path / "m")
    check_output_directory(tmp_path / "m", force=True)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["notes.txt", ".git", "ner2"])
def test_a_directory_with_anything_else_is_refused(tmp_path: Path, name: str, force: bool) -> None:
    (tmp_path / "work" / name).mkdir(parents=True)
    make_pipeline(tmp_path / "m")
    (tmp_path / "m" / name).write_text("")
    for target in ("work", "m"):
        with pytest.raises(ValueError, match=f"contains {name}, which is not part of a pipeline"):
            check_output_directory(tmp_path / target, force=force)


@pytest.mark.parametrize("meta", ["", "[]", "{}", '{"pipeline": 3}', "\ud83d"])
def test_a_directory_with_a_damaged_meta_json_is_refused(tmp_path: Path, meta: str) -> None:
    (make_pipeline(tmp_path / "m") / "meta.json").write_bytes(meta.encode(errors="surrogatepass"))
    with pytest.raises(ValueError, match="is not part of a pipeline"):
        check_output_directory(tmp_path / "m", force=True)


@pytest.mark.parametrize("target", [".", "", "..", "../..", "link", "/"])
def test_the_current_directory_and_its_parents_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "link").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match="is or contains the current directory"):
        check_output_directory(Path(target), force=True)


@pytest.mark.parametrize("target", ["m", "m/ner", "m/new", ".", "link", "data"])
def test_a_directory_that_is_read_is_refused(tmp_path: Path, target: str) -> None:
    model = make_pipeline(tmp_path / "root" / "m")
    (tmp_path / "root" / "link").symlink_to(model)
    (tmp_path / "root" / "data").mkdir()
    (tmp_path / "root" / "data" / "dev.spacy").write_text("")
    inputs = [str(model), tmp_path / "root" / "data" / "dev.spacy"]
    with pytest.raises(ValueError, match="which is read"):
        check_output_directory(tmp_path / "root" / target, inputs=inputs, force=True)


def test_a_file_as_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        check_output_directory(tmp_path / "file", force=True)
    with pytest.raises(OSError, match="can't be written"):
        check_output_directory(tmp_path / "file" / "out", force=True)


def test_a_directory_is_recovered_from_a_process_that_was_killed(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for suffix in ("old", "part"):
        (tmp_path / f".out.{process.pid}-1.{suffix}").mkdir()
        (tmp_path / f".out.{process.pid}-1.{suffix}" / "x").write_text(suffix)
    recover_directory(tmp_path / "out")
    assert read(tmp_path / "out") == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
    recover_directory(tmp_path / "missing" / "out")


@pytest.mark.parametrize("write", [atomic_write, replace_directory])
def test_an_error_that_names_no_file_as_that_of_a_full_disk_gets_the_target(tmp_path: Path, write: Any) -> None:
    target = tmp_path / "out"
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{target}'")), write(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []
