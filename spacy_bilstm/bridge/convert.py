"""Room bridge: arrays of numpy or cupy become torch tensors, and back, without a copy where memory can be shared."""

from __future__ import annotations

from typing import Any, cast

import numpy
import torch
from thinc.api import Ops, torch2xp, xp2torch
from thinc.types import ArrayXd, Floats2d
from torch import Tensor


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
    """Lay the rows of several documents one after the other.

    ops: thinc's operations for the arrays.
    documents: one array a document, each of shape `(length, width)`.
    width: the width of the rows; of use where there are no documents.
    RETURNS: all rows. Shape `(sum of lengths, width)`.
    """
    if not documents:
        return ops.alloc2f(0, width)
    return cast(Floats2d, ops.xp.concatenate([ops.asarray2f(document) for document in documents]))


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
