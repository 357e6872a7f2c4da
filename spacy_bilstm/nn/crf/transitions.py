"""Products of messages and transitions, for all pairs of tags or for those that BILUO allows."""

from __future__ import annotations

import torch
from torch import Tensor

from ..biluo import CONTINUING, OPEN, count_labels, group_by_label, group_tags
from .scores import Scores

# The number of tags above which the products of `BiluoTransitions` are faster.
_MANY_TAGS = 101


class DenseTransitions:
    """Products with the potentials of all pairs of tags, the exponentials of their scores.

    scores: the scores.
    peak: a number that is subtracted from the scores of transitions, at least the highest of them.
    """

    def __init__(self, scores: Scores, peak: Tensor) -> None:
        self.potentials = (scores.transitions - peak).exp()

    def step(self, before: Tensor, out: Tensor) -> None:
        """Multiply messages of tokens by the potentials of the transitions to the next token.

        before: the messages. Shape `(n_docs, n_tags)`.
        out: receives the result. Shape of `before`.
        """
        torch.mm(before, self.potentials, out=out)

    def step_back(self, after: Tensor, out: Tensor) -> None:
        """Multiply messages of tokens by the potentials of the transitions from the token before; as `step`."""
        torch.mm(after, self.potentials.T, out=out)

    def sum_pairs(self, before: Tensor, after: Tensor) -> Tensor:
        """Sum the products of potentials and messages on both sides of a transition.

        before, after: messages of tokens and of the tokens after them. Shape `(n, n_tags)`.
        RETURNS: the sums. Shape `(n_tags, n_tags)`.
        """
        # Summed over tokens, the outer products are one matrix product: no (n, T, T) tensor.
        return self.potentials * (before.T @ after)


class BiluoTransitions(DenseTransitions):
    """The same products for the transitions that BILUO allows, about a quarter of all pairs of tags."""

    def __init__(self, scores: Scores, peak: Tensor) -> None:
        self.groups = group_tags(count_labels(len(scores.transitions)), scores.transitions.device)
        closed, opening, opened, continuing = self.groups
        self.from_closed = (scores.transitions[closed[:, None], opening] - peak).exp()
        # Shape (n_labels, 2, 2): from B and I, to I and L.
        self.from_open = (scores.transitions[opened[:, :, None], continuing[:, None, :]] - peak).exp()

    def step(self, before: Tensor, out: Tensor) -> None:
        """Multiply messages of tokens by the potentials of the transitions to the next token."""
        out[:, self.groups.opening] = before[:, self.groups.closed] @ self.from_closed
        opened = group_by_label(before)[:, :, OPEN]
        group_by_label(out)[:, :, CONTINUING] = (opened[..., None] * self.from_open).sum(2)

    def step_back(self, after: Tensor, out: Tensor) -> None:
        """Multiply messages of tokens by the potentials of the transitions from the token before."""
        out[:, self.groups.closed] = after[:, self.groups.opening] @ self.from_closed.T
        continuing = group_by_label(after)[:, :, CONTINUING]
        group_by_label(out)[:, :, OPEN] = (continuing[:, :, None] * self.from_open).sum(3)

    def sum_pairs(self, before: Tensor, after: Tensor) -> Tensor:
        """Sum the products of potentials and messages on both sides of a transition."""
        closed, opening, opened, continuing = self.groups
        total = before.new_zeros(before.shape[1], before.shape[1])
        total[closed[:, None], opening] = self.from_closed * (before[:, closed].T @ after[:, opening])
        pairs = torch.einsum("nlf,nlt->lft", before[:, opened], after[:, continuing])
        total[opened[:, :, None], continuing[:, None, :]] = self.from_open * pairs
        return total


def make_transitions(scores: Scores, peak: Tensor) -> DenseTransitions:
    """Make the products that are fastest for scores.

    scores: the scores.
    peak: a number that is subtracted from the scores of transitions, at least the highest of them.
    """
    if scores.allow_only_biluo and len(scores.transitions) > _MANY_TAGS:
        return BiluoTransitions(scores, peak)
    return DenseTransitions(scores, peak)
