"""Batches of documents of like length. A stream of examples comes in, a stream of batches goes out."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, repeat
from typing import Any, TypeVar, cast

Item = TypeVar("Item")
Batcher = Callable[[Iterable[Item]], Iterable[list[Item]]]


def make_batch_by_length_v1(
    size: int | list[int] | Iterator[int],
    buffer: int = 2000,
    noise: float = 0.1,
    get_length: Callable[[Item], int] | None = None,
) -> Batcher[Item]:
    """Make a batcher that puts documents of like length together.

    A recurrence takes as many steps as the longest document of a batch has words, so batches of like lengths train
    faster. The noise lets the company that a document keeps differ from epoch to epoch. Everything is drawn from
    Python's random generator, which `[training] seed` sets.

    size: number of words in a batch, >= 1, or a schedule of it. A longer document is a batch by itself.
    buffer: number of documents that are sorted at a time, >= 1.
    noise: relative width of the noise on a length, >= 0; 0 sorts by length alone.
    get_length: gives an item's length; `len` if None.
    RETURNS: the batcher.
    RAISES: ValueError for an argument outside these ranges.
    """
    if buffer < 1:
        raise ValueError(f"The batcher sorts at least one document at a time, but buffer is {buffer}.")
    if noise < 0:
        raise ValueError(f"The noise on the lengths must not be negative, but is {noise}.")
    if isinstance(size, int) and size < 1:
        raise ValueError(f"A batch holds at least one word, but size is {size}.")
    batcher: Any = partial(batch_by_length, size=size, buffer=buffer, noise=noise, get_length=get_length or len)
    return cast(Batcher[Item], batcher)


def batch_by_length(
    items: Iterable[Item],
    size: int | list[int] | Iterator[int],
    buffer: int,
    noise: float,
    get_length: Callable[[Item], int],
) -> Iterator[list[Item]]:
    """Put items of like length together; `make_batch_by_length_v1` says how.

    items: the items.
    size, buffer, noise, get_length: as there.
    RETURNS: the batches.
    """
    sizes = repeat(size) if isinstance(size, int) else iter(size)
    stream = iter(items)
    while buffered := list(islice(stream, buffer)):
        random.shuffle(buffered)  # Items of equal length keep random company, also without noise.
        buffered.sort(key=lambda item: get_length(item) * (1.0 + noise * random.uniform(-1.0, 1.0)))
        batches = list(_cut(buffered, sizes, get_length))
        random.shuffle(batches)
        yield from batches


def _cut(items: list[Item], sizes: Iterator[int], get_length: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Cut a list into batches that hold as many words as their size says, but at least one item."""
    batch: list[Item] = []
    n_words, size = 0, next(sizes)
    for item in items:
        length = get_length(item)
        if batch and n_words + length > size:
            yield batch
            batch, n_words, size = [], 0, next(sizes)
        batch.append(item)
        n_words += length
    if batch:
        yield batch
