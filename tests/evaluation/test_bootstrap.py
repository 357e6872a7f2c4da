"""The intervals of scores."""

import numpy
import pytest

from spacy_bilstm.evaluation.bootstrap import Bootstrap, Estimate
from spacy_bilstm.evaluation.outcomes import Count

N_DOCS = 400


def estimate_recall(seed: int) -> tuple[float, Estimate]:
    """Return the share of docs with a found entity, of one each, and its estimate."""
    found = numpy.random.default_rng(0).random(N_DOCS) < 0.8
    counts = Bootstrap(N_DOCS, 1000, seed).resample([Count(int(is_found), 0, int(not is_found)) for is_found in found])
    return float(found.mean()), counts.estimate("r")


def test_an_interval_is_as_wide_as_that_of_the_normal_distribution() -> None:
    share, found = estimate_recall(seed=0)
    error = 1.96 * (share * (1 - share) / N_DOCS) ** 0.5
    assert (found.value, found.lower, found.upper) == pytest.approx((share, share - error, share + error), abs=0.01)


def test_an_interval_depends_on_the_seed() -> None:
    found, again, other = (estimate_recall(seed)[1] for seed in (0, 0, 1))
    assert found == again
    assert found != other


def test_a_single_doc_has_no_interval() -> None:
    found = Bootstrap(1, 10, 0).resample([Count(1, 1, 0)]).estimate("f")
    assert found == Estimate(pytest.approx(2 / 3))


def test_there_is_no_score_without_counts() -> None:
    assert Bootstrap(2, 10, 0).resample([Count(0, 0, 0)] * 2).estimate("f") == Estimate(None)


def test_the_score_of_several_classes_is_their_mean() -> None:
    counts = Bootstrap(1, 10, 0).resample([[Count(1, 0, 0), Count(1, 1, 2), Count(0, 0, 0)]])
    means = {kind: counts.estimate(kind).value for kind in "prf"}
    assert means == pytest.approx({"p": (1 + 1 / 2) / 3, "r": (1 + 1 / 3) / 3, "f": (1 + 2 / 5) / 3})


def test_resamples_without_a_score_are_left_out() -> None:
    # The only doc with an entity is in about two of three resamples.
    found = Bootstrap(20, 200, 0).resample([Count(1, 0, 0)] + [Count(0, 0, 0)] * 19).estimate("f")
    assert found == Estimate(1.0, 1.0, 1.0)
