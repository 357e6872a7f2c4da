"""Estimates scores with confidence intervals by resampling the docs of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray
from tqdm import tqdm

from .outcomes import Count

LEVEL = 0.95
_CHUNK = 50
Floats = NDArray[numpy.float64]


@dataclass(frozen=True)
class Estimate:
    """A score with its interval.

    value: the score, 0 to 1, or None if there is nothing to score.
    lower, upper: the bounds of the interval, or None if there is no interval.
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class ResampledCounts:
    """The counts of a corpus and of each of its resamples.

    totals: true positives, false positives and false negatives in the corpus. Shape `(1, n_classes, 3)`.
    resampled: the same in each resample. Shape `(n_resamples, n_classes, 3)`.
    """

    totals: Floats
    resampled: Floats

    def estimate(self, kind: str) -> Estimate:
        """Compute a score and its interval.

        The interval leaves out resamples without a score, such as those in which a label does not occur.

        kind: "p", "r" or "f" for precision, recall or F. With several classes the score is the mean over these.
        """
        value = _score(self.totals, kind)[0]
        if numpy.isnan(value):
            return Estimate(None)
        scores = _score(self.resampled, kind)
        scores = scores[~numpy.isnan(scores)]
        if not len(scores):
            return Estimate(float(value))
        lower, upper = numpy.quantile(scores, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return Estimate(float(value), float(lower), float(upper))


class Bootstrap:
    """The resamples of a corpus for percentile bootstrap intervals (Efron 1979).

    Each resample draws as many docs as the corpus has, with replacement. All scores use the same resamples.
    """

    def __init__(self, n_docs: int, n_resamples: int, seed: int, progress: bool = False) -> None:
        """Draw the resamples.

        n_docs: the number of docs. With fewer than two there are no intervals.
        n_resamples: the number of resamples, >= 1.
        seed: the seed of the draws.
        progress: whether to show a progress bar in a terminal.
        """
        rng = numpy.random.default_rng(seed)
        shares = numpy.full(n_docs, 1 / n_docs)
        # How often each doc is drawn. Sums of counts in float32 are exact up to 2 ** 24.
        self._draws = [numpy.zeros((0, n_docs), dtype="float32")]
        hidden = None if progress else True
        with tqdm(total=n_resamples, desc="Resampling", unit="resample", leave=False, disable=hidden) as bar:
            for start in range(0, n_resamples if n_docs > 1 else 0, _CHUNK):
                n = min(_CHUNK, n_resamples - start)
                self._draws.append(rng.multinomial(n_docs, shares, size=n).astype("float32"))
                bar.update(n)

    def resample(self, counts: Sequence[Count] | Sequence[Sequence[Count]]) -> ResampledCounts:
        """Sum up the counts of the docs in the corpus and in each resample.

        counts: the counts of each doc, or for each doc the counts of several classes.
        """
        flat = numpy.asarray(counts, dtype="float32").reshape(len(counts), -1)
        totals = flat.sum(axis=0, keepdims=True, dtype="float64")
        resampled = numpy.concatenate([draws @ flat for draws in self._draws]).astype("float64")
        n_classes = flat.shape[1] // 3
        return ResampledCounts(*(sums.reshape(len(sums), n_classes, 3) for sums in (totals, resampled)))


def _score(counts: Floats, kind: str) -> Floats:
    """Compute scores from counts of shape `(n, n_classes, 3)`. Shape `(n,)`; nan if undefined."""
    tp, fp, fn = numpy.moveaxis(counts, -1, 0)
    numerator, denominator = {"p": (tp, tp + fp), "r": (tp, tp + fn), "f": (2 * tp, 2 * tp + fp + fn)}[kind]
    rates = numpy.divide(numerator, denominator, out=numpy.full_like(tp, numpy.nan), where=denominator > 0)
    # In a mean over classes, spaCy counts a class that does not occur as zero.
    mean: Floats = rates[:, 0] if rates.shape[1] == 1 else numpy.nan_to_num(rates).mean(axis=1)
    return mean
