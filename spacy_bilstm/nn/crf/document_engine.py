"""Inference for a single document on CPU, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..biluo import Position, biluo_tag, tags_at
from ..layout import PackedLayout
from .batch_engine import BatchEngine, BatchPosterior
from .scores import ProbableSpans, Scores

Floats = NDArray[numpy.float64]
ProbableSpan = tuple[int, int, int, float]  # First token, token after the last one, label, probability.


class DocumentEngine:
    """Inference for one document. See `engine.Engine`.

    A step of one document is so small that torch's calls take several times as long as NumPy's.
    """

    def __init__(self, scores: Scores, layout: PackedLayout) -> None:
        self.batch_engine = BatchEngine(scores, layout)
        arrays = (scores.emissions, scores.transitions, scores.start_transitions, scores.end_transitions)
        self.document = DocumentScores(*(array.numpy() for array in arrays))

    def viterbi(self) -> tuple[Tensor, Tensor]:
        """Return the best tag sequence and its score."""
        emissions, transitions, start_transitions, end_transitions = self.document
        arriving = transitions.T.copy()
        best = emissions.copy()
        best[0] += start_transitions
        for before, after in pairwise(best):
            after += (before + arriving).max(1)
        final = best[-1] + end_transitions
        tags = numpy.empty(len(best), dtype="int64")
        tags[-1] = tag = final.argmax()
        score = final[tag, None]
        for step in range(len(best) - 2, -1, -1):
            tags[step] = tag = (best[step] + arriving[tag]).argmax()
        return torch.from_numpy(tags), torch.from_numpy(score)

    def k_best(self, k: int) -> tuple[Tensor, Tensor]:
        """Return the k best tag sequences and their scores, from torch: too rarely needed for a second version."""
        return self.batch_engine.k_best(k)

    def forward_backward(self) -> DocumentPosterior | BatchPosterior:
        """Run the forward-backward algorithm, in torch's log space if the scores differ by too much."""
        return DocumentPosterior.build(self.document) or self.batch_engine.forward_backward()


class DocumentScores(NamedTuple):
    """The fields of `Scores` as arrays, for at least one token."""

    emissions: Floats
    transitions: Floats
    start_transitions: Floats
    end_transitions: Floats


class DocumentPosterior:
    """The probabilities of tags and spans in one document. See `engine.Posterior`.

    log_partition: log partition of the document. Shape `(1,)`.
    probabilities: probability of each tag at each token. Shape `(n_tokens, n_tags)`.
    transitions: potential of each transition. Shape `(n_tags, n_tags)`.
    ahead: potential of each tag at each token and of all that may follow it, up to a factor for each token. Shape
        `(n_tokens, n_tags)`.
    """

    def __init__(self, log_partition: Tensor, probabilities: Floats, transitions: Floats, ahead: Floats) -> None:
        self.log_partition = log_partition
        self.probabilities, self.transitions, self.ahead = probabilities, transitions, ahead

    @classmethod
    def build(cls, scores: DocumentScores) -> DocumentPosterior | None:
        """Run the forward-backward algorithm.

        scores: the scores.
        RETURNS: the probabilities, or None if no tag sequence is allowed or if the scores differ by too much.
        """
        emissions, *others = scores
        peaks = emissions.max(1, keepdims=True)
        if not numpy.isfinite(peaks).all():
            return None
        shifted = emissions - peaks
        score_range = sum(_get_range(array) for array in (shifted, *others))
        if score_range == math.inf:
            return None
        transition_peak, start_peak, end_peak = (array.max() for array in others)
        potentials, transitions = numpy.exp(shifted), numpy.exp(scores.transitions - transition_peak)
        start = numpy.exp(scores.start_transitions - start_peak)
        end = numpy.exp(scores.end_transitions - end_peak)
        forward, totals = _run_forward(potentials, transitions, start)
        totals.append(forward[-1] @ end)
        backward, scales = _run_backward(potentials, transitions, end)
        if not all(factor > 0.0 for factor in (*totals, *scales)) or not _is_safe(score_range, forward, backward):
            return None
        log_partition = numpy.log(totals).sum() + peaks.sum() + start_peak + end_peak
        log_partition += (len(potentials) - 1) * transition_peak
        mass = forward * backward
        probabilities = mass / mass.sum(1, keepdims=True)
        return cls(torch.from_numpy(log_partition[None]), probabilities, transitions, potentials * backward)

    def marginals(self) -> Tensor:
        """Return the log probability of each tag at each token."""
        return torch.from_numpy(self.probabilities).log()

    def span_log_probability(self, starts: Tensor, ends: Tensor, labels: Tensor) -> Tensor:
        """Return the log probability of each span."""
        spans = zip(starts.tolist(), ends.tolist(), labels.tolist(), strict=True)
        return _to_log([self._get_span_probability(*span) for span in spans])

    def _get_span_probability(self, start: int, end: int, label: int) -> float:
        if end - start == 1:
            return float(self.probabilities[start, biluo_tag(label, Position.U)])
        tag = biluo_tag(label, Position.B)
        probability = self.probabilities[start, tag]
        for token in range(start + 1, end):
            if probability == 0.0:
                break
            following = self._follow(tag, token)
            tag = biluo_tag(label, Position.L if token == end - 1 else Position.I)
            probability *= following[tag]
        return float(probability)

    def _follow(self, tag: int, token: int) -> Floats:
        """Return the probability of each tag at a token after a tag that is possible at the token before it."""
        following: Floats = self.transitions[tag] * self.ahead[token]
        following /= following.sum()
        return following

    def find_probable_spans(self, lowest: float) -> ProbableSpans:
        """Return all spans whose log probability is at least `lowest`."""
        threshold = math.exp(lowest)
        spans = [*self._find_units(threshold), *self._grow_spans(threshold)]
        starts, ends, labels = (torch.tensor([span[i] for span in spans], dtype=torch.int64) for i in range(3))
        return ProbableSpans(starts, ends, labels, _to_log([span[3] for span in spans]))

    def _find_units(self, threshold: float) -> Iterator[ProbableSpan]:
        probabilities = self.probabilities[:, tags_at(Position.U)]
        for token, label in numpy.argwhere(probabilities >= threshold).tolist():
            yield token, token + 1, label, probabilities[token, label]

    def _grow_spans(self, threshold: float) -> Iterator[ProbableSpan]:
        """Grow spans token by token, as long as their tokens so far are probable enough together."""
        probabilities = self.probabilities[:, tags_at(Position.B)]
        for start, label in numpy.argwhere(probabilities >= threshold).tolist():
            tag, probability = biluo_tag(label, Position.B), probabilities[start, label]
            inside, last = biluo_tag(label, Position.I), biluo_tag(label, Position.L)
            for token in range(start + 1, len(probabilities)):
                following = probability * self._follow(tag, token)
                if following[last] >= threshold:
                    yield start, token + 1, label, following[last]
                tag, probability = inside, following[inside]
                if probability < threshold:
                    break


def _run_forward(potentials: Floats, transitions: Floats, start: Floats) -> tuple[Floats, list[float]]:
    """Return the forward message of each token, and the factors by which they were divided to sum up to 1.

    If a factor is 0, no tag sequence is allowed or the messages underflow.
    """
    forward = numpy.zeros_like(potentials)
    totals = []
    message = start
    for row, potential in zip(forward, potentials, strict=True):
        numpy.multiply(message, potential, out=row)
        total = row.sum()
        totals.append(total)
        if not total > 0.0:
            break
        row /= total
        message = row @ transitions
    return forward, totals


def _run_backward(potentials: Floats, transitions: Floats, end: Floats) -> tuple[Floats, list[float]]:
    """Return the backward message of each token, and the factors by which they were divided. See `_run_forward`."""
    backward = numpy.zeros_like(potentials)
    backward[-1] = message = end
    totals = []
    for row, potential in zip(backward[-2::-1], potentials[:0:-1], strict=True):
        numpy.matmul(transitions, message * potential, out=row)
        total = row.sum()
        totals.append(total)
        if not total > 0.0:
            break
        row /= total
        message = row
    return backward, totals


def _is_safe(score_range: float, forward: Floats, backward: Floats) -> bool:
    """Return whether no product of messages and potentials can have underflowed, as `ScaledLattice.is_safe` does."""
    exponent = score_range - sum(math.log(messages[messages > 0.0].min()) for messages in (forward, backward))
    return exponent < -math.log(numpy.finfo(forward.dtype).tiny) - 30


def _get_range(scores: Floats) -> float:
    """Return the difference of the largest and the smallest finite score, inf if there is none."""
    finite = scores[scores > -math.inf]
    return float(finite.max() - finite.min()) if len(finite) else math.inf


def _to_log(probabilities: list[float]) -> Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log().clamp(max=0.0)
