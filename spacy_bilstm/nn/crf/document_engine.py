"""Inference for a single document on CPU, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from ..biluo import Position, biluo_tag, tags_at
from ..layout import PackedLayout
from .batch_engine import BatchEngine, BatchPosterior
from .scores import Floats, ProbableSpans, ScoreArrays, Scores

ProbableSpan = tuple[int, int, int, float]  # First token, token after the last one, label, probability.


class DocumentEngine:
    """Inference for one document. See `engine.Engine`.

    A step of one document is so small that torch's calls take several times as long as NumPy's.
    """

    def __init__(self, scores: Scores, layout: PackedLayout) -> None:
        self.batch_engine = BatchEngine(scores, layout)
        arrays = (scores.emissions, scores.transitions, scores.start_transitions, scores.end_transitions)
        self.document = ScoreArrays(*(array.numpy() for array in arrays))

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
        """Return the k best tag sequences and their scores. This is too rarely needed for a version in NumPy."""
        return self.batch_engine.k_best(k)

    def forward_backward(self) -> DocumentPosterior | BatchPosterior:
        """Run the forward-backward algorithm, in torch if the scores differ by too much for probabilities."""
        return DocumentPosterior.build(self.document) or self.batch_engine.forward_backward()


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
    def build(cls, scores: ScoreArrays) -> DocumentPosterior | None:
        """Run the forward-backward algorithm.

        scores: the scores.
        RETURNS: the probabilities, or None if no tag sequence is allowed or if the scores differ by too much.
        """
        potentials = _Potentials.build(scores)
        if potentials is None:
            return None
        forward, totals = _run_forward(potentials)
        backward, backward_totals = _run_backward(potentials)
        if min(*totals, *backward_totals) == 0.0 or not _is_safe(potentials.score_range, forward, backward):
            return None
        log_partition = numpy.array([sum(map(math.log, totals)) + potentials.log_scale])
        mass = forward * backward
        probabilities = mass / mass.sum(1, keepdims=True)
        ahead = potentials.emissions * backward
        return cls(torch.from_numpy(log_partition), probabilities, potentials.transitions, ahead)

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
        spans = [(token, token + 1, label, value) for token, label, value in self._find_tags(Position.U, threshold)]
        spans.extend(self._grow_spans(threshold))
        starts, ends, labels = (_to_tensor([span[i] for span in spans], "int64") for i in range(3))
        return ProbableSpans(starts, ends, labels, _to_log([span[3] for span in spans]))

    def _find_tags(self, position: Position, threshold: float) -> Iterator[tuple[int, int, float]]:
        """Find the tokens at which a label's tag is probable enough: token, label and probability."""
        probabilities = self.probabilities[:, tags_at(position)]
        tokens, labels = (probabilities >= threshold).nonzero()
        for token, label in zip(tokens.tolist(), labels.tolist(), strict=True):
            yield token, label, probabilities[token, label]

    def _grow_spans(self, threshold: float) -> Iterator[ProbableSpan]:
        """Grow spans token by token, as long as their tokens so far are probable enough together."""
        for start, label, probability in self._find_tags(Position.B, threshold):
            tag, inside, last = (biluo_tag(label, position) for position in (Position.B, Position.I, Position.L))
            for token in range(start + 1, len(self.probabilities)):
                following = probability * self._follow(tag, token)
                if following[last] >= threshold:
                    yield start, token + 1, label, following[last]
                tag, probability = inside, following[inside]
                if probability < threshold:
                    break


class _Potentials(NamedTuple):
    """Exponentiated scores, divided by their largest values.

    emissions, transitions, start, end: the potentials, with the shapes of the scores.
    log_scale: logarithm of the factor by which all tag sequences were divided.
    score_range: by how much the finite scores of a tag sequence can differ.
    """

    emissions: Floats
    transitions: Floats
    start: Floats
    end: Floats
    log_scale: float
    score_range: float

    @classmethod
    def build(cls, scores: ScoreArrays) -> _Potentials | None:
        """Return None if scores are nan, or if all scores of a kind are -inf and so no tag sequence is allowed."""
        peaks = scores.emissions.max(1, keepdims=True)
        if not numpy.isfinite(peaks).all():
            return None
        shifted = scores._replace(emissions=scores.emissions - peaks)
        score_range = sum(_get_range(array) for array in shifted)
        if score_range == math.inf:
            return None
        transition_peak, start_peak, end_peak = (array.max() for array in scores[1:])
        return cls(
            numpy.exp(shifted.emissions),
            numpy.exp(scores.transitions - transition_peak),
            numpy.exp(scores.start_transitions - start_peak),
            numpy.exp(scores.end_transitions - end_peak),
            peaks.sum() + (len(peaks) - 1) * transition_peak + start_peak + end_peak,
            score_range,
        )


def _run_forward(potentials: _Potentials) -> tuple[Floats, list[float]]:
    """Return the forward message of each token, which sums up to 1, and the total that it was divided by.

    The last total is that of the document's end. If a total is 0, no tag sequence is allowed or a message underflowed.
    """
    forward = numpy.zeros(potentials.emissions.shape, potentials.emissions.dtype)
    totals = []
    message = potentials.start
    for row, potential in zip(forward, potentials.emissions, strict=True):
        numpy.multiply(message, potential, out=row)
        total = row.sum()
        totals.append(total)
        if total == 0.0:
            break
        row /= total
        message = row @ potentials.transitions
    totals.append(forward[-1] @ potentials.end)
    return forward, totals


def _run_backward(potentials: _Potentials) -> tuple[Floats, list[float]]:
    """Return the backward message of each token, and the totals that all but the last one were divided by."""
    backward = numpy.zeros(potentials.emissions.shape, potentials.emissions.dtype)
    backward[-1] = message = potentials.end
    totals = []
    for row, potential in zip(backward[-2::-1], potentials.emissions[:0:-1], strict=True):
        numpy.matmul(potentials.transitions, message * potential, out=row)
        total = row.sum()
        totals.append(total)
        if total == 0.0:
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
    return _to_tensor(probabilities, "float64").log().clamp(max=0.0)


def _to_tensor(values: list[Any], dtype: str) -> Tensor:
    return torch.from_numpy(numpy.array(values, dtype=dtype))  # a third of the time of `torch.tensor`
