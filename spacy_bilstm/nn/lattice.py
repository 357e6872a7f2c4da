"""The messages of a linear-chain conditional random field, forward and backward over rows in packed order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Neighbours of the packed rows. A document is known by its rank in the layout's order.

    batch_sizes: number of documents that still run at each time step.
    doc: document of each row. Shape `(n_rows,)`.
    last: last row of each document. Shape `(n_docs,)`. The first ones are simply the rows `0..n_docs-1`.
    previous: the row before each row from `n_docs` on. Shape `(n_rows - n_docs,)`.
    """

    batch_sizes: list[int]
    doc: Tensor
    last: Tensor
    previous: Tensor

    @classmethod
    def build(cls, batch_sizes: Tensor, device: torch.device) -> Rows:
        """Read them from the number of documents at each time step. Shape `(max_length,)`, int64, on CPU."""
        n_docs = int(batch_sizes[0]) if batch_sizes.numel() else 0
        step = torch.repeat_interleave(torch.arange(batch_sizes.numel()), batch_sizes)
        row = torch.arange(step.numel())
        doc = row - (batch_sizes.cumsum(0) - batch_sizes)[step]
        is_last = doc >= torch.cat((batch_sizes[1:], batch_sizes.new_zeros(1)))[step]
        last = torch.empty(n_docs, dtype=torch.int64)
        last[doc[is_last]] = row[is_last]
        previous = row[n_docs:] - batch_sizes[step[n_docs:] - 1]
        return cls(batch_sizes.tolist(), doc.to(device), last.to(device), previous.to(device))

    @property
    def n_docs(self) -> int:
        """Number of documents."""
        return int(self.last.numel())

    def steps(self, rows: Tensor) -> Sequence[Tensor]:
        """Views of the rows of each time step."""
        return torch.split(rows, self.batch_sizes) if self.batch_sizes else ()


@dataclass(frozen=True)
class Scores:
    """Log potentials, with -inf for whatever is forbidden; emissions are in packed order."""

    emissions: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor


# The two lattices compute the same forward and backward messages (Rabiner 1989, sections III.A and V.A). Both rescale
# the messages of each row, so that no document is too long, and keep in `log_scale` what the forward message lost.
#
# One step forward with 5 / 17 / 73 tags takes 24 / 68 / 688 us in log space and 9 / 17 / 46 us as probabilities
# (`python docs/measure_parts.py messages`). float32 would be faster still, but for its small range of exponents.


class LogLattice:
    """Messages in log space: right for scores of any range, but a step costs a logsumexp over `(n, T, T)`."""

    def __init__(self, scores: Scores, rows: Rows) -> None:
        self.scores, self.rows = scores, rows
        self.forward = torch.empty_like(scores.emissions)
        scale = torch.empty_like(scores.emissions[:, :1])
        previous = None
        for message, emission, peak in zip(
            rows.steps(self.forward), rows.steps(scores.emissions), rows.steps(scale), strict=True
        ):
            if previous is None:
                torch.add(scores.start, emission, out=message)
            else:
                arriving = previous[: len(message), :, None] + scores.transitions
                torch.add(torch.logsumexp(arriving, 1), emission, out=message)
            torch.amax(message, 1, keepdim=True, out=peak)
            previous = message.sub_(peak)
        self.log_scale = scale[:, 0]

    def run_backward(self) -> None:
        """Compute the backward messages of all rows."""
        self.backward = self.scores.end.repeat(len(self.forward), 1)
        messages, emissions = self.rows.steps(self.backward), self.rows.steps(self.scores.emissions)
        for step in range(len(messages) - 2, -1, -1):
            leaving = self.scores.transitions + (messages[step + 1] + emissions[step + 1])[:, None, :]
            message = torch.logsumexp(leaving, 2)
            messages[step][: len(message)] = message - message.amax(1, keepdim=True)

    def log_forward(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Logarithms of the forward messages of rows, up to a constant of each row. Shape `(n, n_tags)`."""
        return self.forward[rows]

    def log_backward(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Logarithms of the backward messages of rows, up to a constant of each row. Shape `(n, n_tags)`."""
        return self.backward[rows]

    def tag_probabilities(self) -> Tensor:
        """Probability of each tag at each row. Shape `(n_rows, n_tags)`."""
        return torch.softmax(self.forward + self.backward, 1)

    def expected_transitions(self, doc_weights: Tensor) -> Tensor:
        """Expected counts of transitions, weighted by document. Shape `(n_tags, n_tags)`."""
        total = torch.zeros_like(self.scores.transitions)
        messages, arriving = self.rows.steps(self.forward), self.rows.steps(self.scores.emissions + self.backward)
        for before, after in zip(messages[:-1], arriving[1:], strict=True):
            joint = before[: len(after), :, None] + self.scores.transitions + after[:, None, :]
            probabilities = torch.softmax(joint.flatten(1), 1)
            total += (doc_weights[: len(after)] @ probabilities).view_as(total)
        return total


class ScaledLattice:
    """Messages as probabilities that are rescaled at each row: a step is a plain `(n, T) @ (T, T)` product.

    Scores that differ by more than the exponents of the dtype can hold would lose a path: `is_safe` tells.
    """

    def __init__(self, scores: Scores, rows: Rows) -> None:
        self.scores, self.rows = scores, rows
        peak = scores.emissions.amax(1)
        shifted = scores.emissions - peak[:, None]
        start_peak, self.transition_peak = scores.start.amax(), scores.transitions.amax()
        self.potentials = shifted.exp()
        self.transitions = (scores.transitions - self.transition_peak).exp()
        self.score_range = (
            _finite_range(shifted)
            + _finite_range(scores.transitions)
            + _finite_range(scores.start)
            + _finite_range(scores.end)
        )
        self.forward = torch.empty_like(self.potentials)
        self.scale = torch.empty_like(self.potentials[:, :1])
        start = (scores.start - start_peak).exp()
        previous = None
        for message, potential, total in zip(
            rows.steps(self.forward), rows.steps(self.potentials), rows.steps(self.scale), strict=True
        ):
            if previous is None:
                torch.mul(potential, start, out=message)
            else:
                torch.mm(previous[: len(message)], self.transitions, out=message)
                message.mul_(potential)
            torch.sum(message, 1, keepdim=True, out=total)
            previous = message.div_(total)
        self.log_scale = self.scale[:, 0].log() + peak
        self.log_scale[: rows.n_docs] += start_peak
        self.log_scale[rows.n_docs :] += self.transition_peak
        self.backward: Tensor | None = None

    def run_backward(self) -> None:
        """Compute the backward messages of all rows."""
        end = (self.scores.end - self.scores.end.amax()).exp()
        self.backward = end.repeat(len(self.forward), 1)
        messages, potentials = self.rows.steps(self.backward), self.rows.steps(self.potentials)
        transposed = self.transitions.T
        for step in range(len(messages) - 2, -1, -1):
            message = messages[step][: len(messages[step + 1])]
            torch.mm(messages[step + 1] * potentials[step + 1], transposed, out=message)
            message.div_(message.sum(1, keepdim=True))

    def is_safe(self) -> bool:
        """Whether no product of messages and potentials can have underflowed, by a bound that is wide of the limit."""
        exponent = self.score_range + _positive_range(self.forward)
        if self.backward is not None:
            exponent = exponent + _positive_range(self.backward)
        # The margin keeps products clear of subnormal numbers. A document without a path has nan, which is not safe.
        return bool(exponent < -math.log(torch.finfo(self.forward.dtype).tiny) - 30)

    def log_forward(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Logarithms of the forward messages of rows, up to a constant of each row. Shape `(n, n_tags)`."""
        return self.forward[rows].log()

    def log_backward(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Logarithms of the backward messages of rows, up to a constant of each row. Shape `(n, n_tags)`."""
        assert self.backward is not None
        return self.backward[rows].log()

    def tag_probabilities(self) -> Tensor:
        """Probability of each tag at each row. Shape `(n_rows, n_tags)`."""
        assert self.backward is not None
        product = self.forward * self.backward
        return product / product.sum(1, keepdim=True)

    def expected_transitions(self, doc_weights: Tensor) -> Tensor:
        """Expected counts of transitions, weighted by document. Shape `(n_tags, n_tags)`."""
        assert self.backward is not None
        n_docs = self.rows.n_docs
        before, after = self.forward[self.rows.previous], self.backward[n_docs:]
        # The mass of all pairs of tags at a row is its scale times the mass of its tags.
        mass = self.scale[n_docs:] * (self.forward[n_docs:] * after).sum(1, keepdim=True)
        weights = doc_weights[self.rows.doc[n_docs:], None] / mass
        # Summed over rows the outer products are one matrix product: no (n, T, T) tensor.
        return self.transitions * (before.T @ (self.potentials[n_docs:] * after * weights))


Lattice = ScaledLattice | LogLattice


def _finite_range(scores: Tensor) -> Tensor:
    """Difference of the largest and the smallest finite score, nan where all are -inf."""
    if not scores.numel():
        return scores.new_zeros(())
    highest = scores.amax()
    return highest - scores.masked_fill(scores == -math.inf, highest).amin()


def _positive_range(probabilities: Tensor) -> Tensor:
    """Negative logarithm of the smallest positive probability; no probability is above 1."""
    if not probabilities.numel():
        return probabilities.new_zeros(())
    return -probabilities.masked_fill(probabilities == 0, 1.0).amin().log()


def run_forward(scores: Scores, rows: Rows) -> Lattice:
    """Compute the forward messages, in log space where the exponent's range is too small for them."""
    lattice = ScaledLattice(scores, rows)
    return lattice if lattice.is_safe() else LogLattice(scores, rows)


def run_backward(lattice: Lattice) -> Lattice:
    """The same lattice with backward messages, or one in log space where they leave the exponent's range."""
    lattice.run_backward()
    if isinstance(lattice, ScaledLattice) and not lattice.is_safe():
        lattice = LogLattice(lattice.scores, lattice.rows)
        lattice.run_backward()
    return lattice


def compute_log_partition(lattice: Lattice) -> Tensor:
    """Logarithm of the summed exponentiated scores of all paths of each document. Shape `(n_docs,)`."""
    rows = lattice.rows
    ending = torch.logsumexp(lattice.log_forward(rows.last) + lattice.scores.end, 1)
    return ending.index_add(0, rows.doc, lattice.log_scale)
