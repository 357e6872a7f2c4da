"""How sure a score is. Counts of each doc come in, intervals go out."""

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
class Measure:
    """A score that is computed from counts.

    counts: for each doc the counts of one class, or of each of several, over whose scores the mean is taken.
    kind: "p", "r" or "f" for precision, recall or F.
    """

    counts: Sequence[Sequence[Count]]
    kind: str

    @classmethod
    def of(cls, counts: Sequence[Count], kind: str = "f") -> Measure:
        """A score of one class: the counts of each doc."""
        return cls([[count] for count in counts], kind)


@dataclass(frozen=True)
class Estimate:
    """A score and how sure it is.

    value: the score, 0 to 1, or None if there is nothing to score.
    lower, upper: the bounds of its interval, or None where there is none.
    """

    value: float | None
    lower: float | None = None
    upper: float | None = None


def estimate(measures: Sequence[Measure], n_resamples: int, seed: int) -> list[Estimate]:
    """Score measures and give their intervals by the percentile bootstrap (Efron 1979), with a progress bar.

    Docs are drawn with replacement, as many as there are, the same ones for all measures. A score that is not defined
    in a resample, as that of a label without entities, is left out of its interval.

    measures: the measures, all of the same docs.
    n_resamples: number of resamples, >= 1.
    seed: seed of the draws.
    RETURNS: an estimate for each measure. There is no interval if there is but one doc.
    """
    if not measures:
        return []
    arrays = [numpy.asarray(measure.counts, dtype="float64") for measure in measures]  # (n_docs, n_classes, 3)
    totals = _score_all([array.sum(axis=0)[None] for array in arrays], measures)[0]
    n_docs = len(arrays[0])
    if n_docs < 2:
        return [Estimate(_to_float(value)) for value in totals]
    bounds = numpy.cumsum([array[0].size for array in arrays])[:-1]
    flat = numpy.concatenate([array.reshape(n_docs, -1) for array in arrays], axis=1)
    rng = numpy.random.default_rng(seed)
    scores = []
    with tqdm(total=n_resamples, desc="Resampling", unit="resample", leave=False, disable=None) as progress:
        for start in range(0, n_resamples, _CHUNK):
            n = min(_CHUNK, n_resamples - start)
            draws = rng.multinomial(n_docs, numpy.full(n_docs, 1 / n_docs), size=n).astype("float64")
            parts = numpy.split(draws @ flat, bounds, axis=1)
            scores.append(_score_all([part.reshape(n, -1, 3) for part in parts], measures))
            progress.update(n)
    return [_summarise(value, column) for value, column in zip(totals, numpy.concatenate(scores).T, strict=True)]


def _score_all(sums: Sequence[Floats], measures: Sequence[Measure]) -> Floats:
    """Scores from sums of shape `(n, n_classes, 3)` for each measure. Shape `(n, n_measures)`; nan where undefined."""
    columns = [_score(array, measure.kind) for array, measure in zip(sums, measures, strict=True)]
    return numpy.stack(columns, axis=1)


def _score(sums: Floats, kind: str) -> Floats:
    tp, fp, fn = numpy.moveaxis(sums, -1, 0)
    numerator, denominator = {"p": (tp, tp + fp), "r": (tp, tp + fn), "f": (2 * tp, 2 * tp + fp + fn)}[kind]
    rates = numpy.divide(numerator, denominator, out=numpy.full_like(tp, numpy.nan), where=denominator > 0)
    # In a mean over classes, spaCy counts one that does not occur as zero.
    mean: Floats = rates[:, 0] if rates.shape[1] == 1 else numpy.nan_to_num(rates).mean(axis=1)
    return mean


def _summarise(value: float, resampled: Floats) -> Estimate:
    defined = resampled[~numpy.isnan(resampled)]
    if numpy.isnan(value) or not len(defined):
        return Estimate(_to_float(value))
    lower, upper = numpy.quantile(defined, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Estimate(float(value), float(lower), float(upper))


def _to_float(value: float) -> float | None:
    return None if numpy.isnan(value) else float(value)
