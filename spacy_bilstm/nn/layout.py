"""Room nn: the order in which rows of several documents are laid out for a recurrence.

Documents arrive as one matrix of concatenated rows and their lengths. A recurrence wants the rows by time step, the
documents sorted by length, which is PyTorch's packed order: no row of padding exists in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedLayout:
    """Where each row of a batch stands in PyTorch's packed order.

    Empty documents have no rows and take no part in the packed order.

    order: documents with at least one row, longest first, ties in the caller's order. Shape `(n_docs,)`, int64.
    batch_sizes: number of documents that still run at each time step. Shape `(max_length,)`, int64, always on CPU,
        as torch's recurrent functions want it.
    document: for each packed row, its document as a position in `order`. Shape `(n_rows,)`, int64.
    to_packed: for each packed row, its row in the concatenated input. Shape `(n_rows,)`, int64.
    from_packed: for each concatenated row, its row in packed order. Shape `(n_rows,)`, int64.
    """

    order: Tensor
    batch_sizes: Tensor
    document: Tensor
    to_packed: Tensor
    from_packed: Tensor

    @classmethod
    def from_lengths(cls, lengths: Sequence[int], device: torch.device | str = "cpu") -> PackedLayout:
        """Lay out documents of the given lengths.

        lengths: number of rows of each document, in the order in which their rows are concatenated; each >= 0.
        device: where everything but `batch_sizes` is put.
        RETURNS: the layout.
        RAISES: ValueError if a length is negative.
        """
        all_lengths = torch.as_tensor(lengths, dtype=torch.int64)
        if all_lengths.numel() and int(all_lengths.min()) < 0:
            raise ValueError(f"Document lengths must not be negative, but the smallest is {int(all_lengths.min())}.")
        starts = all_lengths.cumsum(0) - all_lengths
        sorted_lengths, order = torch.sort(all_lengths, descending=True, stable=True)
        n_docs = int((sorted_lengths > 0).sum())
        sorted_lengths, order = sorted_lengths[:n_docs], order[:n_docs]
        n_steps = int(sorted_lengths[0]) if n_docs else 0
        # The documents are sorted, so those that run at step t are the first batch_sizes[t].
        ended_by_step = torch.bincount(sorted_lengths, minlength=n_steps + 1).cumsum(0)
        batch_sizes = n_docs - ended_by_step[:n_steps]
        step = torch.repeat_interleave(torch.arange(n_steps), batch_sizes)
        step_starts = batch_sizes.cumsum(0) - batch_sizes
        document = torch.arange(step.numel()) - step_starts[step]
        to_packed = starts[order][document] + step
        from_packed = torch.empty_like(to_packed)
        from_packed[to_packed] = torch.arange(to_packed.numel())
        return cls(order.to(device), batch_sizes, document.to(device), to_packed.to(device), from_packed.to(device))
