"""Hash attributes and characters to the rows of embedding tables."""

from collections.abc import Sequence
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from thinc.api import NumpyOps

from .features import Features, Indices

# Always hashed on CPU: there are few word types, and a model must find the same rows on every device.
_OPS = NumpyOps()
_CHAR_SEED = 7
_FIRST_ATTR_SEED = 8


def hash_attributes(values: Sequence[Features], rows: Sequence[int]) -> Indices:
    """Hash attributes to rows of their embedding tables, as spaCy's `MultiHashEmbed` does.

    values: the values of each attribute. Shape `(n_types,)` each.
    rows: number of rows of each attribute's table.
    RETURNS: four rows for each value. Shape `(n_types, n_attrs, 4)`.
    """
    hashed = [hash_ids(ids, _FIRST_ATTR_SEED + i, n) for i, (ids, n) in enumerate(zip(values, rows, strict=True))]
    return numpy.stack(hashed, axis=1)


def hash_characters(words: Sequence[str], max_chars: int, rows: int) -> tuple[Indices, Indices, list[int]]:
    """Hash the characters of words, which are Unicode code points, to rows of their embedding table.

    words: the words; they may be empty.
    max_chars: number of characters to read of a word, >= 1. A longer word is read as its first
        `max_chars - max_chars // 2` characters and its last `max_chars // 2`.
    rows: number of rows of the table.
    RETURNS: four rows for each distinct character, shape `(n_distinct, 4)`; the characters of all words, one word after
        the other, as indices of distinct characters, shape `(n_chars,)`; and the number of characters of each word.
    """
    n_end = max_chars // 2
    n_start = max_chars - n_end
    words = [word if len(word) <= max_chars else word[:n_start] + word[len(word) - n_end :] for word in words]
    code_points = numpy.frombuffer("".join(words).encode("utf-32-le"), dtype="<u4")
    distinct, chars = numpy.unique(code_points, return_inverse=True)
    return hash_ids(distinct, _CHAR_SEED, rows), chars, [len(word) for word in words]


def hash_ids(ids: NDArray[Any], seed: int, rows: int) -> Indices:
    """Hash ids to rows of a table.

    ids: the ids. Shape `(n,)`.
    seed: seed of the hash function. Tables with different seeds have different collisions.
    rows: number of rows of the table.
    RETURNS: four rows for each id. Shape `(n, 4)`.
    """
    hashed = _OPS.hash(numpy.ascontiguousarray(ids, dtype="uint64"), seed) % numpy.uint32(rows)
    return cast(Indices, hashed.astype("int64"))
