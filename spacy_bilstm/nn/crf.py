"""A linear-chain conditional random field over the rows of a batch of documents.

Emission scores of concatenated rows, a `PackedLayout` and masks of allowed tags come in; log partitions, losses, best
paths and probabilities of tags and of whole spans go out. Only the methods for spans know what a tag means: BILUO.

Results per document are in the order of the layout: entry `i` belongs to document `layout.order[i]` of the caller.
Documents without rows have no entry (their log partition is 0 and their path is empty), so a caller who wants one
value for each document writes `full = values.new_zeros(n_docs); full[layout.order] = values`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from . import one_document
from .biluo import biluo_tag
from .lattice import Lattice, Rows, Scores, compute_log_partition, run_backward, run_forward
from .layout import PackedLayout
from .one_document import DocumentScores


def _compute_dtype(device: torch.device) -> torch.dtype:
    # float64 has the exponents that `ScaledLattice` needs and keeps losses of long documents exact: they are small
    # differences of large sums. MPS has no float64; there, more batches fall back to log space.
    return torch.float32 if device.type == "mps" else torch.float64


def _pack_emissions(emissions: Tensor, layout: PackedLayout, masks: Tensor | None) -> Tensor:
    """Emissions in packed order, -inf where a mask forbids a tag.

    masks: one or several masks for each row, or None. Shape `(n_rows, n_masks, n_tags)`, bool.
    RETURNS: the rows of a document under all its masks, side by side. Shape `(n_rows * n_masks, n_tags)`.
    """
    packed = emissions.detach()[layout.to_packed].to(_compute_dtype(emissions.device))
    if masks is None:
        return packed
    return packed[:, None, :].masked_fill(~masks[layout.to_packed], -math.inf).flatten(0, 1)


class _LogPartition(torch.autograd.Function):
    """Log partitions with the analytic gradient: expected counts of tags and of transitions."""

    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        transitions: Tensor,
        start: Tensor,
        end: Tensor,
        layout: PackedLayout,
        masks: Tensor | None,
    ) -> Tensor:
        ctx.n_masks = 1 if masks is None else masks.shape[1]
        ctx.layout, ctx.dtype = layout, emissions.dtype
        # A document is laid out once for each mask, so one pass serves all masks.
        rows = Rows.build(layout.batch_sizes * ctx.n_masks, emissions.device)
        ctx.lattice = run_forward(Scores(_pack_emissions(emissions, layout, masks), transitions, start, end), rows)
        return compute_log_partition(ctx.lattice).view(-1, ctx.n_masks)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        lattice = run_backward(ctx.lattice)
        rows = lattice.rows
        weights = grad_output.reshape(-1)
        tags = lattice.tag_probabilities() * weights[rows.doc, None]
        by_row = tags.view(-1, ctx.n_masks, tags.shape[1]).sum(1)
        emissions = by_row[ctx.layout.from_packed].to(ctx.dtype)
        transitions = lattice.expected_transitions(weights)
        return emissions, transitions, tags[: rows.n_docs].sum(0), tags[rows.last].sum(0), None, None


class LinearChainCRF(nn.Module):
    """Linear-chain conditional random field with hard constraints (Lafferty et al. 2001; Lample et al. 2016).

    A path's score is the sum of its emissions, its transitions and its start and end terms. Forbidden transitions
    are masked where they are used: their parameters stay finite, without effect and without gradient.

    All methods take
    - `emissions`: finite scores of the tags of each row, the rows of documents concatenated in the caller's order.
      Shape `(n_rows, n_tags)`, float32 or float64;
    - `layout`: the layout of these rows;
    - `allowed`: which tags a row may have (all, if None). It carries missing annotation (several tags are
      allowed), gold annotation (one) and preset entities. Shape `(n_rows, n_tags)`, bool.

    They compute in float64 (float32 on MPS) and return the dtype of `emissions`. A document's results do not depend on
    its batch. Values per document are in the order of `layout.order`.

    allowed_transitions: whether the column's tag may follow the row's tag. Shape `(n_tags, n_tags)`, bool.
    allowed_start: whether a document may start with the tag. Shape `(n_tags,)`, bool.
    allowed_end: whether a document may end with the tag. Shape `(n_tags,)`, bool.
    RAISES: ValueError if the shapes do not fit.
    """

    allowed_transitions: Tensor
    allowed_start: Tensor
    allowed_end: Tensor

    def __init__(self, allowed_transitions: Tensor, allowed_start: Tensor, allowed_end: Tensor) -> None:
        super().__init__()
        n_tags = allowed_start.numel()
        shapes = [tuple(mask.shape) for mask in (allowed_transitions, allowed_start, allowed_end)]
        if n_tags == 0 or shapes != [(n_tags, n_tags), (n_tags,), (n_tags,)]:
            raise ValueError(
                "Constraints need the shapes (n_tags, n_tags), (n_tags,) and (n_tags,) with at least one tag, "
                f"but have {shapes}."
            )
        self.n_tags = n_tags
        self.transitions = nn.Parameter(torch.zeros(n_tags, n_tags))
        self.start = nn.Parameter(torch.zeros(n_tags))
        self.end = nn.Parameter(torch.zeros(n_tags))
        # The constraints are structure, not weights: whoever builds the module knows them.
        self.register_buffer("allowed_transitions", allowed_transitions.bool(), persistent=False)
        self.register_buffer("allowed_start", allowed_start.bool(), persistent=False)
        self.register_buffer("allowed_end", allowed_end.bool(), persistent=False)

    def log_partition(self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None = None) -> Tensor:
        """Logarithm of the summed exponentiated scores of all allowed paths, by the forward algorithm (Rabiner 1989).

        Differentiable once with respect to emissions and parameters, by the forward-backward algorithm.

        emissions, layout, allowed: see the class.
        RETURNS: the log partition of each document. Shape `(n_docs,)`.
        RAISES: ValueError if a document has no allowed path, or if shapes do not fit.
        """
        self._check(emissions, layout, allowed)
        values = self._log_partitions(emissions, layout, None if allowed is None else allowed[:, None])[:, 0]
        self._check_paths(values, emissions, layout)
        return values.to(emissions.dtype)

    def negative_log_likelihood(
        self, emissions: Tensor, layout: PackedLayout, gold_allowed: Tensor, allowed: Tensor | None = None
    ) -> Tensor:
        """Negative log probability that the path is one of those which the gold annotation leaves open.

        Exactly 0, with a gradient of exactly 0, for a document of which the gold annotation says nothing. Otherwise
        partial annotation is marginalised (Tsuboi et al. 2008).

        emissions, layout, allowed: see the class.
        gold_allowed: tags that the gold annotation leaves open for each row. Shape `(n_rows, n_tags)`, bool.
        RETURNS: the loss of each document, >= 0 up to rounding. Shape `(n_docs,)`.
        RAISES: ValueError if a document has no allowed path, with or without gold, or if shapes do not fit.
        """
        self._check(emissions, layout, allowed)
        self._check(emissions, layout, gold_allowed)
        if allowed is None:
            allowed = torch.ones_like(gold_allowed)
        gold = gold_allowed & allowed
        values = self._log_partitions(emissions, layout, torch.stack((allowed, gold), 1))
        self._check_paths(values[:, 0], emissions, layout)
        self._check_paths(values[:, 1], emissions, layout, "that agrees with its gold annotation")
        says_something = (gold != allowed).any(1)[layout.to_packed].to(torch.int64)
        annotated = torch.zeros_like(layout.order).index_add(0, layout.document, says_something) > 0
        loss = (values[:, 0] - values[:, 1]).masked_fill(~annotated, 0.0)
        return loss.to(emissions.dtype)

    @torch.no_grad()
    def viterbi(self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The best allowed path of each document (Viterbi 1967).

        Of paths with equal scores the one with the lower tag at the last row where they differ is chosen.

        emissions, layout, allowed: see the class.
        RETURNS: the tag of each row, in the caller's order, int64, shape `(n_rows,)`; and the score of each document's
            path, shape `(n_docs,)`.
        RAISES: ValueError if a document has no allowed path, or if shapes do not fit.
        """
        if _is_alone(emissions, layout):
            return self._viterbi_of_one(emissions, layout, allowed)
        scores, rows = self._scores(emissions, layout, allowed)
        arriving = scores.transitions.T.contiguous()  # from-tags last: the reduction runs over contiguous memory
        best = scores.emissions.clone()
        best[: rows.n_docs] += scores.start
        best_steps = rows.steps(best)
        for before, after in pairwise(best_steps):
            after += (before[: len(after), None, :] + arriving).amax(2)
        values, last_tags = (best[rows.last] + scores.end).max(1)
        self._check_paths(values, emissions, layout)
        tags = torch.empty_like(rows.doc)
        tags[rows.last] = last_tags
        # Finding the predecessors of the chosen tags again is cheaper than storing those of all tags.
        tag_steps = rows.steps(tags)
        for step in range(len(tag_steps) - 2, -1, -1):
            after = tag_steps[step + 1]
            tag_steps[step][: len(after)] = (best_steps[step][: len(after)] + arriving[after]).argmax(1)
        return tags[layout.from_packed], values.to(emissions.dtype)

    def _viterbi_of_one(self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
        tags, score = one_document.viterbi(self._get_document(emissions, layout, allowed))
        values = torch.from_numpy(score)
        self._check_paths(values, emissions, layout)
        return torch.from_numpy(tags), values.to(emissions.dtype)

    @torch.no_grad()
    def k_best(
        self, emissions: Tensor, layout: PackedLayout, k: int, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The k best allowed paths of each document, exact and best first (list Viterbi: Seshadri and Sundberg 1994).

        The first path is that of `viterbi`. A document with fewer than k allowed paths, or none at all, has tags of -1
        and scores of -inf for the rest.

        emissions, layout, allowed: see the class.
        k: number of paths, >= 1.
        RETURNS: the tag of each row in each path, in the caller's order of rows, int64, shape `(k, n_rows)`; and the
            score of each path, shape `(n_docs, k)`.
        RAISES: ValueError if k is below 1, or if shapes do not fit.
        """
        if k < 1:
            raise ValueError(f"The number of paths must be at least 1, but k is {k}.")
        scores, rows = self._scores(emissions, layout, allowed)
        n_tags = self.n_tags
        arriving = scores.transitions.T.contiguous()
        # The sources of row r's k lists are numbered tag * k + rank; int32, as they are the bulk of the memory.
        sources = torch.empty(len(scores.emissions), n_tags * k, dtype=torch.int32, device=emissions.device)
        source_steps = rows.steps(sources)
        lists = torch.full((rows.n_docs, n_tags, k), -math.inf, dtype=scores.emissions.dtype, device=emissions.device)
        finals = lists.clone()
        for step, emission in enumerate(rows.steps(scores.emissions)):
            if step == 0:
                lists[:, :, 0] = scores.start + emission
            else:
                lists, chosen = _merge_sorted_lists(lists[: len(emission)], arriving)
                lists += emission[:, :, None]
                source_steps[step].copy_(chosen.flatten(1))
            finals[: len(emission)] = lists  # what a document wrote at its last step stays
        ending, chosen = _merge_sorted_lists(finals, scores.end[None])
        values = ending[:, 0]
        slots = torch.empty(len(sources), k, dtype=torch.int64, device=emissions.device)
        slots[rows.last] = chosen[:, 0]
        slot_steps = rows.steps(slots)
        for step in range(len(slot_steps) - 2, -1, -1):
            after = slot_steps[step + 1]
            slot_steps[step][: len(after)] = source_steps[step + 1].gather(1, after).to(torch.int64)
        tags = torch.where(values[rows.doc] == -math.inf, -1, slots // k)
        return tags[layout.from_packed].T.contiguous(), values.to(emissions.dtype)

    @torch.no_grad()
    def marginals(
        self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log probability of each tag at each row, by the forward-backward algorithm (Rabiner 1989). No gradient.

        emissions, layout, allowed: see the class.
        RETURNS: the log probabilities, in the caller's order of rows, -inf for what is impossible, shape
            `(n_rows, n_tags)`; and the log partition of each document, shape `(n_docs,)`.
        RAISES: ValueError if a document has no allowed path, or if shapes do not fit.
        """
        lattice, values = self._forward_backward(emissions, layout, allowed)
        log_probabilities = torch.log_softmax(lattice.log_forward() + lattice.log_backward(), 1)
        return log_probabilities[layout.from_packed].to(emissions.dtype), values.to(emissions.dtype)

    @torch.no_grad()
    def span_log_probability(
        self,
        emissions: Tensor,
        layout: PackedLayout,
        span_starts: Tensor,
        span_ends: Tensor,
        span_labels: Tensor,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """Log probability that exactly a span is an entity of a label: B I .. L, or U for one row. No gradient.

        It is the mass of all paths through these tags (Culotta and McCallum 2004), under tags numbered as by
        `biluo_tag`.

        emissions, layout, allowed: see the class.
        span_starts: first row of each span, in the caller's order of rows. Shape `(n_spans,)`, int64.
        span_ends: row after the last one of each span, of the same document. Shape `(n_spans,)`, int64.
        span_labels: index of each span's label. Shape `(n_spans,)`, int64.
        RETURNS: the log probability of each span, <= 0, -inf for what is impossible. Shape `(n_spans,)`.
        RAISES: ValueError if a document has no allowed path, if the number of tags is not `1 + 4 * n_labels`, if a span
            is empty or not within one document, if a label does not exist, or if shapes do not fit.
        """
        self._check_spans(layout, span_starts, span_ends, span_labels)
        alone = self._build_lattice_of_one(emissions, layout, allowed)
        if alone is not None:
            spans = zip(span_starts.tolist(), span_ends.tolist(), span_labels.tolist(), strict=True)
            probabilities = [alone.get_span_probability(*span) for span in spans]
            return torch.tensor(probabilities, dtype=torch.float64).log().clamp(max=0.0).to(emissions.dtype)
        lattice, _ = self._forward_backward(emissions, layout, allowed)
        scores = lattice.scores
        begin, inside, last, unit = (biluo_tag(span_labels, position) for position in "BILU")
        n_continuing = span_ends - span_starts - 1
        is_unit = n_continuing == 0
        first_row, last_row = layout.from_packed[span_starts], layout.from_packed[span_ends - 1]
        first_tag, last_tag = torch.where(is_unit, unit, begin), torch.where(is_unit, unit, last)
        reaching, leaving = lattice.log_forward(first_row), lattice.log_backward(last_row)
        # The total at the last row normalises both messages there; the loop below undoes the scales in between.
        total = torch.logsumexp(lattice.log_forward(last_row) + leaving, 1)
        result = reaching.gather(1, first_tag[:, None])[:, 0] + leaving.gather(1, last_tag[:, None])[:, 0] - total
        # Rows of all spans after their first ones, one after the other.
        span = torch.repeat_interleave(torch.arange(len(span_starts), device=emissions.device), n_continuing)
        offset = torch.arange(len(span), device=emissions.device) - (n_continuing.cumsum(0) - n_continuing)[span]
        row = layout.from_packed[span_starts[span] + 1 + offset]
        before = torch.where(offset == 0, begin[span], inside[span])
        tag = torch.where(offset == n_continuing[span] - 1, last[span], inside[span])
        steps = scores.transitions[before, tag] + scores.emissions[row, tag] - lattice.log_scale[row]
        return result.index_add(0, span, steps).clamp(max=0.0).to(emissions.dtype)

    @torch.no_grad()
    def find_probable_spans(
        self, emissions: Tensor, layout: PackedLayout, threshold: float, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All spans whose probability, as of `span_log_probability`, is at least a threshold. No gradient.

        Spans grow row by row from those that may begin, as far as their first rows together are probable enough: at
        any row less than `1 / threshold` beginnings go on, so the cost is linear in the number of rows.

        emissions, layout, allowed: see the class.
        threshold: the lowest probability, 0 < threshold <= 1.
        RETURNS: first row of each span, in the caller's order of rows, and row after its last one, both int64; index of
            its label, int64; and its log probability, <= 0. Shape `(n_spans,)` each, in no order.
        RAISES: ValueError if a document has no allowed path, if the number of tags is not `1 + 4 * n_labels`, if the
            threshold is out of its range, or if shapes do not fit.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"The threshold of a probability must be above 0 and at most 1, but is {threshold}.")
        n_labels = self._count_labels()
        # Rounding must not lose what is certain.
        lowest = math.log(threshold) - 1e-9
        alone = self._build_lattice_of_one(emissions, layout, allowed)
        if alone is not None:
            *rows, probabilities = (torch.from_numpy(array) for array in alone.find_spans(n_labels, math.exp(lowest)))
            return rows[0], rows[1], rows[2], probabilities.log().clamp(max=0.0).to(emissions.dtype)
        lattice, _ = self._forward_backward(emissions, layout, allowed)
        found = list(_grow_spans(lattice, layout, n_labels, lowest))
        starts, ends, labels, values = (torch.cat(parts) for parts in zip(*found, strict=True))
        return starts, ends, labels, values.clamp(max=0.0).to(emissions.dtype)

    def _log_partitions(self, emissions: Tensor, layout: PackedLayout, masks: Tensor | None) -> Tensor:
        """Log partition of each document under each mask. Shape `(n_docs, n_masks)`."""
        apply: Callable[..., Tensor] = _LogPartition.apply
        return apply(emissions, *self._masked_parameters(), layout, masks)

    def _masked_parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """Transition, start and end scores with -inf for what is forbidden, through which no gradient flows."""
        dtype = _compute_dtype(self.transitions.device)
        return (
            self.transitions.to(dtype).masked_fill(~self.allowed_transitions, -math.inf),
            self.start.to(dtype).masked_fill(~self.allowed_start, -math.inf),
            self.end.to(dtype).masked_fill(~self.allowed_end, -math.inf),
        )

    def _build_lattice_of_one(
        self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None
    ) -> one_document.DocumentLattice | None:
        """What is probable in the only document of a batch on CPU, or None."""
        if not _is_alone(emissions, layout):
            return None
        return one_document.DocumentLattice.build(self._get_document(emissions, layout, allowed))

    def _get_document(self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None) -> DocumentScores:
        """Scores of a single document, on CPU."""
        self._check(emissions, layout, allowed)
        rows = _pack_emissions(emissions, layout, None if allowed is None else allowed[:, None])
        return DocumentScores(*(scores.numpy() for scores in (rows, *self._masked_parameters())))

    def _scores(self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None) -> tuple[Scores, Rows]:
        self._check(emissions, layout, allowed)
        packed = _pack_emissions(emissions, layout, None if allowed is None else allowed[:, None])
        return Scores(packed, *self._masked_parameters()), Rows.build(layout.batch_sizes, emissions.device)

    def _forward_backward(
        self, emissions: Tensor, layout: PackedLayout, allowed: Tensor | None
    ) -> tuple[Lattice, Tensor]:
        lattice = run_forward(*self._scores(emissions, layout, allowed))
        values = compute_log_partition(lattice)
        self._check_paths(values, emissions, layout)
        return run_backward(lattice), values

    def _check(self, emissions: Tensor, layout: PackedLayout, mask: Tensor | None) -> None:
        expected = (layout.to_packed.numel(), self.n_tags)
        if tuple(emissions.shape) != expected:
            raise ValueError(
                f"Emissions need the shape {expected}, the rows of the layout by the tags, "
                f"but have {tuple(emissions.shape)}."
            )
        if mask is not None and (tuple(mask.shape) != expected or mask.dtype != torch.bool):
            raise ValueError(
                f"A mask of allowed tags needs the shape {expected} and dtype bool, "
                f"but has {tuple(mask.shape)} and {mask.dtype}."
            )

    def _check_paths(self, values: Tensor, emissions: Tensor, layout: PackedLayout, which: str = "") -> None:
        """Raise if a document's best score or log partition tells that it has no path."""
        bad = ~torch.isfinite(values.detach())
        if not bool(bad.any()):
            return
        if not bool(torch.isfinite(emissions).all()):
            rows = (~torch.isfinite(emissions).all(1)).nonzero()[:, 0].tolist()
            raise ValueError(f"Emissions must be finite, but are not in {_enumerate('row', rows)}.")
        docs = sorted(layout.order[bad].tolist())
        what = f"No path of allowed tags {which}".rstrip()
        raise ValueError(
            f"{what} exists for {_enumerate('document', docs)}. Check the masks against the allowed transitions."
        )

    def _count_labels(self) -> int:
        n_labels, rest = divmod(self.n_tags - 1, 4)
        if rest:
            raise ValueError(f"Spans need BILUO tags, 1 + 4 * n_labels of them, but there are {self.n_tags} tags.")
        return n_labels

    def _check_spans(self, layout: PackedLayout, starts: Tensor, ends: Tensor, labels: Tensor) -> None:
        n_labels = self._count_labels()
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
            raise ValueError(f"Spans must not be empty nor leave their document, but do in {_enumerate('span', bad)}.")
        fits = (labels >= 0) & (labels < n_labels)
        if not bool(fits.all()):
            bad = (~fits).nonzero()[:, 0].tolist()
            raise ValueError(f"Labels must be in 0..{n_labels - 1}, but are not in {_enumerate('span', bad)}.")


def _is_alone(emissions: Tensor, layout: PackedLayout) -> bool:
    """Whether a document is the only one of a batch, on CPU: torch's calls would take longer than NumPy's."""
    return len(layout.order) == 1 and emissions.device.type == "cpu"


def _grow_spans(
    lattice: Lattice, layout: PackedLayout, n_labels: int, lowest: float
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Find the spans whose log probability is at least the lowest, under BILUO tags, those of one row first.

    lattice: with forward and backward messages.
    RETURNS: parts of the result of `LinearChainCRF.find_probable_spans`.
    """
    scores, reaching, leaving = lattice.scores, lattice.log_forward(), lattice.log_backward()
    begin, inside, last, unit = (biluo_tag(torch.arange(n_labels, device=reaching.device), p) for p in "BILU")
    total = torch.logsumexp(reaching + leaving, 1)
    has_next = torch.ones_like(total, dtype=torch.bool)
    has_next[lattice.rows.last] = False

    def find(tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows at which a label's tag is probable enough, their labels and log probabilities."""
        values = reaching[:, tags] + leaving[:, tags] - total[:, None]
        row, label = (values >= lowest).nonzero(as_tuple=True)
        return row, label, values[row, label]

    row, label, value = find(unit)
    start = layout.to_packed[row]
    yield start, start + 1, label, value
    row, label, _ = find(begin)
    start, tag = layout.to_packed[row], begin[label]
    score = reaching[row, tag]
    while len(row):
        goes_on = has_next[row]
        start, label, tag, score = start[goes_on], label[goes_on], tag[goes_on], score[goes_on]
        row = layout.from_packed[layout.to_packed[row[goes_on]] + 1]
        ends = score + scores.transitions[tag, last[label]] + scores.emissions[row, last[label]]
        value = ends - lattice.log_scale[row] + leaving[row, last[label]] - total[row]
        is_found = value >= lowest
        yield start[is_found], layout.to_packed[row[is_found]] + 1, label[is_found], value[is_found]
        score = score + scores.transitions[tag, inside[label]] + scores.emissions[row, inside[label]]
        score -= lattice.log_scale[row]
        # What a span's first rows have together is the most that it can have as a whole.
        goes_on = score + leaving[row, inside[label]] - total[row] >= lowest
        start, row, label, score = start[goes_on], row[goes_on], label[goes_on], score[goes_on]
        tag = inside[label]


def _merge_sorted_lists(lists: Tensor, arriving: Tensor) -> tuple[Tensor, Tensor]:
    """Merge the sorted lists of all from-tags into one for each to-tag.

    Only the head of each list is ever compared, so memory is `(n, n_to, n_from)` for any k. Ties go to the lower
    from-tag, then to the better rank.

    lists: scores of the best paths that end in each from-tag, best first. Shape `(n, n_from, k)`.
    arriving: score of each transition. Shape `(n_to, n_from)`.
    RETURNS: merged scores and for each the entry it came from, `from_tag * k + rank`. Both of shape `(n, n_to, k)`.
    """
    n, _, k = lists.shape
    flat = lists.flatten(1)
    heads = lists[:, None, :, 0] + arriving
    ranks = torch.zeros_like(heads, dtype=torch.int64)
    arriving = arriving.expand_as(heads)
    merged = lists.new_empty(n, heads.shape[1], k)
    sources = torch.empty_like(merged, dtype=torch.int64)
    for place in range(k):
        merged[:, :, place], choice = heads.max(2)
        choice = choice[:, :, None]
        source = choice * k + ranks.gather(2, choice)
        sources[:, :, place] = source[:, :, 0]
        if place + 1 < k:
            ranks.scatter_add_(2, choice, torch.ones_like(choice))
            following = flat.gather(1, (source + 1).flatten(1)).view_as(choice) + arriving.gather(2, choice)
            heads.scatter_(2, choice, following)
    return merged, sources


def _enumerate(noun: str, numbers: Sequence[int]) -> str:
    """ "document 3", or "documents 1, 2, 3 and 4 more": an error should be readable for a batch of thousands."""
    shown = ", ".join(map(str, numbers[:10]))
    more = f" and {len(numbers) - 10} more" if len(numbers) > 10 else ""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {shown}{more}"
