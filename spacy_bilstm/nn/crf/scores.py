"""What the engines of the CRF read and return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray
from torch import Tensor

Bools = NDArray[numpy.bool_]
Ints = NDArray[numpy.int64]
Floats = NDArray[numpy.float64]


@dataclass(frozen=True)
class Scores:
    """Scores of tags and transitions, -inf where these are forbidden.

    emissions: score of each tag at each token, in packed order. Shape `(n_tokens, n_tags)`.
    transitions: score of the column's tag after the row's tag. Shape `(n_tags, n_tags)`.
    start_transitions: score of each tag at a first token. Shape `(n_tags,)`.
    end_transitions: score of each tag at a last token. Shape `(n_tags,)`.
    allow_only_biluo: whether the transitions are -inf for exactly those that BILUO forbids.
    """

    emissions: Tensor
    transitions: Tensor
    start_transitions: Tensor
    end_transitions: Tensor
    allow_only_biluo: bool = False


class ScoreArrays(NamedTuple):
    """Scores as in `Scores`, for at least one token in the caller's order.

    emissions: float32 or float64. Shape `(n_tokens, n_tags)`.
    """

    emissions: NDArray[Any]
    transitions: Floats
    start_transitions: Floats
    end_transitions: Floats


class ProbableSpans(NamedTuple):
    """Entity spans and their probabilities. Tokens are counted in the caller's order.

    starts: first token of each span. Shape `(n_spans,)`, int64.
    ends: token after the last one of each span. Shape `(n_spans,)`, int64.
    labels: index of each span's label. Shape `(n_spans,)`, int64.
    log_probabilities: log probability of each span, <= 0. Shape `(n_spans,)`.
    """

    starts: Tensor
    ends: Tensor
    labels: Tensor
    log_probabilities: Tensor
