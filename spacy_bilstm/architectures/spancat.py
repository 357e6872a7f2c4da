"""The layer that scores the spans of spaCy's `spancat`."""

from collections.abc import Callable
from functools import partial
from math import log
from typing import cast

from thinc.api import Linear, Model, Ops, chain
from thinc.types import Floats1d, Floats2d

from ..bridge.arguments import check_numbers, check_whole_numbers

_NAME = "spacy-bilstm.LinearLogistic.v1"
_LEAST_PRIOR = 1e-6


def build_linear_logistic_v1(
    nO: int | None = None, nI: int | None = None, prior: float = 0.01
) -> Model[Floats2d, Floats2d]:
    """Score spans by a linear layer and a logistic function, trained by cross-entropy.

    Replaces `spacy.LinearLogistic.v1` in `spacy.SpanCategorizer.v1`. `spancat` passes the differences of scores and
    targets back. spaCy's layer multiplies them by the slope of the logistic function, as for the squared error. Near 0
    and 1 the slope vanishes, so a model that scores all spans near 0 hardly learns, and with few true spans among many
    proposed ones, the first updates can lead there. Here, the differences themselves are the gradient, which is that of
    the cross-entropy (Bishop 2006, section 4.3.2). The first scores are of the order of `prior` instead of 0.5, so
    that the many false spans don't dominate the first updates (Lin et al. 2017, section 3.3). The loss that `spancat`
    reports is still the sum of the squared differences.

    nO: number of labels, at least 1; if None, that of the component.
    nI: width of the spans' vectors, at least 1; if None, that of the reducer.
    prior: the score before training of a span whose vector is zero, 1e-6 <= prior < 1.
    RETURNS: the model, from vectors of spans of shape `(n_spans, nI)` to scores of shape `(n_spans, nO)`.
    RAISES: ValueError if an argument is no number or out of its range.
    """
    check_numbers(_NAME, prior=prior)
    check_whole_numbers(_NAME, nO=nO, nI=nI)
    if not _LEAST_PRIOR <= prior < 1:
        raise ValueError(
            f"prior of {_NAME} must be a probability of at least {_LEAST_PRIOR} and below 1, but is {prior}. "
            "The default is 0.01."
        )
    for name, value in (("nO", nO), ("nI", nI)):
        if value is not None and value < 1:
            raise ValueError(f"{name} of {_NAME} must be at least 1, but is {value}. Set it to null to infer it.")
    return chain(
        Linear(nO, nI, init_b=partial(_fill, log(prior / (1 - prior)))), Model("logistic_cross_entropy", _forward)
    )


def _fill(value: float, ops: Ops, shape: tuple[int]) -> Floats1d:
    return cast(Floats1d, ops.xp.full(shape, value, dtype="float32"))


def _forward(
    model: Model[Floats2d, Floats2d], logits: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    return model.ops.sigmoid(logits), lambda differences: differences
