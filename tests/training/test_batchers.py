"""The batcher by length: every document once, within the size, of like length, and fixed by the seed."""

import random
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


def test_batches_hold_like_lengths_and_come_in_random_order() -> None:
    lengths = list(range(1, 41)) * 5
    batches = batch(lengths, noise=0.0, size=100)
    spread = [max(map(len, items)) - min(map(len, items)) for items in batches]
    assert max(spread) <= 8
    firsts = [len(items[0]) for items in batches]
    assert firsts != sorted(firsts)


def test_noise_mixes_the_company_of_a_document() -> None:
    lengths = list(range(1, 41)) * 5

    def steps(noise: float) -> int:
        return sum(max(map(len, items)) for items in batch(lengths, noise=noise, size=100))

    assert steps(0.0) < steps(0.5) < steps(5.0)
    assert batch(lengths, seed=0) != batch(lengths, seed=1)


def test_a_schedule_gives_the_sizes() -> None:
    sizes = [sum(map(len, items)) for items in batch([1] * 30, size=iter([2, 4, *repeat(8, 9)]))]
    assert sorted(sizes) == [2, 4, 8, 8, 8]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "at least one word, but size is 0"),
        ({"buffer": 0}, "at least one document at a time, but buffer is 0"),
        ({"noise": -0.1}, "must not be negative, but is -0.1"),
    ],
)
def test_arguments_out_of_range_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch([1], **settings)
