"""Adam with gradients clipped by their global norm."""

import math
from collections.abc import Sequence
from typing import Any

from thinc.api import Optimizer
from thinc.backends import get_array_ops
from thinc.types import FloatsXd, Generator

from ..bridge.arguments import check_numbers
from ..bridge.finite import is_finite

Key = tuple[int, str]
Rate = float | list[float] | Generator


class NotFiniteError(ValueError):
    """The gradients of a step are NaN or infinite.

    keys: the keys of the parameters with such gradients, as thinc passed them to the optimizer.
    """

    def __init__(self, message: str, keys: Sequence[Key]) -> None:
        """Create the error with its message and the keys."""
        super().__init__(message)
        self.keys = list(keys)


class GlobalClipOptimizer(Optimizer):
    """An optimizer that clips the gradients of a step by their joint norm, like `torch.nn.utils.clip_grad_norm_`.

    thinc calls an optimizer with one parameter after the other and clips each alone, which changes the direction of the
    step. This optimizer collects the gradients of all parameters and applies them when the step ends. The step ends
    when spaCy's training loop calls `step_schedules`, or, in a loop that does not call it, when a parameter comes up a
    second time. Weights are updated in place, in the arrays that the optimizer was called with, as in `nlp.rehearse`.
    """

    __slots__ = ["_collected", "global_norm", "max_norm"]

    def __init__(self, learn_rate: Rate, *, max_norm: float, **settings: Any) -> None:
        """Create the optimizer.

        learn_rate: the learning rate, or a schedule of it.
        max_norm: largest global norm of a step's gradients, > 0.
        settings: further arguments of thinc's `Optimizer`.
        RAISES: ValueError if `max_norm` is not positive.
        """
        if not max_norm > 0:
            raise ValueError(f"max_norm is {max_norm}. Set it to the largest norm of all gradients, above 0.")
        super().__init__(learn_rate, grad_clip=0.0, **settings)
        self.max_norm = max_norm
        self.global_norm = 0.0
        self._collected: dict[Key, tuple[FloatsXd, FloatsXd, float]] = {}

    def __call__(
        self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Collect a parameter's gradient for this step.

        key: the parameter's ID.
        weights: the weights. They change in place when the step ends.
        gradient: the gradient. It is set to zero.
        lr_scale: factor of the learning rate.
        RETURNS: the weights and the gradient.
        """
        if key in self._collected:
            self.apply()
        self._collected[key] = (weights, gradient.copy(), lr_scale)
        gradient.fill(0.0)  # A product with 0 would keep NaN.
        return weights, gradient

    def step_schedules(self) -> None:
        """End a step: update the weights, then step the schedules.

        RAISES: ValueError as for `apply`.
        """
        self.apply()
        super().step_schedules()

    def apply(self) -> None:
        """Update all weights whose gradients were collected. Sets `global_norm` to their norm before clipping.

        RAISES: ValueError if a gradient or the learning rate is NaN or infinite. No weight has changed then, and the
            gradients of the step are discarded.
        """
        collected, self._collected = self._collected, {}
        self.global_norm = self._compute_norm({key: gradient for key, (_, gradient, _) in collected.items()})
        if not math.isfinite(self.learn_rate):
            raise ValueError(f"The learning rate is {self.learn_rate}. Check the schedule of [training.optimizer].")
        factor = min(1.0, self.max_norm / self.global_norm) if self.global_norm else 1.0
        for key, (weights, gradient, lr_scale) in collected.items():
            gradient *= factor
            super().__call__(key, weights, gradient, lr_scale=lr_scale)

    def _compute_norm(self, gradients: dict[Key, FloatsXd]) -> float:
        """Return the joint norm of the gradients of a step."""
        norm = math.sqrt(sum(_sum_squares(gradient) for gradient in gradients.values()))
        if math.isfinite(norm):
            return norm
        not_finite = [key for key, gradient in gradients.items() if not is_finite(gradient)]
        if not_finite:
            step = max(self.nr_update.get(key, 0) for key in gradients)  # From 0, as in spaCy's table.
            names = ", ".join(sorted({f"'{name}'" for _, name in not_finite}))
            raise NotFiniteError(
                f"Training diverged in step {step}: the gradients of {names} are NaN or infinite. The weights have "
                "not changed. Try a lower learning rate, a lower max_norm, or mixed_precision = false, and check the "
                "training data and static vectors for values that are not finite.",
                not_finite,
            )
        return math.sqrt(sum(_sum_squares(gradient.astype("float64")) for gradient in gradients.values()))


def _sum_squares(gradient: Any) -> Any:
    return get_array_ops(gradient).xp.vdot(gradient, gradient)


def make_adam_v1(
    learn_rate: Rate = 0.002,
    *,
    max_norm: float = 5.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    L2: float = 0.0,
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> GlobalClipOptimizer:
    """Make Adam (Kingma and Ba 2015) with gradients clipped by their global norm (Pascanu et al. 2013).

    learn_rate: the learning rate, or a schedule of it.
    max_norm: largest global norm of a step's gradients over all parameters, > 0.
    beta1, beta2: decay rates of the first and second moments, 0 < beta < 1.
    eps: term added to the denominator for numerical stability, finite, >= 0.
    L2: strength of the regularisation, >= 0.
    L2_is_weight_decay: whether to use decoupled weight decay, as in AdamW (Loshchilov and Hutter 2019).
    use_averages: whether to keep averages of the weights, which spaCy evaluates and saves.
    RETURNS: the optimizer.
    RAISES: ValueError for an argument outside these ranges.
    """
    check_numbers("spacy-bilstm.Adam.v1", max_norm=max_norm, beta1=beta1, beta2=beta2, eps=eps, L2=L2)
    for name, beta in (("beta1", beta1), ("beta2", beta2)):
        if not 0.0 < beta < 1.0:
            raise ValueError(f"{name} of spacy-bilstm.Adam.v1 is a rate. Set it above 0 and below 1, not to {beta}.")
    for name, value in (("eps", eps), ("L2", L2)):
        if not 0.0 <= value < math.inf:
            raise ValueError(f"{name} of spacy-bilstm.Adam.v1 must be at least 0 and finite, but is {value}.")
    return GlobalClipOptimizer(
        learn_rate,
        max_norm=max_norm,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=L2,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )
