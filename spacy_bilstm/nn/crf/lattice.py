"""Forward and backward messages of a batch of documents, as probabilities or in log space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .scores import Scores
from .transitions import make_transitions


@dataclass(frozen=True)
class PackedSteps:
    """The time steps of documents in packed order. A document's index is its position in that order.

    batch_sizes: number of documents at each time step.
    doc: document of each token. Shape `(n_tokens,)`.
    last: last token of each document. Shape `(n_docs,)`. The first tokens are simply `0..n_docs-1`.
    previous: the token before each token from `n_docs` on. Shape `(n_tokens - n_docs,)`.
    """

    batch_sizes: list[int]
    doc: Tensor
    last: Tensor
    previous: Tensor

    @classmethod
    def build(cls, batch_sizes: Tensor, device: torch.device) -> PackedSteps:
        """Compute the indices.

        batch_sizes: number of documents at each time step. Shape `(max_length,)`, int64, on CPU.
        device: the device of the indices.
        """
        n_docs = int(batch_sizes[0]) if batch_sizes.numel() else 0
        step = torch.repeat_interleave(torch.arange(batch_sizes.numel()), batch_sizes)
        token = torch.arange(step.numel())
        doc = token - (batch_sizes.cumsum(0) - batch_sizes)[step]
        is_last = doc >= torch.cat((batch_sizes[1:], batch_sizes.new_zeros(1)))[step]
        last = torch.empty(n_docs, dtype=torch.int64)
        last[doc[is_last]] = token[is_last]
        previous = token[n_docs:] - batch_sizes[step[n_docs:] - 1]
        return cls(batch_sizes.tolist(), doc.to(device), last.to(device), previous.to(device))

    @property
    def n_docs(self) -> int:
        """Number of documents."""
        return int(self.last.numel())

    def split(self, values: Tensor) -> Sequence[Tensor]:
        """Return the values of each time step, as views."""
        return torch.split(values, self.batch_sizes) if self.batch_sizes else ()


# The most pairs of tags that a step in log space holds at once: 32 MB.
_MAX_PAIRS = 2**22

# The two lattices compute the same forward and backward messages (Rabiner 1989, sections III.A and V.A). Both rescale
# the messages of each token, so documents may have any length. `log_scale` keeps what the forward message lost.
#
# One step forward with 5 / 17 / 73 tags takes 24 / 68 / 688 us in log space and 9 / 17 / 46 us as probabilities
# (`python -m spacy_bilstm.experiments.crf_timings`). float32 would be faster still, but its exponents are too small.


class LogLattice:
    """Messages in log space: correct for scores of any range, but a step costs a logsumexp over all pairs of tags."""

    def __init__(self, scores: Scores, steps: PackedSteps) -> None:
        self.scores, self.steps = scores, steps
        self.forward = torch.empty_like(scores.emissions)
        scale = torch.empty_like(scores.emissions[:, :1])
        previous = None
        for message, emission, peak in zip(
            steps.split(self.forward), steps.split(scores.emissions), steps.split(scale), strict=True
        ):
            if previous is None:
                torch.add(scores.start_transitions, emission, out=message)
            else:
                for part in self._cut(len(message)):
                    arriving = previous[part, :, None] + scores.transitions
                    torch.add(torch.logsumexp(arriving, 1), emission[part], out=message[part])
            torch.amax(message, 1, keepdim=True, out=peak)
            previous = message.sub_(peak)
        self.log_scale = scale[:, 0]

    def run_backward(self) -> None:
        """Compute the backward messages of all tokens."""
        self.backward = self.scores.end_transitions.repeat(len(self.forward), 1)
        messages, emissions = self.steps.split(self.backward), self.steps.split(self.scores.emissions)
        for step in range(len(messages) - 2, -1, -1):
            for part in self._cut(len(messages[step + 1])):
                leaving = self.scores.transitions + (messages[step + 1][part] + emissions[step + 1][part])[:, None, :]
                message = torch.logsumexp(leaving, 2)
                messages[step][part] = message - message.amax(1, keepdim=True)

    def log_forward(self, tokens: Tensor | slice = slice(None)) -> Tensor:
        """Return the logarithms of forward messages, up to a constant for each token. Shape `(n, n_tags)`."""
        return self.forward[tokens]

    def log_backward(self, tokens: Tensor | slice = slice(None)) -> Tensor:
        """Return the logarithms of backward messages, up to a constant for each token. Shape `(n, n_tags)`."""
        return self.backward[tokens]

    def tag_probabilities(self) -> Tensor:
        """Return the probability of each tag at each token. Shape `(n_tokens, n_tags)`."""
        return torch.softmax(self.forward + self.backward, 1)

    def expected_transitions(self, doc_weights: Tensor) -> Tensor:
        """Return the expected counts of transitions, weighted by document. Shape `(n_tags, n_tags)`."""
        total = torch.zeros_like(self.scores.transitions)
        messages, arriving = self.steps.split(self.forward), self.steps.split(self.scores.emissions + self.backward)
        for before, after in zip(messages[:-1], arriving[1:], strict=True):
            for part in self._cut(len(after)):
                joint = before[part, :, None] + self.scores.transitions + after[part, None, :]
                probabilities = torch.softmax(joint.flatten(1), 1)
                total += (doc_weights[part] @ probabilities).view_as(total)
        return total

    def _cut(self, n_docs: int) -> Iterator[slice]:
        """Cut documents into parts for which all pairs of tags are not too many at once."""
        size = max(1, _MAX_PAIRS // self.scores.transitions.numel())
        return (slice(start, min(start + size, n_docs)) for start in range(0, n_docs, size))


class ScaledLattice:
    """Messages as probabilities that are rescaled at each token: a step is a matrix product.

    Where scores differ by more than the dtype's exponents can hold, tag sequences get lost: see `is_safe`.
    """

    def __init__(self, scores: Scores, steps: PackedSteps) -> None:
        self.scores, self.steps = scores, steps
        peak = scores.emissions.amax(1)
        shifted = scores.emissions - peak[:, None]
        start_peak, self.transition_peak = scores.start_transitions.amax(), scores.transitions.amax()
        self.potentials = shifted.exp()
        self.transitions = make_transitions(scores, self.transition_peak)
        self.score_range = (
            _finite_range(shifted)
            + _finite_range(scores.transitions)
            + _finite_range(scores.start_transitions)
            + _finite_range(scores.end_transitions)
        )
        self.forward = torch.empty_like(self.potentials)
        self.scale = torch.empty_like(self.potentials[:, :1])
        start = (scores.start_transitions - start_peak).exp()
        previous = None
        for message, potential, total in zip(
            steps.split(self.forward), steps.split(self.potentials), steps.split(self.scale), strict=True
        ):
            if previous is None:
                torch.mul(potential, start, out=message)
            else:
                self.transitions.step(previous[: len(message)], out=message)
                message.mul_(potential)
            torch.sum(message, 1, keepdim=True, out=total)
            previous = message.div_(total)
        self.log_scale = self.scale[:, 0].log() + peak
        self.log_scale[: steps.n_docs] += start_peak
        self.log_scale[steps.n_docs :] += self.transition_peak
        self.backward: Tensor | None = None

    def run_backward(self) -> None:
        """Compute the backward messages of all tokens."""
        end = (self.scores.end_transitions - self.scores.end_transitions.amax()).exp()
        self.backward = end.repeat(len(self.forward), 1)
        messages, potentials = self.steps.split(self.backward), self.steps.split(self.potentials)
        for step in range(len(messages) - 2, -1, -1):
            message = messages[step][: len(messages[step + 1])]
            self.transitions.step_back(messages[step + 1] * potentials[step + 1], out=message)
            message.div_(message.sum(1, keepdim=True))

    def is_safe(self) -> bool:
        """Return whether no product of messages and potentials can have underflowed, by a cautious bound."""
        exponent = self.score_range + _positive_range(self.forward)
        if self.backward is not None:
            exponent = exponent + _positive_range(self.backward)
        # The margin keeps products clear of subnormal numbers. A document without a tag sequence has nan: not safe.
        return bool(exponent < -math.log(torch.finfo(self.forward.dtype).tiny) - 30)

    def log_forward(self, tokens: Tensor | slice = slice(None)) -> Tensor:
        """Return the logarithms of forward messages, up to a constant for each token. Shape `(n, n_tags)`."""
        return self.forward[tokens].log()

    def log_backward(self, tokens: Tensor | slice = slice(None)) -> Tensor:
        """Return the logarithms of backward messages, up to a constant for each token. Shape `(n, n_tags)`."""
        assert self.backward is not None
        return self.backward[tokens].log()

    def tag_probabilities(self) -> Tensor:
        """Return the probability of each tag at each token. Shape `(n_tokens, n_tags)`."""
        assert self.backward is not None
        product = self.forward * self.backward
        return product / product.sum(1, keepdim=True)

    def expected_transitions(self, doc_weights: Tensor) -> Tensor:
        """Return the expected counts of transitions, weighted by document. Shape `(n_tags, n_tags)`."""
        assert self.backward is not None
        n_docs = self.steps.n_docs
        before, after = self.forward[self.steps.previous], self.backward[n_docs:]
        # The mass of all pairs of tags at a token is its scale times the mass of its tags.
        mass = self.scale[n_docs:] * (self.forward[n_docs:] * after).sum(1, keepdim=True)
        weights = doc_weights[self.steps.doc[n_docs:], None] / mass
        return self.transitions.sum_pairs(before, self.potentials[n_docs:] * after * weights)


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


def run_forward(scores: Scores, steps: PackedSteps) -> Lattice:
    """Compute the forward messages, in log space where probabilities would underflow.

    scores: the scores.
    steps: the time steps of their emissions.
    RETURNS: the lattice, without backward messages.
    """
    lattice = ScaledLattice(scores, steps)
    return lattice if lattice.is_safe() else LogLattice(scores, steps)


def run_backward(lattice: Lattice) -> Lattice:
    """Compute the backward messages, in log space where probabilities would underflow.

    lattice: the lattice, with forward messages. It may be changed.
    RETURNS: the same lattice or one in log space, with forward and backward messages.
    """
    lattice.run_backward()
    if isinstance(lattice, ScaledLattice) and not lattice.is_safe():
        lattice = LogLattice(lattice.scores, lattice.steps)
        lattice.run_backward()
    return lattice


def compute_log_partition(lattice: Lattice) -> Tensor:
    """Return the logarithm of the summed exponentiated scores of all tag sequences of each document.

    lattice: the lattice, with forward messages.
    RETURNS: the log partitions, -inf or nan for a document without an allowed tag sequence. Shape `(n_docs,)`.
    """
    steps = lattice.steps
    ending = torch.logsumexp(lattice.log_forward(steps.last) + lattice.scores.end_transitions, 1)
    return ending.index_add(0, steps.doc, lattice.log_scale)
