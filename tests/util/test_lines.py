"""Lines: they end where editors end them, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.util.lines import split_lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n"], ids=["Unix", "Windows", "old Mac", "converted twice"])
def test_line_ends_of_all_systems_end_a_line(end: str) -> None:
    assert split_lines(f"a{end}{end}b{end}") == ["a", "", "b", ""]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\u00a0"])
def test_other_characters_end_no_line(character: str) -> None:
    assert split_lines(f"a{character}b") == [f"a{character}b"]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n")), min_size=1))
def test_any_lines_are_found_again(lines: list[str]) -> None:
    assert split_lines("\r\n".join(lines)) == lines
