"""PyTorch's packed order of the tokens of several documents, which has no padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedLayout:
    """The way from documents one after the other to PyTorch's packed order, and back.

    Packed order is by time step: the first tokens of all documents, then the second tokens, and so on. Empty documents
    have no place in it.

    order: the documents with at least one token, longest first, ties in the caller's order. Shape `(n_docs,)`, int64.
    batch_sizes: number of documents at each time step. Shape `(max_length,)`, int64, always on CPU, as torch's
        recurrent functions expect it.
    document: for each token in packed order, its document as a position in `order`. Shape `(n_tokens,)`, int64.
    to_packed: for each token in packed order, its position in the concatenated documents. Shape `(n_tokens,)`, int64.
    from_packed: for each token of the concatenated documents, its position in packed order. Shape `(n_tokens,)`, int64.
    """

    order: Tensor
    batch_sizes: Tensor
    document: Tensor
    to_packed: Tensor
    from_packed: Tensor

    @classmethod
    def from_lengths(cls, lengths: Sequence[int], device: torch.device | str = "cpu") -> PackedLayout:
        """Lay out documents of the given lengths.

        lengths: number of tokens of each document, in the order of concatenation, each >= 0.
        device: where to put everything but `batch_sizes`.
        RETURNS: the layout.
        RAISES: ValueError if a length is negative.
        """
        # NumPy's calls cost a fraction of torch's. A single short document takes no more time than these calls.
        all_lengths = numpy.asarray(lengths, dtype="int64")
        if len(all_lengths) and int(all_lengths.min()) < 0:
            raise ValueError(f"Document lengths must not be negative, but the smallest is {int(all_lengths.min())}.")
        starts = all_lengths.cumsum() - all_lengths
        order = numpy.argsort(-all_lengths, kind="stable")[: numpy.count_nonzero(all_lengths)]
        sorted_lengths = all_lengths[order]
        n_steps = int(sorted_lengths[0]) if len(order) else 0
        # The documents are sorted, so step t has the first batch_sizes[t] of them.
        ended_by_step = numpy.bincount(sorted_lengths, minlength=n_steps + 1).cumsum()
        batch_sizes = len(order) - ended_by_step[:n_steps]
        step = numpy.repeat(numpy.arange(n_steps), batch_sizes)
        document = numpy.arange(len(step)) - (batch_sizes.cumsum() - batch_sizes)[step]
        to_packed = starts[order][document] + step
        from_packed = numpy.empty_like(to_packed)
        from_packed[to_packed] = numpy.arange(len(to_packed))
        return cls(
            torch.from_numpy(order).to(device),
            torch.from_numpy(batch_sizes),
            *(torch.from_numpy(positions).to(device) for positions in (document, to_packed, from_packed)),
        )


def number_sequences(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Return the number of the sequence that each item of concatenated sequences belongs to.

    lengths: number of items of each sequence, each >= 0.
    device: where to put the numbers.
    RETURNS: the numbers, from 0. Shape `(sum of lengths,)`, int64.
    """
    repeats = torch.as_tensor(lengths, dtype=torch.int64)
    return torch.repeat_interleave(torch.arange(len(repeats)), repeats).to(device)
