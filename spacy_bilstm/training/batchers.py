"""Batches of documents with similar lengths."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, repeat
from typing import Any, TypeVar, cast

from ..bridge.arguments import check_numbers, check_whole_numbers

Item = TypeVar("Item")
Batcher = Callable[[Iterable[Item]], Iterable[list[Item]]]


def make_batch_by_length_v1(
    size: int | list[int] | Iterator[int],
    buffer: int = 2000,
    noise: float = 0.1,
    get_length: Callable[[Item], int] | None = None,
) -> Batcher[Item]:
    """Make a batcher that groups documents of similar length.

    A recurrent layer takes as many time steps as the longest document of a batch has words, so batches of similar
    lengths train faster. Noise on the lengths changes the composition of the batches from epoch to epoch. Python's
    random generator, which `[training] seed` sets, makes all random choices.

    size: largest number of words in a batch, >= 1, or a schedule of it. A longer document is a batch by itself. The
        last number of a list holds for all further batches, in later epochs too.
    buffer: number of documents to sort at a time, >= 1.
    noise: relative amplitude of the noise on a length, >= 0; 0 sorts by length alone.
    get_length: returns an item's length; `len` if None.
    RETURNS: the batcher.
    RAISES: ValueError for an argument outside these ranges.
    """
    check_whole_numbers("a batcher", buffer=buffer)
    check_numbers("a batcher", noise=noise)
    if buffer < 1:
        raise ValueError(f"buffer is {buffer}. Set it to the number of documents to sort at a time, at least 1.")
    if noise < 0:
        raise ValueError(f"noise is {noise}. Set it to 0 or more.")
    if (isinstance(size, int) and size < 1) or (isinstance(size, list) and (not size or min(size) < 1)):
        raise ValueError(f"size is {size}. Set it to the number of words in a batch, at least 1.")
    sizes = size if isinstance(size, int) else _repeat_last(size)  # One schedule for all epochs.
    batcher: Any = partial(batch_by_length, size=sizes, buffer=buffer, noise=noise, get_length=get_length or len)
    return cast(Batcher[Item], batcher)


def _repeat_last(sizes: Iterable[int]) -> Iterator[int]:
    """Yield sizes, and the last one again and again."""
    size = None
    for size in sizes:
        yield size
    while size is not None:
        yield size


def batch_by_length(
    items: Iterable[Item],
    size: int | list[int] | Iterator[int],
    buffer: int,
    noise: float,
    get_length: Callable[[Item], int],
) -> Iterator[list[Item]]:
    """Group items of similar length, as described for `make_batch_by_length_v1`.

    items: the items.
    size, buffer, noise, get_length: as for `make_batch_by_length_v1`.
    RETURNS: the batches.
    """
    sizes = repeat(size) if isinstance(size, int) else iter(size)
    stream = iter(items)
    while buffered := list(islice(stream, buffer)):
        random.shuffle(buffered)  # Mixes items of equal length even without noise.
        buffered.sort(key=lambda item: get_length(item) * (1.0 + noise * random.uniform(-1.0, 1.0)))
        batches = list(_cut(buffered, sizes, get_length))
        random.shuffle(batches)
        yield from batches


def _cut(items: list[Item], sizes: Iterator[int], get_length: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Cut a list into batches of at most `sizes` words each, but at least one item."""
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
