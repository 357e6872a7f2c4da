"""Arrays of numpy or cupy become torch tensors, and back, without a copy where memory can be shared."""

from __future__ import annotations

from typing import Any, cast

import numpy
import torch
from thinc.api import Ops, torch2xp, xp2torch
from thinc.types import ArrayXd, Floats2d
from torch import Tensor

# Mean length of documents from which on it takes longer to copy them than to see that they need no copy.
_MIN_LENGTH = 40


def array_to_tensor(array: ArrayXd, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Give a numpy or cupy array as a torch tensor, sharing its memory where that is possible.

    array: the array, of any shape and memory layout.
    device: where the tensor is wanted.
    dtype: the tensor's type; that of the array if None.
    RETURNS: the tensor, of the array's shape.
    """
    if not isinstance(array, numpy.ndarray):
        return xp2torch(array, device=device).to(dtype=dtype)
    # torch takes no negative stride, and warns of read-only memory, such as that of a stored Doc.
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array).to(device=device, dtype=dtype)


def tensor_to_array(tensor: Tensor, ops: Ops) -> Any:
    """Give a torch tensor as an array of `ops`, sharing its memory where that is possible.

    tensor: the tensor, on any device.
    ops: thinc's operations, which say whether the array is of numpy or cupy.
    RETURNS: the array, of the tensor's shape.
    """
    return torch2xp(tensor, ops=ops)


def concatenate_rows(ops: Ops, documents: list[Floats2d], width: int) -> Floats2d:
    """Lay the rows of several documents one after the other, without a copy if that is how they are in memory.

    ops: thinc's operations for the arrays.
    documents: one array a document, each of shape `(length, width)`.
    width: the width of the rows; of use where there are no documents.
    RETURNS: all rows, which must not be changed. Shape `(sum of lengths, width)`.
    """
    if not documents:
        return ops.alloc2f(0, width)
    rows = getattr(documents[0], "base", None)
    if _are_rows_of(rows, documents):
        return cast(Floats2d, rows)
    return cast(Floats2d, ops.xp.concatenate([ops.asarray2f(document) for document in documents]))


def _are_rows_of(rows: Any, documents: list[Any]) -> bool:
    """Whether documents are what `split_rows` makes of an array."""
    if not isinstance(rows, numpy.ndarray) or rows.dtype != numpy.float32 or not rows.flags.c_contiguous:
        return False
    # Short documents are copied as fast as they are looked at.
    if rows.ndim != 2 or len(rows) < _MIN_LENGTH * len(documents):
        return False
    if len(rows) != sum(len(document) for document in documents):
        return False
    place = _get_address(rows)
    for document in documents:
        if document.base is not rows or document.shape[1:] != rows.shape[1:]:
            return False
        if len(document) and (_get_address(document) != place or not document.flags.c_contiguous):
            return False
        place += document.nbytes
    return True


def _get_address(array: Any) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def split_rows(rows: Floats2d, lengths: list[int]) -> list[Floats2d]:
    """Take concatenated rows apart again, one array a document.

    rows: all rows. Shape `(sum of lengths, width)`.
    lengths: number of rows of each document.
    RETURNS: one array a document, views into `rows`.
    """
    documents = []
    start = 0
    for length in lengths:
        documents.append(rows[start : start + length])
        start += length
    return documents
