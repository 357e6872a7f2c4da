"""The type cache: hits and misses, memory, eviction, fingerprints, copies."""

import copy
import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm.bridge.type_cache import Generation, TypeCache

WIDTH = 4
# Vector, two features, and the key, the slot and the time of the last use.
ENTRY_BYTES = 4 * WIDTH + 2 * 8 + 3 * 8
batches = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True), min_size=1, max_size=12)


def make_features(numbers: list[int]) -> numpy.ndarray:
    return numpy.array([[number, 2 * number] for number in numbers], dtype="uint64")


def compute_vectors(features: numpy.ndarray) -> torch.Tensor:
    """Return a vector that the features alone determine."""
    return torch.from_numpy(features[:, :1].astype("float32")) * torch.arange(1.0, WIDTH + 1)


def look_up(
    cache: TypeCache,
    numbers: list[int],
    fingerprint: Any = "model",
    make_keys: Callable[[numpy.ndarray], numpy.ndarray] = lambda features: features[:, 0],
) -> list[int]:
    """Look up types, and check their vectors. RETURNS: the types that were missing."""
    features = make_features(numbers)
    missing: list[int] = []

    def compute(types: numpy.ndarray) -> torch.Tensor:
        missing.extend(numbers[i] for i in types.tolist())
        return compute_vectors(features[types])

    generation = cache.open(fingerprint, lambda: None)
    vectors = cache.get_or_compute(generation, make_keys(features), features, compute)
    assert torch.equal(vectors, compute_vectors(features))
    return missing


def test_a_type_is_computed_once() -> None:
    cache = TypeCache(2**20)
    assert look_up(cache, [1, 2, 3]) == [1, 2, 3]
    assert look_up(cache, [3, 4, 1]) == [4]
    assert look_up(cache, [4, 3, 2, 1]) == []


def test_hits_misses_and_types_are_counted() -> None:
    cache = TypeCache(2**20)
    look_up(cache, [1, 2, 3])
    look_up(cache, [3, 4])
    assert cache.get_statistics()[:3] == (1, 4, 4)


@settings(deadline=None)
@given(batches, st.integers(0, 12))
def test_vectors_and_memory_are_correct_for_any_size(batches: list[list[int]], n_entries: int) -> None:
    cache = TypeCache(n_entries * ENTRY_BYTES)
    for numbers in batches:
        look_up(cache, numbers)
        statistics = cache.get_statistics()
        assert statistics.n_types <= n_entries
        assert statistics.n_bytes <= statistics.max_bytes


@settings(deadline=None)
@given(batches, st.integers(1, 3))
def test_types_with_equal_keys_are_distinguished(batches: list[list[int]], n_keys: int) -> None:
    cache = TypeCache(2**20)
    for numbers in batches:
        look_up(cache, numbers, make_keys=lambda features: features[:, 0] % numpy.uint64(n_keys))
    assert cache.get_statistics().n_types <= n_keys


def test_the_least_recently_used_types_are_evicted() -> None:
    cache = TypeCache(4 * ENTRY_BYTES)
    old, kept = 1, 2
    for number in (old, kept, 3, kept, 4, kept, 5, kept, 6):
        look_up(cache, [number])
    assert look_up(cache, [kept]) == []
    assert look_up(cache, [old]) == [old]


def test_another_fingerprint_discards_the_entries() -> None:
    cache = TypeCache(2**20)
    look_up(cache, [1, 2], "model")
    assert look_up(cache, [1, 2], "trained model") == [1, 2]
    assert look_up(cache, [1, 2], "model") == [1, 2]


def test_what_a_fingerprint_determines_is_prepared_once() -> None:
    cache = TypeCache(2**20)
    prepared = [cache.open(fingerprint, object).prepared for fingerprint in ("a", "a", "b")]
    assert prepared[0] is prepared[1]
    assert prepared[1] is not prepared[2]


def test_entries_of_an_older_fingerprint_can_still_be_used() -> None:
    """As by a thread that opened them before another thread changed the model."""
    cache = TypeCache(2**20)
    older: Generation[None] = cache.open("older", lambda: None)
    look_up(cache, [1], "newer")
    features = make_features([1, 2])
    vectors = cache.get_or_compute(older, features[:, 0], features, lambda types: -compute_vectors(features[types]))
    assert torch.equal(vectors, -compute_vectors(features))
    assert look_up(cache, [1, 2], "newer") == [2]


def test_a_cleared_cache_is_empty() -> None:
    cache = TypeCache(2**20)
    look_up(cache, [1, 2])
    cache.clear()
    assert cache.get_statistics().n_types == 0
    assert look_up(cache, [1, 2]) == [1, 2]


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_a_copy_is_empty_and_of_the_same_size(make_copy: Callable[[TypeCache], TypeCache]) -> None:
    cache = TypeCache(2**20)
    look_up(cache, [1, 2])
    copied = make_copy(cache)
    assert copied.get_statistics()[:3] == (0, 0, 0)
    assert copied.max_bytes == cache.max_bytes
    assert cache.get_statistics().n_types == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_while_a_thread_adds_a_type_has_a_complete_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = TypeCache(2**20)
    look_up(cache, [1, 2])
    insert, calls, is_half_done = numpy.insert, [], threading.Event()

    def pause_between_keys_and_slots(*args: Any) -> numpy.ndarray:
        calls.append(args)
        if len(calls) == 2:
            is_half_done.set()
            time.sleep(0.3)
        return insert(*args)

    def find_all_types() -> None:
        assert look_up(cache, [1, 2, 3]) == []

    monkeypatch.setattr(numpy, "insert", pause_between_keys_and_slots)
    thread = threading.Thread(target=look_up, args=(cache, [3]))
    thread.start()
    assert is_half_done.wait(10)
    process = multiprocessing.get_context("fork").Process(target=find_all_types)
    process.start()
    thread.join()
    process.join(30)
    assert process.exitcode == 0
