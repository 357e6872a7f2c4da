"""Rounds: all take turns, and what an interrupt leaves are whole rounds."""

import pytest

from spacy_bilstm.benchmarks.report import shorten_names
from spacy_bilstm.benchmarks.rounds import get_quartiles, get_ratio, interleave


def test_each_round_starts_with_another_one() -> None:
    turns: list[tuple[str, int]] = []

    def measure(name: str, number: int) -> str:
        turns.append((name, number))
        return f"{name}{number}"

    assert interleave("ab", measure, 3) == [["a0", "b0"], ["a1", "b1"], ["a2", "b2"]]
    assert turns == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]


@pytest.mark.parametrize("n_done", [0, 2])
def test_an_interrupt_leaves_whole_rounds(n_done: int) -> None:
    def measure(name: str, number: int) -> str:
        if (name, number) == ("b", n_done):
            raise KeyboardInterrupt
        return name

    if n_done:
        assert interleave("ab", measure, 5) == [["a", "b"]] * n_done
    else:
        with pytest.raises(KeyboardInterrupt):
            interleave("ab", measure, 5)


def test_numbers_of_rounds() -> None:
    quartiles = get_quartiles([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (quartiles.lower, quartiles.median, quartiles.upper) == (2.0, 3.0, 4.0)
    # The machine was ten times as fast in one round.
    assert get_ratio([2.0, 30.0, 2.0], [1.0, 10.0, 1.0]) == 2.0


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["runs/cnn/model-best", "runs/lstm/model-best"], ["cnn", "lstm"]),
        (["configs/a.cfg", "configs/b.cfg"], ["a.cfg", "b.cfg"]),
        (["runs/cnn/model-best", "en_core_web_sm"], ["runs/cnn/model-best", "en_core_web_sm"]),
        (["a/b", "a/b"], ["b", "b"]),
        (["a/b"], ["a/b"]),
    ],
)
def test_names_are_as_short_as_tells_them_apart(names: list[str], short: list[str]) -> None:
    assert shorten_names(names) == short
