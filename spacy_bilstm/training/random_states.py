"""The states of the random generators that spaCy, thinc and torch draw from."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import torch

# An advance by at most this many rounds of Python's generator is stored as a number of draws instead of a whole state.
_MAX_ROUNDS = 4
_ROUND = 624  # Numbers that a Mersenne Twister makes at a time.


@dataclass(frozen=True)
class _Generator:
    """Functions that get and set the state of one generator. States can be compared, and stored with msgpack."""

    get: Callable[[], Any]
    set: Callable[[Any], object]


def _set_python(state: Any) -> None:
    version, words, gauss = state
    random.setstate((version, tuple(words), gauss))


def _get_numpy() -> tuple[Any, ...]:
    state: Any = numpy.random.get_state()
    name, key, position, has_gauss, gauss = state
    return name, key.tobytes(), position, has_gauss, gauss


def _set_numpy(state: Any) -> None:
    name, key, position, has_gauss, gauss = state
    numpy.random.set_state((name, numpy.frombuffer(key, dtype="uint32"), position, has_gauss, gauss))


def _get_torch() -> bytes:
    return bytes(torch.get_rng_state().numpy())


def _set_torch(state: Any) -> None:
    torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _get_cuda() -> list[bytes]:
    return [bytes(state.numpy()) for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_initialized() else []


def _set_cuda(state: Any) -> None:
    if state and torch.cuda.is_available() and len(state) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([torch.frombuffer(bytearray(one), dtype=torch.uint8) for one in state])


CPU_GENERATORS = {
    "python": _Generator(random.getstate, _set_python),
    "numpy": _Generator(_get_numpy, _set_numpy),
    "torch": _Generator(_get_torch, _set_torch),
}
_ALL_GENERATORS = CPU_GENERATORS | {"cuda": _Generator(_get_cuda, _set_cuda)}


def get_random_states() -> dict[str, Any]:
    """Return the states of Python's, NumPy's and torch's random generators, in a form that msgpack can store."""
    return {name: generator.get() for name, generator in _ALL_GENERATORS.items()}


def set_random_states(states: dict[str, Any]) -> None:
    """Set the states of the random generators.

    states: the states, as `get_random_states` returned them, also after msgpack stored them.
    """
    for name, state in states.items():
        _ALL_GENERATORS[name].set(state)


def count_draws(before: Any, after: Any) -> int | None:
    """Return how many 32-bit numbers Python's generator drew between two states, or None if they were very many.

    before, after: two states of `random.getstate`.
    """
    n_draws: int = (after[1][-1] - before[1][-1]) % _ROUND
    for _ in range(_MAX_ROUNDS):
        if advance(before, n_draws) == after:
            return n_draws
        n_draws += _ROUND
    return None


def advance(state: Any, n_draws: int) -> Any:
    """Return the state of Python's generator after it drew some 32-bit numbers.

    state: a state of `random.getstate`.
    n_draws: how many numbers it draws, >= 0.
    """
    generator = random.Random()
    version, words, gauss = state
    generator.setstate((version, tuple(words), gauss))
    for _ in range(n_draws):
        generator.getrandbits(32)
    return generator.getstate()
