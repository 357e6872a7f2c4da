"""Hash embeddings, which embed any number of ids with one small table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HASH_POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": partial(nn.init.uniform_, a=-0.1, b=0.1),
    "mean": partial(nn.init.normal_, std=2.0),  # The mean of four rows then has a standard deviation of 1.
}
"""The ways to pool the rows of an id, and how each initialises the table. A name is a mode of `F.embedding_bag`."""


class HashEmbed(nn.Module):
    """Embeds an id as the sum or mean of several rows of a table.

    Four hashes of the id choose the rows. Two ids seldom share all four, so a small table serves any number of ids.
    These are the Bloom embeddings of Serrà and Karatzoglou (2017), as in thinc's `HashEmbed`. The caller computes the
    hashes.

    A sum starts small, and a step of Adam moves it by four times the learning rate. It learns fast, and soon memorises
    its ids. A mean starts with a variance of 1 and moves by the learning rate, as torch's `nn.Embedding` does.
    """

    def __init__(self, rows: int, width: int, pooling: str = "sum") -> None:
        """Make a newly initialised table.

        rows: number of rows of the table, >= 1.
        width: width of the rows, >= 1.
        pooling: a key of `HASH_POOLINGS`.
        """
        super().__init__()
        self.pooling = pooling
        self.weight = nn.Parameter(torch.empty(rows, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the table: uniform between -0.1 and 0.1 for sums, as in thinc; normal for means."""
        HASH_POOLINGS[self.pooling](self.weight)

    def forward(self, hashed: Tensor) -> Tensor:
        """Embed ids.

        hashed: the rows of each id. Shape `(n_ids, n_hashes)`, int64.
        RETURNS: the sums or means of these rows. Shape `(n_ids, width)`.
        """
        return F.embedding_bag(hashed, self.weight, mode=self.pooling)
