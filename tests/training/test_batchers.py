"""The batcher by length."""

import random
from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.util import registry

LENGTHS = st.lists(st.integers(0, 60), max_size=80)


def batch(lengths: list[int], seed: int = 0, **settings: Any) -> list[list[str]]:
    random.seed(seed)
    batcher = registry.get("batchers", "spacy-bilstm.batch_by_length.v1")(**{"size": 50, **settings})
    return list(batcher(["x" * length for length in lengths]))


@given(LENGTHS, st.integers(1, 90), st.integers(1, 100), st.floats(0, 1))
def test_every_document_is_in_one_batch_within_the_size(
    lengths: list[int], size: int, buffer: int, noise: float
) -> None:
    batches = batch(lengths, size=size, buffer=buffer, noise=noise)
    assert sorted(len(item) for items in batches for item in items) == sorted(lengths)
    assert all(items for items in batches)
    assert all(len(items) == 1 or sum(map(len, items)) <= size for items in batches)


@given(LENGTHS)
def test_the_seed_fixes_the_batches(lengths: list[int]) -> None:
    assert batch(lengths, seed=3) == batch(lengths, seed=3)


def test_batches_hold_similar_lengths_in_random_order() -> None:
    lengths = list(range(1, 41)) * 5
    batches = batch(lengths, noise=0.0, size=100)
    spread = [max(map(len, items)) - min(map(len, items)) for items in batches]
    assert max(spread) <= 8
    firsts = [len(items[0]) for items in batches]
    assert firsts != sorted(firsts)


def test_noise_mixes_lengths() -> None:
    lengths = list(range(1, 41)) * 5

    def steps(noise: float) -> int:
        return sum(max(map(len, items)) for items in batch(lengths, noise=noise, size=100))

    assert steps(0.0) < steps(0.5) < steps(5.0)
    assert batch(lengths, seed=0) != batch(lengths, seed=1)


def test_sizes_follow_a_schedule() -> None:
    sizes = [sum(map(len, items)) for items in batch([1] * 30, size=iter([2, 4, *repeat(8, 9)]))]
    assert sorted(sizes) == [2, 4, 8, 8, 8]


@pytest.mark.parametrize("kind", [list, iter])
def test_the_last_size_holds_for_all_further_batches(kind: Callable[[list[int]], Any]) -> None:
    """This holds in later epochs, too: they continue the schedule."""
    batcher = registry.get("batchers", "spacy-bilstm.batch_by_length.v1")(size=kind([2, 4]), buffer=4)
    first, second = (list(batcher(["x"] * 14)) for _ in range(2))
    assert sorted(map(len, first)) == [2, 2, 2, 4, 4]
    assert sorted(map(len, second)) == [2, 4, 4, 4]


def test_one_size_in_a_list_is_the_size_of_all_batches() -> None:
    assert [len(items) for items in batch([1] * 12, size=[4])] == [4, 4, 4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size is 0. Set it to the number of words"),
        ({"size": []}, r"size is \[\]. Set it to the number of words"),
        ({"size": [4, 0]}, r"size is \[4, 0\]. Set it to the number of words"),
        ({"buffer": 0}, "buffer is 0. Set it to the number of documents"),
        ({"noise": -0.1}, "noise is -0.1. Set it to 0 or more"),
    ],
)
def test_arguments_out_of_range_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch([1], **settings)
