"""Convert numpy and cupy arrays to torch tensors and back, without a copy where memory can be shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy
import torch
from thinc.api import Ops, get_torch_default_device, torch2xp
from thinc.types import ArrayXd, Floats2d
from torch import Tensor
from torch.utils.dlpack import from_dlpack

# For shorter documents (mean length) on a CPU, a copy is as fast as the check that none is needed.
_MIN_LENGTH = 40


def get_device(ops: Ops) -> torch.device:
    """Return the device of tensors that share memory with the arrays of thinc's operations.

    ops: the operations. Those for Apple's MPS give numpy arrays, so their device is the CPU.
    """
    return get_torch_default_device() if ops.device_type == "gpu" else torch.device("cpu")


def array_to_tensor(array: ArrayXd, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Convert a numpy or cupy array to a torch tensor. The two share memory where that is possible.

    array: the array, of any shape and memory layout.
    device: the device of the tensor.
    dtype: the type of the tensor; that of the array if None.
    RETURNS: the tensor, of the array's shape.
    """
    if not isinstance(array, numpy.ndarray):
        return from_dlpack(array).to(device=device, dtype=dtype)
    # torch refuses negative strides, and warns of read-only memory, such as that of a stored Doc.
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array).to(device=device, dtype=dtype)


def tensor_to_array(tensor: Tensor, ops: Ops) -> Any:
    """Convert a torch tensor to an array of `ops`. The two share memory where that is possible.

    tensor: the tensor, on any device.
    ops: thinc's operations, which decide between numpy and cupy.
    RETURNS: the array, of the tensor's shape.
    """
    return torch2xp(tensor, ops=ops)


def concatenate_documents(ops: Ops, documents: Sequence[Floats2d], width: int) -> Floats2d:
    """Concatenate the vectors of several documents, without a copy if memory holds them like that already.

    ops: thinc's operations for the arrays.
    documents: one array per document. Shape `(length, width)` each.
    width: width of the vectors; used only if there are no documents.
    RETURNS: all vectors, which must not be changed. Shape `(sum of lengths, width)`.
    """
    if not documents:
        return ops.alloc2f(0, width)
    whole = getattr(documents[0], "base", None)
    if _is_concatenation(whole, documents):
        return cast(Floats2d, whole)
    return cast(Floats2d, ops.xp.concatenate([ops.asarray2f(document) for document in documents]))


def split_documents(vectors: Floats2d, lengths: Sequence[int]) -> list[Floats2d]:
    """Split concatenated vectors by document.

    vectors: all vectors. Shape `(sum of lengths, width)`.
    lengths: number of vectors of each document.
    RETURNS: one array per document, views of `vectors`. Shape `(length, width)` each.
    """
    documents = []
    start = 0
    for length in lengths:
        documents.append(vectors[start : start + length])
        start += length
    return documents


def move_documents(source: Ops, target: Ops, documents: Sequence[Floats2d]) -> list[Floats2d]:
    """Copy the arrays of several documents from the memory of thinc's operations to that of others, all at once.

    source, target: thinc's operations for the arrays before and after.
    documents: one array per document. Shape `(length, width)` each.
    RETURNS: one array per document, with the same shapes.
    """
    if not documents:
        return []
    vectors = concatenate_documents(source, documents, documents[0].shape[1])
    copied = cast(Floats2d, target.asarray(source.to_numpy(vectors)))
    return split_documents(copied, [len(document) for document in documents])


def _is_concatenation(whole: Any, documents: Sequence[Any]) -> bool:
    """Return whether `split_documents` would split an array into these documents."""
    if not hasattr(whole, "flags") or whole.dtype != numpy.float32 or not whole.flags.c_contiguous:
        return False
    if whole.ndim != 2 or (isinstance(whole, numpy.ndarray) and len(whole) < _MIN_LENGTH * len(documents)):
        return False
    if len(whole) != sum(len(document) for document in documents):
        return False
    address = _get_address(whole)
    for document in documents:
        if document.base is not whole or document.shape[1:] != whole.shape[1:]:
            return False
        if len(document) and (_get_address(document) != address or not document.flags.c_contiguous):
            return False
        address += document.nbytes
    return True


def _get_address(array: Any) -> int:
    if isinstance(array, numpy.ndarray):
        return int(array.__array_interface__["data"][0])
    return int(array.data.ptr)
