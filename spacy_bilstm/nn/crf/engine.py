"""What an inference engine of the CRF offers, and the choice of the engine for a batch."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..layout import PackedLayout
from .batch_engine import BatchEngine
from .biluo_engine import BiluoEngine
from .document_engine import DocumentEngine
from .scores import ProbableSpans, Scores

# The numbers of tags above which comparing all pairs of them takes longer than finding those that can be best, for a
# batch and for a single document.
_MANY_TAGS = 49
_MANY_TAGS_OF_ONE = 201


class Posterior(Protocol):
    """The probabilities of tags and of entity spans, given the scores. Spans need BILUO tags, as in `nn.biluo`."""

    @property
    def log_partition(self) -> Tensor:
        """Log partition of each document, -inf or nan if it has no allowed tag sequence. Shape `(n_docs,)`."""
        ...

    def marginals(self) -> Tensor:
        """Return the log probability of each tag at each token. Shape `(n_tokens, n_tags)`."""
        ...

    def span_log_probability(self, starts: Tensor, ends: Tensor, labels: Tensor) -> Tensor:
        """Return the log probability of each span, `<= 0`. Shape `(n_spans,)`."""
        ...

    def find_probable_spans(self, lowest: float) -> ProbableSpans:
        """Return all spans whose log probability is at least `lowest`, a finite number."""
        ...


class Engine(Protocol):
    """Inference for one batch, without gradients.

    Results for tokens are in the caller's order, results for documents in packed order.
    """

    def viterbi(self) -> tuple[Tensor, Tensor]:
        """Return the best tag sequence, shape `(n_tokens,)`, and its score, -inf if none is allowed, `(n_docs,)`."""
        ...

    def k_best(self, k: int) -> tuple[Tensor, Tensor]:
        """Return the best tag sequences, shape `(k, n_tokens)`, and their scores, shape `(n_docs, k)`.

        Where a document has fewer sequences, tags are -1 and scores -inf.
        """
        ...

    def forward_backward(self) -> Posterior:
        """Run the forward-backward algorithm."""
        ...


def make_engine(scores: Scores, layout: PackedLayout) -> Engine:
    """Make the engine that is fastest for a batch.

    scores: the scores of the batch.
    layout: the layout of its tokens.
    RETURNS: the engine.
    """
    is_single = len(layout.order) == 1 and scores.emissions.device.type == "cpu"
    if scores.allow_only_biluo and scores.emissions.shape[1] > (_MANY_TAGS_OF_ONE if is_single else _MANY_TAGS):
        return BiluoEngine(scores, layout)
    if is_single:
        return DocumentEngine(scores, layout)
    return BatchEngine(scores, layout)
