"""What a conditional random field finds in a single document. Scores come in as NumPy's arrays.

Each step is so small that torch's calls would take several times as long as NumPy's.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy
from numpy.typing import NDArray

from .biluo import biluo_tag

Floats = NDArray[numpy.float64]
Ints = NDArray[numpy.int64]

# Any tag is two or three steps from any other, each of which may cost that much: the exponents of float64 hold it.
_MAX_RANGE = 200.0


class DocumentScores(NamedTuple):
    """Logarithms of potentials, -inf for what is forbidden.

    emissions: of the tags of each row. Shape `(n_rows, n_tags)`, with at least one row.
    transitions: of the column's tag after the row's tag. Shape `(n_tags, n_tags)`.
    start: of a tag at the first row. Shape `(n_tags,)`.
    end: of a tag at the last row. Shape `(n_tags,)`.
    """

    emissions: Floats
    transitions: Floats
    start: Floats
    end: Floats


def viterbi(scores: DocumentScores) -> tuple[Ints, Floats]:
    """Find the best path, as `LinearChainCRF.viterbi` does.

    scores: the scores, of which the emissions are changed.
    RETURNS: the path's tags, shape `(n_rows,)`, and its score, -inf if there is none, shape `(1,)`.
    """
    arriving = scores.transitions.T.copy()
    best = scores.emissions
    best[0] += scores.start
    for before, after in pairwise(best):
        after += (before + arriving).max(1)
    final = best[-1] + scores.end
    tags = numpy.empty(len(best), dtype="int64")
    tags[-1] = tag = final.argmax()
    value = final[tag, None]
    for step in range(len(best) - 2, -1, -1):
        tags[step] = tag = (best[step] + arriving[tag]).argmax()
    return tags, value


class DocumentLattice(NamedTuple):
    """What is probable in a document.

    probabilities: of each tag at each row. Shape `(n_rows, n_tags)`.
    steps: potential of each transition. Shape `(n_tags, n_tags)`.
    ahead: potential of each tag at each row together with all that may follow it, up to a factor of each row. Shape
        `(n_rows, n_tags)`.
    """

    probabilities: Floats
    steps: Floats
    ahead: Floats

    @classmethod
    def build(cls, scores: DocumentScores) -> DocumentLattice | None:
        """Compute it from scores; None where there is no path, or where probabilities can't hold their differences."""
        peak = scores.emissions.max(1, keepdims=True)
        if not numpy.isfinite(peak).all() or not _fits(emissions := scores.emissions - peak, *scores[1:]):
            return None
        potentials, steps = numpy.exp(emissions), numpy.exp(scores.transitions - scores.transitions.max())
        forward, backward = numpy.empty_like(potentials), numpy.empty_like(potentials)
        message = numpy.exp(scores.start - scores.start.max())
        for row, potential in zip(forward, potentials, strict=True):
            numpy.multiply(message, potential, out=row)
            total = row.sum()
            if not total > 0.0:
                return None
            row /= total
            message = row @ steps
        message = numpy.exp(scores.end - scores.end.max())
        if not forward[-1] @ message > 0.0:
            return None
        for row, potential in zip(backward[::-1], potentials[::-1], strict=True):
            row[:] = message
            message = steps @ (message * potential)
            message /= message.sum()
        mass = forward * backward
        return cls(mass / mass.sum(1, keepdims=True), steps, potentials * backward)

    def follow(self, tag: int, row: int) -> Floats:
        """Give the probability of each tag at a row after a tag that is possible at the row before."""
        following: Floats = self.steps[tag] * self.ahead[row]
        following /= following.sum()
        return following

    def find_spans(self, n_labels: int, threshold: float) -> tuple[Ints, Ints, Ints, Floats]:
        """Find all spans that are probable enough, as `LinearChainCRF.find_probable_spans` does.

        n_labels: number of labels, whose tags are numbered as by `biluo_tag`.
        threshold: the lowest probability, above 0.
        RETURNS: first row of each span, row after its last one, index of its label, and its probability. Shape
            `(n_spans,)` each.
        """
        spans: list[tuple[int, int, int, float]] = []
        begin, inside, last, unit = (biluo_tag(numpy.arange(n_labels), position) for position in "BILU")
        for row, label in zip(*numpy.nonzero(self.probabilities[:, unit] >= threshold), strict=True):
            spans.append((row, row + 1, label, self.probabilities[row, unit[label]]))
        for start, label in zip(*numpy.nonzero(self.probabilities[:, begin] >= threshold), strict=True):
            tag, probability = begin[label], self.probabilities[start, begin[label]]
            for row in range(start + 1, len(self.probabilities)):
                following = probability * self.follow(tag, row)
                if following[last[label]] >= threshold:
                    spans.append((start, row + 1, label, following[last[label]]))
                tag, probability = inside[label], following[inside[label]]
                if probability < threshold:
                    break
        starts, ends, labels = (numpy.array([span[i] for span in spans], dtype="int64") for i in range(3))
        return starts, ends, labels, numpy.array([span[3] for span in spans], dtype="float64")

    def get_span_probability(self, start: int, end: int, label: int) -> float:
        """Give the probability that exactly a span, of its first row and the row after its last, is of a label."""
        begin, inside, last, unit = (biluo_tag(label, position) for position in "BILU")
        if end - start == 1:
            return float(self.probabilities[start, unit])
        tag, probability = begin, self.probabilities[start, begin]
        for row in range(start + 1, end):
            if probability == 0.0:
                break
            following = self.follow(tag, row)
            tag = last if row == end - 1 else inside
            probability *= following[tag]
        return float(probability)


def _fits(*scores: Floats) -> bool:
    """Whether the finite ones of all scores together span few enough exponents. They may not be finite at all."""
    total = 0.0
    for array in scores:
        finite = array[array > -math.inf]
        total += float(finite.max() - finite.min()) if len(finite) else math.inf
    return total < _MAX_RANGE
