"""The layer that scores the spans of spaCy's `spancat`."""

from collections.abc import Callable
from math import log
from typing import cast

from thinc.api import Linear, Model, Ops, chain
from thinc.types import Floats1d, Floats2d

from ..bridge.arguments import check_numbers


def build_linear_logistic_v1(
    nO: int | None = None, nI: int | None = None, prior: float = 0.01
) -> Model[Floats2d, Floats2d]:
    """Score spans by a linear layer and a logistic function, trained by cross-entropy.

    Replaces `spacy.LinearLogistic.v1` in `spacy.SpanCategorizer.v1`. `spancat` passes the difference of scores and
    targets back. spaCy's layer multiplies it by the slope of the logistic function, as for the squared error. The slope
    vanishes where a score is near 0 or 1, so a model that scores all spans near 0 no longer learns, and with few true
    spans among many proposed ones, the first updates lead there. Here, the difference itself is the gradient, which is
    that of the cross-entropy (Bishop 2006, section 4.3.2). The first scores are about `prior` instead of 0.5, so the
    many false spans don't dominate the first updates (Lin et al. 2017, section 3.3).

    nO: number of labels; if None, that of the component.
    nI: width of the spans' vectors; if None, that of the reducer.
    prior: the scores before training, if the vectors are zero, 0 < prior < 1.
    RETURNS: the model, from vectors of spans of shape `(n_spans, nI)` to scores of shape `(n_spans, nO)`.
    RAISES: ValueError if the prior is not between 0 and 1.
    """
    check_numbers("LinearLogistic", prior=prior)
    if not 0 < prior < 1:
        raise ValueError(f"`prior` is a probability between 0 and 1, both excluded. It can't be {prior}.")
    return chain(Linear(nO, nI, init_b=_make_constant_init(log(prior / (1 - prior)))), _logistic())


def _make_constant_init(value: float) -> Callable[[Ops, tuple[int]], Floats1d]:
    def initialize(ops: Ops, shape: tuple[int]) -> Floats1d:
        return cast(Floats1d, ops.xp.full(shape, value, dtype="float32"))

    return initialize


def _logistic() -> Model[Floats2d, Floats2d]:
    return Model("logistic_cross_entropy", _forward)


def _forward(
    model: Model[Floats2d, Floats2d], logits: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    return model.ops.sigmoid(logits), lambda differences: differences
