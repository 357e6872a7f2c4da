"""The CRF as a torch module: its parameters and constraints, its loss, and inference."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..biluo import TagConstraints, count_labels, is_biluo
from ..layout import PackedLayout
from .engine import Engine, Posterior, make_engine
from .log_partition import compute_dtype, compute_log_partitions, pack_emissions
from .pair_marginals import TagPairs, compute_tag_pairs
from .scores import ProbableSpans, ScoreArrays, Scores
from .segments import find_best_tags

# Below this probability, a tag is impossible.
_TINY = 1e-300


# The number of tokens of a single document from which it is faster to look for segments of it.
_MANY_TOKENS = 128


class LinearChainCRF(nn.Module):
    """Linear-chain conditional random field with hard constraints (Lafferty et al. 2001; Lample et al. 2016).

    The score of a tag sequence is the sum of its emissions, its transitions, its start transition and its end
    transition. Forbidden transitions are masked where they are used: their parameters stay finite, have no effect and
    get no gradient.

    All methods take
    - `emissions`: finite scores of the tags of each token, document after document. Shape `(n_tokens, n_tags)`,
      float32 or float64;
    - `layout`: the layout of these tokens;
    - `mask`: the tags that each token may have, or None for all. Masks express missing annotation (several tags), gold
      annotation (one tag) and preset entities. Shape `(n_tokens, n_tags)`, bool.

    They compute in float64 (float32 on MPS) and return the dtype of `emissions`. A document's results do not depend on
    its batch. Results for documents are in packed order: entry `i` belongs to document `layout.order[i]` of the caller.
    Empty documents have no entry; their log partition is 0. To get one value for each document, write
    `full = values.new_zeros(n_docs); full[layout.order] = values`.

    allowed_transitions: whether the column's tag may follow the row's tag. Shape `(n_tags, n_tags)`, bool.
    allowed_start_transitions: whether a document may start with the tag. Shape `(n_tags,)`, bool.
    allowed_end_transitions: whether a document may end with the tag. Shape `(n_tags,)`, bool.
    RAISES: ValueError if the shapes do not fit.
    """

    allowed_transitions: Tensor
    allowed_start_transitions: Tensor
    allowed_end_transitions: Tensor

    def __init__(
        self, allowed_transitions: Tensor, allowed_start_transitions: Tensor, allowed_end_transitions: Tensor
    ) -> None:
        super().__init__()
        n_tags = allowed_start_transitions.numel()
        masks = (allowed_transitions, allowed_start_transitions, allowed_end_transitions)
        shapes = [tuple(mask.shape) for mask in masks]
        if n_tags == 0 or shapes != [(n_tags, n_tags), (n_tags,), (n_tags,)]:
            raise ValueError(
                "Constraints need the shapes (n_tags, n_tags), (n_tags,) and (n_tags,) with at least one tag, "
                f"but have {shapes}."
            )
        self.n_tags = n_tags
        self.allows_only_biluo = is_biluo(TagConstraints(*masks))
        self.transitions = nn.Parameter(torch.zeros(n_tags, n_tags))
        self.start_transitions = nn.Parameter(torch.zeros(n_tags))
        self.end_transitions = nn.Parameter(torch.zeros(n_tags))
        # Constraints are not stored: the code that builds the module knows them.
        self.register_buffer("allowed_transitions", allowed_transitions.bool(), persistent=False)
        self.register_buffer("allowed_start_transitions", allowed_start_transitions.bool(), persistent=False)
        self.register_buffer("allowed_end_transitions", allowed_end_transitions.bool(), persistent=False)

    def log_partition(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None = None) -> Tensor:
        """Return the logarithm of the summed exponentiated scores of all allowed tag sequences.

        Differentiable once with respect to emissions and parameters.

        emissions, layout, mask: see the class.
        RETURNS: the log partition of each document. Shape `(n_docs,)`.
        RAISES: ValueError if a document has no allowed tag sequence, or if shapes do not fit.
        """
        self._check_arguments(emissions, layout, mask)
        masks = None if mask is None else mask[:, None]
        values = self._compute_log_partitions(emissions, layout, masks)[:, 0]
        _check_sequences(values, emissions, layout)
        return values.to(emissions.dtype)

    def log_likelihood(
        self, emissions: Tensor, layout: PackedLayout, gold_mask: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return the log probability of all tag sequences that agree with the gold annotation.

        Missing annotation is marginalised (Tsuboi et al. 2008). For a document without any annotation, the result is
        exactly 0, and so is its gradient.

        emissions, layout, mask: see the class.
        gold_mask: tags of each token that agree with the gold annotation. Shape `(n_tokens, n_tags)`, bool.
        RETURNS: the log likelihood of each document, <= 0 up to rounding. Shape `(n_docs,)`.
        RAISES: ValueError if a document has no allowed tag sequence or none that agrees with its gold annotation, or if
            shapes do not fit.
        """
        self._check_arguments(emissions, layout, mask)
        self._check_arguments(emissions, layout, gold_mask)
        if mask is None:
            mask = torch.ones_like(gold_mask)
        gold = gold_mask & mask
        values = self._compute_log_partitions(emissions, layout, torch.stack((mask, gold), 1))
        _check_sequences(values[:, 0], emissions, layout)
        _check_sequences(values[:, 1], emissions, layout, gold=True)
        is_annotated = (gold != mask).any(1)[layout.to_packed].to(torch.int64)
        is_known = torch.zeros_like(layout.order).index_add(0, layout.document, is_annotated) > 0
        return (values[:, 1] - values[:, 0]).masked_fill(~is_known, 0.0).to(emissions.dtype)

    @torch.no_grad()
    def viterbi(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the best allowed tag sequence of each document (Viterbi 1967).

        Of sequences with equal scores, it is the one with the lower tag at the last token where they differ.

        emissions, layout, mask: see the class.
        RETURNS: the tag of each token, in the caller's order, int64, shape `(n_tokens,)`; and the score of each
            document's tag sequence, shape `(n_docs,)`.
        RAISES: ValueError if a document has no allowed tag sequence, or if shapes do not fit.
        """
        if self._prunes(emissions, layout):
            tags, scores = self._decode_segments(emissions, layout, mask)
        else:
            tags, scores = self._make_engine(emissions, layout, mask).viterbi()
        _check_sequences(scores, emissions, layout)
        return tags, scores.to(emissions.dtype)

    @torch.no_grad()
    def k_best(
        self, emissions: Tensor, layout: PackedLayout, k: int, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the k best allowed tag sequences of each document, exactly (list Viterbi: Seshadri and Sundberg 1994).

        The best ones come first; the first one is that of `viterbi`. Where a document has fewer than k allowed
        sequences, or none, the rest have tags of -1 and scores of -inf.

        emissions, layout, mask: see the class.
        k: number of tag sequences, >= 1.
        RETURNS: the tag of each token in each sequence, in the caller's order of tokens, int64, shape `(k, n_tokens)`;
            and the score of each sequence, shape `(n_docs, k)`.
        RAISES: ValueError if k is below 1, or if shapes do not fit.
        """
        if k < 1:
            raise ValueError(f"The number of tag sequences must be at least 1, but k is {k}.")
        tags, scores = self._make_engine(emissions, layout, mask).k_best(k)
        return tags, scores.to(emissions.dtype)

    @torch.no_grad()
    def marginals(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the log probability of each tag at each token, by the forward-backward algorithm (Rabiner 1989).

        emissions, layout, mask: see the class.
        RETURNS: the log probabilities, in the caller's order of tokens, -inf for impossible tags, shape
            `(n_tokens, n_tags)`; and the log partition of each document, shape `(n_docs,)`. They have no gradient.
        RAISES: ValueError if a document has no allowed tag sequence, or if shapes do not fit.
        """
        posterior = self._compute_posterior(emissions, layout, mask)
        return posterior.marginals().to(emissions.dtype), posterior.log_partition.to(emissions.dtype)

    @torch.no_grad()
    def tag_pairs(
        self, emissions: Tensor, layout: PackedLayout, min_probability: float, mask: Tensor | None = None
    ) -> TagPairs:
        """Return the probabilities of pairs of neighbouring tags, for the probable tags only.

        They describe a proper distribution: that of the CRF, given that each tag of a document is one of its token's
        probable tags or that of the best tag sequence.

        emissions, layout, mask: see the class.
        min_probability: the probability from which a tag is probable, 0 <= min_probability <= 1.
        RETURNS: the pairs. They have no gradient.
        RAISES: ValueError if a document has no allowed tag sequence, or if shapes do not fit.
        """
        marginals, _ = self.marginals(emissions, layout, mask)
        best, _ = self.viterbi(emissions, layout, mask)
        is_kept = (marginals >= math.log(max(min_probability, _TINY))).scatter(1, best[:, None], True)
        return compute_tag_pairs(self.make_scores(emissions, layout, mask), layout, is_kept)

    @torch.no_grad()
    def span_log_probability(
        self,
        emissions: Tensor,
        layout: PackedLayout,
        span_starts: Tensor,
        span_ends: Tensor,
        span_labels: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return the log probability that exactly a span is an entity of a label (Culotta and McCallum 2004).

        It is the mass of all tag sequences that have B I .. L, or U for one token, at the place of the span. Tags are
        numbered as in `nn.biluo`.

        emissions, layout, mask: see the class.
        span_starts: first token of each span, in the caller's order of tokens. Shape `(n_spans,)`, int64.
        span_ends: token after the last one of each span, in the same document. Shape `(n_spans,)`, int64.
        span_labels: index of each span's label. Shape `(n_spans,)`, int64.
        RETURNS: the log probability of each span, <= 0, -inf for impossible spans. Shape `(n_spans,)`. It has no
            gradient.
        RAISES: ValueError if a document has no allowed tag sequence, if the tags can't be BILUO tags, if a span is
            empty or not within one document, if a label does not exist, or if shapes do not fit.
        """
        _check_spans(layout, span_starts, span_ends, span_labels, count_labels(self.n_tags))
        posterior = self._compute_posterior(emissions, layout, mask)
        return posterior.span_log_probability(span_starts, span_ends, span_labels).to(emissions.dtype)

    @torch.no_grad()
    def find_probable_spans(
        self, emissions: Tensor, layout: PackedLayout, threshold: float, mask: Tensor | None = None
    ) -> ProbableSpans:
        """Return all spans whose probability, as in `span_log_probability`, is at least a threshold.

        emissions, layout, mask: see the class.
        threshold: the lowest probability, 0 < threshold <= 1.
        RETURNS: the spans, in no particular order. Their log probabilities have no gradient.
        RAISES: ValueError if a document has no allowed tag sequence, if the tags can't be BILUO tags, if the threshold
            is out of its range, or if shapes do not fit.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"The threshold of a probability must be above 0 and at most 1, but is {threshold}.")
        count_labels(self.n_tags)
        # The margin keeps spans that are certain up to rounding.
        spans = self._compute_posterior(emissions, layout, mask).find_probable_spans(math.log(threshold) - 1e-9)
        return spans._replace(log_probabilities=spans.log_probabilities.to(emissions.dtype))

    def make_scores(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None = None) -> Scores:
        """Return the scores for the engines: in packed order, and -inf for everything that is forbidden.

        emissions, layout, mask: see the class.
        RETURNS: the scores, without a gradient for emissions.
        RAISES: ValueError if shapes do not fit.
        """
        self._check_arguments(emissions, layout, mask)
        packed = pack_emissions(emissions, layout, None if mask is None else mask[:, None])
        return Scores(packed, *self._mask_parameters(), self.allows_only_biluo)

    def _compute_log_partitions(self, emissions: Tensor, layout: PackedLayout, masks: Tensor | None) -> Tensor:
        return compute_log_partitions(emissions, *self._mask_parameters(), layout, masks, self.allows_only_biluo)

    def _make_engine(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None) -> Engine:
        return make_engine(self.make_scores(emissions, layout, mask), layout)

    def _prunes(self, emissions: Tensor, layout: PackedLayout) -> bool:
        """Return whether it pays to leave out tokens that can't be in an entity."""
        if not self.allows_only_biluo or self.n_tags == 1 or emissions.device.type != "cpu":
            return False
        return len(layout.order) > 1 or len(emissions) >= _MANY_TOKENS

    def _decode_segments(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        self._check_arguments(emissions, layout, mask)
        allowed = emissions.detach() if mask is None else emissions.masked_fill(~mask, -math.inf)
        scores = ScoreArrays(*(tensor.numpy() for tensor in (allowed, *self._mask_parameters())))
        tags, values = find_best_tags(scores, layout)
        return torch.from_numpy(tags), torch.from_numpy(values)

    def _compute_posterior(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None) -> Posterior:
        posterior = self._make_engine(emissions, layout, mask).forward_backward()
        _check_sequences(posterior.log_partition, emissions, layout)
        return posterior

    def _mask_parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """Transitions, start and end transitions; where they are forbidden, -inf and without a gradient."""
        dtype = compute_dtype(self.transitions.device)
        return (
            self.transitions.to(dtype).masked_fill(~self.allowed_transitions, -math.inf),
            self.start_transitions.to(dtype).masked_fill(~self.allowed_start_transitions, -math.inf),
            self.end_transitions.to(dtype).masked_fill(~self.allowed_end_transitions, -math.inf),
        )

    def _check_arguments(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None) -> None:
        expected = (layout.to_packed.numel(), self.n_tags)
        if tuple(emissions.shape) != expected:
            raise ValueError(
                f"Emissions need the shape {expected}, the tokens of the layout by the tags, "
                f"but have {tuple(emissions.shape)}."
            )
        if mask is not None and (tuple(mask.shape) != expected or mask.dtype != torch.bool):
            raise ValueError(
                f"A mask of allowed tags needs the shape {expected} and dtype bool, "
                f"but has {tuple(mask.shape)} and {mask.dtype}."
            )


def _check_sequences(values: Tensor, emissions: Tensor, layout: PackedLayout, gold: bool = False) -> None:
    """Raise if a document has no allowed tag sequence, by its best score or log partition."""
    values = values.detach()
    if math.isfinite(values.sum()):
        return
    if not bool(torch.isfinite(emissions).all()):
        tokens = (~torch.isfinite(emissions).all(1)).nonzero()[:, 0].tolist()
        raise ValueError(f"Emissions must be finite, but are not for {_enumerate('token', tokens)}.")
    docs = _enumerate("document", sorted(layout.order[~torch.isfinite(values)].tolist()))
    if gold:
        raise ValueError(
            f"No allowed tag sequence agrees with the gold annotation of {docs}. Check the gold mask against the mask "
            "and the allowed transitions."
        )
    raise ValueError(f"No tag sequence is allowed for {docs}. Check the mask against the allowed transitions.")


def _check_spans(layout: PackedLayout, starts: Tensor, ends: Tensor, labels: Tensor, n_labels: int) -> None:
    if not starts.shape == ends.shape == labels.shape or starts.dim() != 1:
        raise ValueError(
            "Starts, ends and labels of spans need the same shape (n_spans,), "
            f"but have {tuple(starts.shape)}, {tuple(ends.shape)} and {tuple(labels.shape)}."
        )
    fits = (starts >= 0) & (starts < ends) & (ends <= layout.to_packed.numel())
    if bool(fits.all()):
        doc = layout.document[layout.from_packed]
        fits = doc[starts] == doc[ends - 1]
    if not bool(fits.all()):
        bad = (~fits).nonzero()[:, 0].tolist()
        raise ValueError(
            f"A span needs at least one token and must be within one document, but is not in {_enumerate('span', bad)}."
        )
    fits = (labels >= 0) & (labels < n_labels)
    if not bool(fits.all()):
        bad = (~fits).nonzero()[:, 0].tolist()
        raise ValueError(f"Labels must be in 0..{n_labels - 1}, but are not in {_enumerate('span', bad)}.")


def _enumerate(noun: str, numbers: Sequence[int]) -> str:
    """Return "document 3", or "documents 1, 2, 3 and 4 more": readable for a batch of thousands."""
    shown = ", ".join(map(str, numbers[:10]))
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {shown}{more}"
