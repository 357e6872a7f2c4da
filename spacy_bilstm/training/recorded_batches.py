"""A stream of batches that can be drawn again exactly, from the start of training to any step."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy

from .loop import Batch
from .random_states import CPU_GENERATORS, advance, count_draws

_PYTHON = "python"


class CorpusChangedError(ValueError):
    """The corpus or the batcher does not return the same batches a second time."""


class RecordedBatches:
    """An iterator over batches that records the random states that drawing them depends on.

    A batcher is a generator, whose state can't be stored. But it returns the same batches again if it starts again and
    each batch is drawn with the same states of the random generators as before. Updates draw random numbers between two
    batches. So the states are recorded before each batch whose drawing uses them, unless they are as the last such
    batch left them.
    """

    def __init__(self, batches: Iterable[Batch], recorded: dict[str, Any] | None = None) -> None:
        """Create the iterator.

        batches: the batches with their epochs.
        recorded: what `get_record` returned in an earlier process. Its batches are drawn again first.
        """
        self._batches = iter(batches)
        self._n_drawn = 0
        self._checksum = 0
        self._last: dict[str, Any] = {}  # The states that the last batch to use a generator left it in.
        self._record: dict[tuple[int, str], Any] = {}
        self._n_recorded = 0
        self._expected_checksum = 0
        if recorded is not None:
            self._n_recorded, self._expected_checksum = recorded["n_batches"], recorded["checksum"]
            self._record = {(index, name): state for index, name, state in recorded["states"]}

    @property
    def step(self) -> int:
        """The number of the step that the last batch is for, from 0; -1 before the first batch."""
        return self._n_drawn - 1

    @property
    def is_repeating(self) -> bool:
        """Whether the last batch was recorded by an earlier process."""
        return self._n_drawn <= self._n_recorded

    def get_record(self) -> dict[str, Any]:
        """Return what is needed to draw the batches until now again, in a form that msgpack can store."""
        states = [[index, name, state] for (index, name), state in self._record.items()]
        return {"n_batches": self._n_drawn, "checksum": self._checksum, "states": states}

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """Draw a batch.

        RAISES: CorpusChangedError if the batches are not those that were recorded.
        """
        repeats = self._n_drawn < self._n_recorded
        if repeats:
            self._restore_states()
        before = {name: generator.get() for name, generator in CPU_GENERATORS.items()}
        try:
            epoch, batch = next(self._batches)
        except StopIteration:
            if repeats:
                raise self._make_error() from None
            raise
        after = {name: generator.get() for name, generator in CPU_GENERATORS.items()}
        used = [name for name in CPU_GENERATORS if before[name] != after[name]]
        for name in used:
            if not repeats and self._last.get(name) != before[name]:
                self._record[self._n_drawn, name] = self._encode(name, before[name])
            self._last[name] = after[name]
        batch = list(batch)
        lengths = numpy.array([epoch, *map(len, batch)], dtype="int64")
        self._checksum = zlib.crc32(" ".join(example.text for example in batch[:1]).encode(), self._checksum)
        self._checksum = zlib.crc32(lengths.tobytes(), self._checksum)
        self._n_drawn += 1
        if self._n_drawn == self._n_recorded and self._checksum != self._expected_checksum:
            raise self._make_error()
        return epoch, batch

    def _encode(self, name: str, state: Any) -> Any:
        """Return a state, or the number of draws since the last state, which takes little space."""
        n_draws = count_draws(self._last[name], state) if name == _PYTHON and name in self._last else None
        return state if n_draws is None else n_draws

    def _restore_states(self) -> None:
        for name, generator in CPU_GENERATORS.items():
            state = self._record.get((self._n_drawn, name), self._last.get(name))
            if isinstance(state, int):
                state = advance(self._last[name], state)
            if state is not None:
                generator.set(state)

    def _make_error(self) -> CorpusChangedError:
        return CorpusChangedError(
            "The corpus or the batcher does not return the same batches as before the interruption. They may depend "
            "only on their arguments, their files, and Python's, NumPy's and torch's random generators. To begin the "
            "training afresh, add --restart."
        )
