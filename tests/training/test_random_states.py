"""States of random generators."""

import random

import numpy
import pytest
import srsly
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.training.random_states import advance, count_draws, get_random_states, set_random_states


def draw() -> tuple[float, float, float, float]:
    return random.random(), numpy.random.random(), float(numpy.random.normal()), float(torch.rand(1))


def test_all_generators_continue_from_a_stored_state() -> None:
    random.gauss(0.0, 1.0)  # Python and NumPy keep the second of two normal numbers.
    numpy.random.normal()
    stored = srsly.msgpack_dumps(get_random_states())
    wanted = [random.gauss(0.0, 1.0), *draw()]
    draw()
    set_random_states(srsly.msgpack_loads(stored))
    assert [random.gauss(0.0, 1.0), *draw()] == wanted


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_draws_are_counted(n_before: int, n_draws: int) -> None:
    generator = random.Random(0)
    for _ in range(n_before):
        generator.getrandbits(32)
    before = generator.getstate()
    for _ in range(n_draws):
        generator.getrandbits(32)
    assert count_draws(before, generator.getstate()) == n_draws
    assert advance(before, n_draws) == generator.getstate()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_state_that_draws_do_not_lead_to_has_no_count(seed: int) -> None:
    assert count_draws(random.Random(0).getstate(), random.Random(seed).getstate()) is None
