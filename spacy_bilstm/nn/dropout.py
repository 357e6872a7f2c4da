"""Locked dropout, which drops the same features at all time steps of a document."""

import torch
from torch import Tensor


def locked_dropout(vectors: Tensor, document: Tensor, n_documents: int, rate: float) -> Tensor:
    """Drop features of whole documents: one mask for all time steps of a document (Gal and Ghahramani 2016).

    vectors: token vectors, in any order. Shape `(n_tokens, width)`.
    document: number of each token's document. Shape `(n_tokens,)`, int64.
    n_documents: number of documents.
    rate: probability of dropping a feature, 0 <= rate < 1.
    RETURNS: the vectors. Features that are kept are scaled by `1 / (1 - rate)`. Shape `(n_tokens, width)`.
    """
    if rate == 0.0:
        return vectors
    keep = torch.empty((n_documents, vectors.shape[1]), dtype=vectors.dtype, device=vectors.device)
    keep.bernoulli_(1.0 - rate).div_(1.0 - rate)
    return vectors * keep[document]
