"""The layers on top of a language model, which predict the neighbours of each token from the states of each direction.

The forward direction predicts the next token, the backward direction the token before. Outside of a document there is
one more token, the boundary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SAME_WORD = -1e4  # the score of a candidate that is the target itself


class HashedNeighbours(nn.Module):
    """Predicts into which buckets several hashes put a neighbour (Medini et al. 2019)."""

    def __init__(self, state_width: int, maxout_pieces: int, hidden_width: int, n_hashes: int, n_buckets: int) -> None:
        """Make newly initialised layers.

        state_width: width of the states, >= 1.
        maxout_pieces: number of linear maps whose maximum is the hidden layer (Goodfellow et al. 2013), >= 1.
        hidden_width: width of the hidden layer, >= 1.
        n_hashes: number of hashes, >= 1.
        n_buckets: number of buckets of each hash, >= 2.
        """
        super().__init__()
        self.hidden_width, self.n_buckets = hidden_width, n_buckets
        self.hidden = nn.Linear(state_width, maxout_pieces * hidden_width)
        self.norm = nn.LayerNorm(hidden_width)
        self.output = nn.Linear(hidden_width, n_hashes * n_buckets)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all weights from torch's random generator. At first, all buckets are equally likely."""
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.zeros_(self.hidden.bias)
        self.norm.reset_parameters()
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, states: Tensor, vectors: Tensor, lengths: Sequence[int], targets: Tensor) -> Tensor:
        """Compute the losses of both neighbours of each token.

        states: states of the forward and the backward direction. Shape `(n_tokens, 2, state_width)`.
        vectors, lengths: not used.
        targets: the buckets of the next token and of the token before. Shape `(n_tokens, 2, n_hashes)`, int64.
        RETURNS: the cross-entropies in nats, means over hashes. Shape `(n_tokens, 2)`.
        """
        hidden = self.norm(self.hidden(states).unflatten(2, (-1, self.hidden_width)).amax(dim=2))
        scores = self.output(hidden).view(-1, self.n_buckets)
        return F.cross_entropy(scores, targets.flatten(), reduction="none").view(targets.shape).mean(dim=2)


class SampledNeighbours(nn.Module):
    """Finds a neighbour among other tokens of the batch by its own token vector.

    The score of a candidate is the product of a projected state and a projected token vector. The embedding is the
    input and the output of the language model (Inan et al. 2017), so it learns from both. All tokens of the batch have
    the same candidates, drawn from its tokens. Frequent words are drawn more often, so the model learns how much more
    likely a word is in its context than elsewhere (van den Oord et al. 2018), not how frequent it is.
    """

    def __init__(self, state_width: int, input_width: int, width: int, n_candidates: int) -> None:
        """Make newly initialised layers.

        state_width: width of the states, >= 1.
        input_width: width of the token vectors, >= 1.
        width: width of the projections, >= 1.
        n_candidates: number of tokens of the batch to choose from, besides the neighbour itself, >= 1.
        """
        super().__init__()
        self.n_candidates = n_candidates
        self.query = nn.Linear(state_width, width)
        self.key = nn.Linear(input_width, width)
        self.boundary = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all weights from torch's random generator: small, so that all scores are close at first."""
        for linear in (self.query, self.key):
            nn.init.xavier_uniform_(linear.weight, gain=0.5)
            nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.boundary)

    def forward(self, states: Tensor, vectors: Tensor, lengths: Sequence[int], targets: Tensor) -> Tensor:
        """Compute the losses of both neighbours of each token.

        states: states of the forward and the backward direction. Shape `(n_tokens, 2, state_width)`.
        vectors: token vectors, document after document. Shape `(n_tokens, input_width)`.
        lengths: number of tokens of each document, each >= 0. They sum to n_tokens.
        targets: the word of each token, as a number. Shape `(n_tokens,)`, int64.
        RETURNS: the cross-entropies in nats. Shape `(n_tokens, 2)`.
        """
        queries, keys = self.query(states), torch.cat((self.key(vectors), self.boundary[None]))
        neighbours = _find_neighbours(lengths).to(vectors.device)
        candidates = torch.randint(len(vectors), (min(self.n_candidates, len(vectors)),), device=vectors.device)
        words = torch.cat((targets, targets.new_full((1,), -1)))
        is_same = words[neighbours].flatten()[:, None] == words[candidates]
        scores = (queries.flatten(0, 1) @ keys[candidates].T).masked_fill(is_same, _SAME_WORD)
        own = (queries * keys[neighbours]).sum(dim=2)
        losses: Tensor = torch.logaddexp(own, scores.logsumexp(dim=1).view(-1, 2)) - own
        return losses


def _find_neighbours(lengths: Sequence[int]) -> Tensor:
    """Return the indices of the next token and of the token before, or n_tokens for the boundary.

    RETURNS: the indices. Shape `(n_tokens, 2)`, int64.
    """
    length = numpy.asarray([n for n in lengths if n], dtype="int64")
    ends = length.cumsum()
    n_tokens = int(ends[-1])
    following, previous = numpy.arange(n_tokens) + 1, numpy.arange(n_tokens) - 1
    following[ends - 1] = previous[ends - length] = n_tokens
    return torch.from_numpy(numpy.stack((following, previous), axis=1))
