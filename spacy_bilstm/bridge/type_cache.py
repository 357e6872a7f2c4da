"""A bounded cache of vectors that evicts the least recently used ones and that threads can share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from .fork import make_fork_lock

Keys = NDArray[numpy.uint64]
Features = NDArray[numpy.uint64]
Indices = NDArray[numpy.int64]
Prepared = TypeVar("Prepared")

_MISSING = -1
_FIRST_CAPACITY = 256
_lock = make_fork_lock()  # All caches share it. It is held only briefly.


class CacheStatistics(NamedTuple):
    """The activity and the size of a type cache.

    hits: number of word types that were in the cache, added up over batches.
    misses: number of word types that were not in it.
    n_types: number of types in the cache now.
    n_bytes: memory that the cache takes now.
    max_bytes: memory that it may take.
    """

    hits: int
    misses: int
    n_types: int
    n_bytes: int
    max_bytes: int


class VectorStore:
    """Vectors by key. A full store evicts the least recently used ones. While it grows, part of it exists twice."""

    def __init__(self, max_bytes: int) -> None:
        """Create an empty store.

        max_bytes: memory that the store may take, >= 0.
        """
        self.max_bytes = max_bytes
        # The keys are sorted, and each has its slot beside it. All other arrays are indexed by slot.
        self._keys: Keys = numpy.empty(0, dtype="uint64")
        self._slots: Indices = numpy.empty(0, dtype="int64")
        self._features: Features = numpy.empty((0, 0), dtype="uint64")
        self._last_used: Indices = numpy.empty(0, dtype="int64")
        self._vectors = torch.empty(0)
        self._n_batches = 0

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def n_bytes(self) -> int:
        """Memory that the store takes."""
        arrays = (self._keys, self._slots, self._features, self._last_used, self._vectors)
        return sum(array.nbytes for array in arrays)

    def find(self, keys: Keys, features: Features) -> Indices:
        """Find the slots of entries.

        keys: the keys. Shape `(n,)`.
        features: what the keys are hashes of, compared exactly. Shape `(n, n_features)`.
        RETURNS: the slots, -1 for a missing entry. Shape `(n,)`.
        """
        if not len(self._keys):
            return numpy.full(len(keys), _MISSING)
        places, has_key = self._search(keys)
        slots = self._slots[places]
        is_found = has_key & (self._features[slots] == features).all(axis=1)
        return numpy.where(is_found, slots, _MISSING)

    def read(self, slots: Indices) -> Tensor:
        """Return the vectors of entries, which are now the most recently used ones.

        slots: the entries' slots. Shape `(n,)`.
        RETURNS: the vectors. Shape `(n, width)`.
        """
        self._n_batches += 1
        self._last_used[slots] = self._n_batches
        return self._vectors.index_select(0, torch.from_numpy(slots))

    def insert(self, keys: Keys, features: Features, vectors: Tensor) -> None:
        """Add entries, and evict others if there is no room. Of several entries with one key only the first is kept.

        keys: the keys. Shape `(n,)`, n >= 1.
        features: what the keys are hashes of. Shape `(n, n_features)`.
        vectors: the vectors. Shape `(n, width)`.
        """
        keys, first = numpy.unique(keys, return_index=True)
        # numpy.isin would read the whole store, which is most of the work for a text with one new word.
        is_new = ~self._search(keys)[1] if len(self._keys) else numpy.ones(len(keys), dtype=bool)
        entry_bytes = vectors[0].nbytes + features[0].nbytes + 3 * 8
        capacity = self.max_bytes // entry_bytes
        keys, first = keys[is_new][:capacity], first[is_new][:capacity]
        if not len(keys):
            return
        self._evict(len(self._keys) + len(keys) - capacity, capacity)
        self._grow(len(self._keys) + len(keys), capacity, features, vectors)
        is_free = numpy.ones(len(self._last_used), dtype=bool)
        is_free[self._slots] = False
        free = numpy.flatnonzero(is_free)[: len(keys)]
        self._features[free] = features[first]
        self._last_used[free] = self._n_batches
        self._vectors[torch.from_numpy(free)] = vectors[torch.from_numpy(first)]
        places = numpy.searchsorted(self._keys, keys)
        self._keys = numpy.insert(self._keys, places, keys)
        self._slots = numpy.insert(self._slots, places, free)

    def _search(self, keys: Keys) -> tuple[Indices, NDArray[numpy.bool_]]:
        """Return the place of each key among the sorted keys, at least one, and whether the key is there."""
        places = numpy.minimum(numpy.searchsorted(self._keys, keys), len(self._keys) - 1)
        return places, self._keys[places] == keys

    def _evict(self, n_entries: int, capacity: int) -> None:
        if n_entries <= 0:
            return
        # Finding the oldest entries takes time, so some more are evicted than needed: a quarter of the store.
        n_kept = min(len(self._keys) - n_entries, capacity - capacity // 4)
        newest = numpy.argsort(self._last_used[self._slots], kind="stable")[len(self._keys) - max(n_kept, 0) :]
        newest.sort()
        self._keys, self._slots = self._keys[newest], self._slots[newest]

    def _grow(self, n_entries: int, capacity: int, features: Features, vectors: Tensor) -> None:
        n_slots = len(self._last_used)
        if n_entries <= n_slots:
            return
        size = min(capacity, max(n_entries, 2 * n_slots, _FIRST_CAPACITY))
        old = self._features, self._last_used, self._vectors
        self._features = numpy.empty((size, features.shape[1]), dtype="uint64")
        self._last_used = numpy.zeros(size, dtype="int64")
        self._vectors = vectors.new_empty((size, vectors.shape[1]))
        if n_slots:
            arrays: tuple[Any, ...] = (self._features, self._last_used, self._vectors)
            for array, old_array in zip(arrays, old, strict=True):
                array[:n_slots] = old_array


@dataclass(frozen=True)
class Generation(Generic[Prepared]):
    """The entries of a type cache that are valid for one fingerprint.

    fingerprint: what the entries depend on besides their features.
    prepared: something else that depends on the fingerprint alone and is computed once.
    store: the entries.
    """

    fingerprint: object
    prepared: Prepared
    store: VectorStore


class TypeCache:
    """A bounded cache of the vectors of word types. Threads can share it. Copies and pickles of it are empty."""

    def __init__(self, max_bytes: int) -> None:
        """Create an empty cache.

        max_bytes: memory that the cache may take, >= 0.
        """
        self.max_bytes = max_bytes
        self._hits = self._misses = 0
        self._generation: Generation[Any] = Generation(None, None, VectorStore(max_bytes))

    def __reduce__(self) -> tuple[Any, ...]:
        return TypeCache, (self.max_bytes,)

    def open(self, fingerprint: object, prepare: Callable[[], Prepared]) -> Generation[Prepared]:
        """Return the entries for a fingerprint. If the last fingerprint was another one, its entries are discarded.

        fingerprint: what entries depend on besides their features.
        prepare: computes whatever else depends on the fingerprint alone; called for a new fingerprint only.
        RETURNS: the entries, with the result of `prepare`.
        """
        with _lock:
            if self._generation.fingerprint != fingerprint:
                self._generation = Generation(fingerprint, prepare(), VectorStore(self.max_bytes))
            return self._generation

    def get_or_compute(
        self, generation: Generation[Any], keys: Keys, features: Features, compute: Callable[[Indices], Tensor]
    ) -> Tensor:
        """Return the vectors of word types: those in the cache, and those that are missing once they are computed.

        generation: the entries, as `open` returned them.
        keys: hashes of the types' features. Shape `(n_types,)`.
        features: the types' features, which are compared exactly. Shape `(n_types, n_features)`.
        compute: computes the vectors of the missing types, whose indices it gets. They are then in the cache.
        RETURNS: the vectors. Shape `(n_types, width)`.
        """
        with _lock:
            slots = generation.store.find(keys, features)
            hits = numpy.flatnonzero(slots != _MISSING)
            hit_vectors = generation.store.read(slots[hits])
            self._hits += len(hits)
            self._misses += len(slots) - len(hits)
        if len(hits) == len(slots):
            return hit_vectors
        misses = numpy.flatnonzero(slots == _MISSING)
        computed = compute(misses)
        with _lock:
            generation.store.insert(keys[misses], features[misses], computed)
        if not len(hits):
            return computed
        vectors = computed.new_empty((len(slots), computed.shape[1]))
        vectors[torch.from_numpy(hits)] = hit_vectors
        vectors[torch.from_numpy(misses)] = computed
        return vectors

    def clear(self) -> None:
        """Discard all entries."""
        with _lock:
            self._generation = Generation(None, None, VectorStore(self.max_bytes))

    def get_statistics(self) -> CacheStatistics:
        """Return the activity of the cache since it was created, and its size now."""
        with _lock:
            store = self._generation.store
            return CacheStatistics(self._hits, self._misses, len(store), store.n_bytes, self.max_bytes)
