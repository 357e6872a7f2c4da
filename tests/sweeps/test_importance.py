"""How much settings matter: effects that are known, and none."""

from pathlib import Path
from typing import Any

import numpy
import pytest

from spacy_bilstm.sweeps import Evaluation, Importance, Trial, compute_importances, parse_space

SPACE = parse_space(
    {
        "rate": {"log_uniform": [0.001, 0.1]},
        "cell": {"choice": ["lstm", "gru"]},
        "depth": {"randint": [1, 3]},
        "noise": {"uniform": [0.0, 1.0]},
    }
)


def make_trials(score: Any, n: int = 40, seed: int = 0) -> list[Trial]:
    generator = numpy.random.default_rng(seed)
    trials = []
    for number in range(1, n + 1):
        values = {parameter.path: parameter.draw(generator) for parameter in SPACE}
        found = score(values)
        evaluations = [] if found is None else [Evaluation(0, 0.0), Evaluation(200, found), Evaluation(400, found / 2)]
        state = "diverged" if found is None else "complete"
        trials.append(Trial(number, Path(str(number)), values, state, evaluations))
    return trials


def compute(score: Any, n: int = 40, seed: int = 0) -> dict[str, Importance]:
    return {one.path: one for one in compute_importances(SPACE, make_trials(score, n, seed))}


def test_a_choice_that_decides_explains_most() -> None:
    found = compute(lambda values: 0.9 if values["cell"] == "gru" else 0.1)
    assert next(iter(found)) == "cell"
    assert found["cell"].share == pytest.approx(1.0)
    assert found["cell"].chance < 0.01
    assert [(group.name, group.median_score) for group in found["cell"].groups] == [('"lstm"', 0.1), ('"gru"', 0.9)]
    assert max(found[path].share for path in ("rate", "depth", "noise")) < 0.3


def test_an_optimum_in_the_middle_is_found() -> None:
    found = compute(lambda values: 1 - abs(numpy.log10(values["rate"]) + 2))
    assert next(iter(found)) == "rate"
    assert found["rate"].share > 0.4
    scores = [group.median_score or 0.0 for group in found["rate"].groups]
    assert scores[1] == max(scores)


def test_integers_are_groups_of_their_own() -> None:
    found = compute(lambda values: values["depth"] + values["noise"] / 10)
    assert [group.name for group in found["depth"].groups] == ["1", "2", "3"]
    assert found["depth"].share > 0.8


def test_trials_that_diverged_count_as_the_worst() -> None:
    found = compute(lambda values: None if values["rate"] > 0.01 else 0.5 + values["noise"] / 10)
    assert next(iter(found)) == "rate"
    assert found["rate"].groups[-1].median_score is None


def test_without_effects_shares_are_small_and_rarely_improbable() -> None:
    found = [
        one for seed in range(40) for one in compute(lambda values: numpy.random.random(), n=20, seed=seed).values()
    ]
    assert numpy.mean([one.share for one in found]) < 0.08
    assert numpy.mean([one.chance < 0.05 for one in found]) < 0.12


def test_equal_scores_and_few_trials_say_nothing() -> None:
    assert all(one.share == 0.0 and one.chance == 1.0 for one in compute(lambda values: 0.5).values())
    assert compute(lambda values: values["noise"], n=7) == {}
