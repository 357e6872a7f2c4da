"""Writing files: a file or directory is replaced when it is complete, or stays as it was."""

from pathlib import Path

import pytest

from spacy_bilstm.util.files import directory_written_whole, written_whole


def test_a_complete_file_replaces_the_target(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    for text in ("first", "second"):
        with written_whole(target) as draft:
            draft.write_text(text)
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("before", [None, "precious"])
def test_an_incomplete_file_leaves_the_target_as_it_was(tmp_path: Path, before: str | None) -> None:
    target = tmp_path / "out"
    if before is not None:
        target.write_text(before)

    def write() -> None:
        with written_whole(target) as draft:
            draft.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert [path.read_text() for path in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_complete_directory_replaces_the_target(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for name in ("first", "second"):
        with directory_written_whole(target) as draft:
            draft.mkdir()
            (draft / name).write_text(name)
        assert [path.name for path in target.iterdir()] == [name]
    assert list(tmp_path.iterdir()) == [target]


def test_an_incomplete_directory_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "precious").write_text("precious")

    def write() -> None:
        with directory_written_whole(target) as draft:
            draft.mkdir()
            (draft / "half").write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert [path.name for path in target.iterdir()] == ["precious"]
    assert list(tmp_path.iterdir()) == [target]
