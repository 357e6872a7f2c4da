"""Corpus files: encoding, line ends and the record of problems."""

from pathlib import Path

import pytest

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.problems import Problem, Problems


def read(path: Path, data: bytes) -> CorpusFile:
    path.write_bytes(data)
    return CorpusFile.read(path, Problems())


def test_a_byte_order_mark_and_windows_line_ends_are_removed(tmp_path: Path) -> None:
    file = read(tmp_path / "x", b"\xef\xbb\xbfa\tb\r\n\r\nc\n")
    assert file.lines == ["a\tb", "", "c", ""]
    assert file.problems == Problems()


def test_characters_that_tokens_may_contain_do_not_end_a_line(tmp_path: Path) -> None:
    text = "a\u2028b\x0bc\x0cd\x1ce\x85f"
    assert read(tmp_path / "x", f"{text}\n".encode()).lines == [text, ""]


@pytest.mark.parametrize("data", [b"a\n\xe4\n", b"a\r\xe4\r", b"\xef\xbb\xbfa\r\n\xe4"])
def test_a_file_that_is_not_utf8_is_an_error(tmp_path: Path, data: bytes) -> None:
    file = read(tmp_path / "x", data)
    assert file.lines == []
    (error,) = file.problems.errors
    assert str(error).startswith(f"{tmp_path / 'x'}, line 2: this line is not UTF-8")


def test_line_ends_of_old_macs_end_a_line(tmp_path: Path) -> None:
    assert read(tmp_path / "x", b"a\tO\r\rb\tO\r").lines == ["a\tO", "", "b\tO", ""]


def test_a_problem_of_the_whole_file_has_no_line() -> None:
    assert str(Problem("x", None, "a")) == "x: a"


def test_files_of_one_corpus_share_their_problems() -> None:
    problems = Problems()
    CorpusFile("x", [], problems).warn(1, "a")
    CorpusFile("y", [], problems).error(2, "b")
    assert problems == Problems(errors=[Problem("y", 2, "b")], warnings=[Problem("x", 1, "a")])
