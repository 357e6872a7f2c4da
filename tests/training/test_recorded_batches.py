"""Batches that are drawn again."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import srsly
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import fix_random_seed
from toy_corpus import make_examples

from spacy_bilstm.training.recorded_batches import CorpusChangedError, RecordedBatches

EXAMPLES = make_examples(Vocab(), 30)
DRAWS: list[Callable[[], Any]] = [
    lambda: None,
    random.random,
    lambda: random.gauss(0.0, 1.0),
    lambda: random.shuffle(list(range(3000))),
    numpy.random.random,
    lambda: torch.rand(1),
]
draws = st.lists(st.sampled_from(range(len(DRAWS))), min_size=1, max_size=12)


def make_batches(choices: list[int]) -> Iterator[tuple[int, list[Example]]]:
    """Make a batch for each choice, whose content depends on a number that the chosen generator draws."""
    for i, choice in enumerate(choices):
        DRAWS[choice]()
        if choice:
            numbers = [random.random(), numpy.random.random(), float(torch.rand(1))]
            yield i // 3, random.sample(EXAMPLES, 1 + int(sum(numbers)))
        else:
            yield i // 3, EXAMPLES[i : i + 2]


def update(choice: int) -> None:
    """Draw numbers between two batches, as an update does."""
    DRAWS[choice]()


@settings(max_examples=25)
@given(draws, draws, st.data())
def test_the_same_batches_are_drawn_again(choices: list[int], updates: list[int], data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(choices)))
    fix_random_seed(0)
    first = RecordedBatches(make_batches(choices))
    wanted = []
    for i in range(n):
        wanted.append(next(first))
        update(updates[i % len(updates)])
    record = srsly.msgpack_loads(srsly.msgpack_dumps(first.get_record()))
    fix_random_seed(1)
    again = RecordedBatches(make_batches(choices), record)
    assert [next(again) for _ in range(n)] == wanted
    assert srsly.msgpack_dumps(again.get_record()) == srsly.msgpack_dumps(first.get_record())
    assert again.step == n - 1


def test_batches_are_repeated_until_the_last_recorded_one() -> None:
    first = RecordedBatches(make_batches([0, 0]))
    list(first)
    again = RecordedBatches(make_batches([0, 0, 0]), first.get_record())
    assert [again.is_repeating for _ in again] == [True, True, False]


@pytest.mark.parametrize("choices", [[0, 0, 1], [0]])
def test_other_or_too_few_batches_are_refused(choices: list[int]) -> None:
    first = RecordedBatches(make_batches([0, 0, 0]))
    list(first)
    with pytest.raises(CorpusChangedError, match="does not return the same batches"):
        list(RecordedBatches(make_batches(choices), first.get_record()))


def test_random_numbers_of_updates_take_little_space() -> None:
    """As with a transition-based parser, whose updates draw from Python's generator, and a batcher that does, too."""
    batches = RecordedBatches((0, random.sample(EXAMPLES, 2)) for _ in range(300))
    for _ in batches:
        random.random()
    assert len(srsly.msgpack_dumps(batches.get_record())) < 10_000
