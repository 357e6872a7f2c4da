"""Rounds in which subjects take turns, and the summary of their numbers."""

import pytest

from spacy_bilstm.benchmarks.rounds import get_quartiles, get_ratio, interleave


def test_each_round_starts_with_another_subject() -> None:
    turns: list[tuple[str, int]] = []

    def measure(name: str, number: int) -> str:
        turns.append((name, number))
        return f"{name}{number}"

    assert interleave("ab", measure, 3) == [["a0", "b0"], ["a1", "b1"], ["a2", "b2"]]
    assert turns == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]


def interrupt_in_round(n_done: int) -> list[list[str]]:
    """Run five rounds, and interrupt the one after `n_done`."""

    def measure(name: str, number: int) -> str:
        if (name, number) == ("b", n_done):
            raise KeyboardInterrupt
        return name

    return interleave("ab", measure, 5)


def test_an_interrupt_keeps_the_completed_rounds() -> None:
    assert interrupt_in_round(2) == [["a", "b"], ["a", "b"]]


def test_an_interrupt_in_the_first_round_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt_in_round(0)


def test_quartiles() -> None:
    quartiles = get_quartiles([4.0, 1.0, 2.0, 3.0, 5.0])
    assert (quartiles.lower, quartiles.median, quartiles.upper) == (2.0, 3.0, 4.0)


def test_ratio_ignores_a_change_of_the_machines_speed() -> None:
    # In the second round the machine was ten times as fast.
    assert get_ratio([2.0, 30.0, 2.0], [1.0, 10.0, 1.0]) == 2.0
