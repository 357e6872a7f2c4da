"""Adam with clipping by global norm."""

from typing import Any

import numpy
import pytest
from spacy.util import registry
from thinc.api import Adam, Optimizer

NAME = "spacy-bilstm.Adam.v1"
KEYS = [(1, "W"), (2, "b")]


def make(**settings: Any) -> Any:
    return registry.get("optimizers", NAME)(0.1, **settings)


def make_arrays(scale: float = 1.0) -> list[Any]:
    random = numpy.random.default_rng(0)
    return [(scale * random.normal(size=shape)).astype("float32") for shape in ((3, 4), (5,))]


def step(optimizer: Optimizer, weights: list[Any], gradients: list[Any]) -> None:
    for key, weight, gradient in zip(KEYS, weights, gradients, strict=True):
        optimizer(key, weight, gradient)
    optimizer.step_schedules()


def test_gradients_are_scaled_by_one_factor_to_max_norm() -> None:
    optimizer, plain = make(max_norm=0.5, eps=1.0), Adam(0.1, eps=1.0, grad_clip=0.0)
    gradients = make_arrays(3.0)
    norm = numpy.sqrt(sum((gradient**2).sum() for gradient in gradients))
    weights, wanted = make_arrays(), make_arrays()
    step(plain, wanted, [gradient * (0.5 / norm) for gradient in gradients])
    step(optimizer, weights, gradients)
    assert optimizer.global_norm == pytest.approx(norm)
    for weight, wanted_weight in zip(weights, wanted, strict=True):
        numpy.testing.assert_allclose(weight, wanted_weight, rtol=1e-5)
    assert all((gradient == 0).all() for gradient in gradients)


def test_gradients_below_max_norm_are_not_scaled() -> None:
    optimizer, plain = make(max_norm=100.0), Adam(0.1, grad_clip=0.0)
    weights, wanted = make_arrays(), make_arrays()
    for _ in range(3):
        step(optimizer, weights, make_arrays())
        step(plain, wanted, make_arrays())
    for weight, wanted_weight in zip(weights, wanted, strict=True):
        numpy.testing.assert_array_equal(weight, wanted_weight)
    assert all((optimizer.averages[key] == plain.averages[key]).all() for key in KEYS)  # type: ignore[index]


def test_without_schedules_a_step_is_applied_when_the_next_one_starts() -> None:
    optimizer = make()
    (weight, _), (gradient, _) = make_arrays(), make_arrays()
    before, second = weight.copy(), gradient.copy()
    optimizer(KEYS[0], weight, gradient)
    numpy.testing.assert_array_equal(weight, before)
    optimizer(KEYS[0], weight, second)
    assert not numpy.allclose(weight, before)


def test_a_step_without_gradients_changes_nothing() -> None:
    optimizer = make()
    optimizer.step_schedules()
    assert optimizer.global_norm == 0.0


def test_a_schedule_steps_after_the_update() -> None:
    optimizer = registry.get("optimizers", NAME)(iter([0.1, 0.0]), max_norm=1.0)
    weights = make_arrays()
    before = [weight.copy() for weight in weights]
    step(optimizer, weights, make_arrays())
    after = [weight.copy() for weight in weights]
    assert not numpy.allclose(after[0], before[0])
    assert optimizer.learn_rate == 0.0


@pytest.mark.parametrize("max_norm", [0.0, -1.0, float("nan")])
def test_a_max_norm_that_is_not_positive_is_an_error(max_norm: float) -> None:
    with pytest.raises(ValueError, match=r"max_norm is .*above 0"):
        make(max_norm=max_norm)


def test_zero_gradients_keep_weights_finite() -> None:
    weights = make_arrays()
    step(make(), weights, [numpy.zeros_like(weight) for weight in weights])
    assert all(numpy.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_gradient_that_is_not_finite_is_an_error_before_any_weight_changes(value: float) -> None:
    optimizer, weights, gradients = make(), make_arrays(), make_arrays()
    step(optimizer, weights, make_arrays())
    before = [weight.copy() for weight in weights]
    gradients[1][2] = value
    with pytest.raises(ValueError, match=r"in step 1: the gradients of 'b' are NaN or infinite.*learning rate"):
        step(optimizer, weights, gradients)
    for weight, unchanged in zip(weights, before, strict=True):
        numpy.testing.assert_array_equal(weight, unchanged)


def test_after_a_gradient_that_is_not_finite_training_continues_with_the_next_step() -> None:
    optimizer, weights, gradients = make(), make_arrays(), make_arrays()
    gradients[0][:] = float("nan")
    with pytest.raises(ValueError, match="diverged in step 0"):
        step(optimizer, weights, gradients)
    assert all((gradient == 0).all() for gradient in gradients)
    step(optimizer, weights, make_arrays())
    assert all(numpy.isfinite(weight).all() for weight in weights)


def test_a_norm_whose_square_overflows_is_clipped() -> None:
    optimizer, plain = make(max_norm=1.0, eps=1.0), Adam(0.1, eps=1.0, grad_clip=0.0)
    weights, wanted = make_arrays(), make_arrays()
    norm = numpy.sqrt(sum((gradient.astype("float64") ** 2).sum() for gradient in make_arrays()))
    step(plain, wanted, [(gradient / norm).astype("float32") for gradient in make_arrays()])
    step(optimizer, weights, [gradient * numpy.float32(1e25) for gradient in make_arrays()])
    assert optimizer.global_norm == pytest.approx(norm * 1e25)
    for weight, wanted_weight in zip(weights, wanted, strict=True):
        numpy.testing.assert_allclose(weight, wanted_weight, rtol=1e-5)


def test_a_learning_rate_that_is_not_finite_is_an_error() -> None:
    optimizer = registry.get("optimizers", NAME)(iter([float("nan"), 0.1]))
    weights = make_arrays()
    with pytest.raises(ValueError, match="learning rate is nan"):
        step(optimizer, weights, make_arrays())
    assert all(numpy.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize("name", ["beta1", "beta2"])
@pytest.mark.parametrize("value", [0.0, 1.0, float("nan")])
def test_a_beta_that_makes_another_optimizer_of_adam_is_an_error(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} of spacy-bilstm.Adam.v1 is a rate. Set it above 0 and below 1"):
        make(**{name: value})
