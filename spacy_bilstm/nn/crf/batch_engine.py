"""Inference for any batch on any device, in torch."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ..biluo import Position, biluo_tag, tags_at
from ..layout import PackedLayout
from .lattice import Lattice, PackedSteps, compute_log_partition, run_backward, run_forward
from .scores import ProbableSpans, Scores


class BatchEngine:
    """Inference for all documents of a batch at once, one time step after the other. See `engine.Engine`."""

    def __init__(self, scores: Scores, layout: PackedLayout) -> None:
        self.scores, self.layout = scores, layout
        self.device = scores.emissions.device

    @cached_property
    def _arriving(self) -> Tensor:
        """The transitions with from-tags last, so that reductions over them run over contiguous memory."""
        return self.scores.transitions.T.contiguous()

    def viterbi(self) -> tuple[Tensor, Tensor]:
        """Return the best tag sequence of each document and its score."""
        scores, steps = self.scores, self._make_steps()
        best = scores.emissions.clone()
        best[: steps.n_docs] += scores.start_transitions
        best_steps = steps.split(best)
        for before, after in pairwise(best_steps):
            after += self._find_best_arriving(before[: len(after)])
        values, last_tags = (best[steps.last] + scores.end_transitions).max(1)
        tags = torch.empty_like(steps.doc)
        tags[steps.last] = last_tags
        # Finding the predecessors of the chosen tags again is cheaper than storing those of all tags.
        tag_steps = steps.split(tags)
        for step in range(len(tag_steps) - 2, -1, -1):
            after = tag_steps[step + 1]
            tag_steps[step][: len(after)] = (best_steps[step][: len(after)] + self._arriving[after]).argmax(1)
        return tags[self.layout.from_packed], values

    def _find_best_arriving(self, before: Tensor) -> Tensor:
        """Return the score of the best way to reach each tag, without the tag's own emission.

        before: score of the best tag sequence up to each tag of the token before. Shape `(n_docs, n_tags)`.
        """
        return (before[:, None, :] + self._arriving).amax(2)

    def k_best(self, k: int) -> tuple[Tensor, Tensor]:
        """Return the k best tag sequences of each document and their scores."""
        steps = self._make_steps()
        finals, sources = self._run_list_viterbi(steps, k)
        ending, chosen = merge_sorted_lists(finals, self.scores.end_transitions[None])
        values = ending[:, 0]
        slots = torch.empty(len(sources), k, dtype=torch.int64, device=self.device)
        slots[steps.last] = chosen[:, 0]
        source_steps, slot_steps = steps.split(sources), steps.split(slots)
        for step in range(len(slot_steps) - 2, -1, -1):
            after = slot_steps[step + 1]
            slot_steps[step][: len(after)] = source_steps[step + 1].gather(1, after).to(torch.int64)
        tags = torch.where(values[steps.doc] == -math.inf, -1, slots // k)
        return tags[self.layout.from_packed].T.contiguous(), values

    def _run_list_viterbi(self, steps: PackedSteps, k: int) -> tuple[Tensor, Tensor]:
        """Find the k best tag sequences that end in each tag, at each token.

        RETURNS: their scores at the last token of each document, best first, shape `(n_docs, n_tags, k)`; and the
            entries `tag * k + rank` of the token before that they continue, shape `(n_tokens, n_tags * k)`.
        """
        scores = self.scores
        n_tokens, n_tags = scores.emissions.shape
        # int32, as this is the bulk of the memory.
        sources = torch.empty(n_tokens, n_tags * k, dtype=torch.int32, device=self.device)
        source_steps = steps.split(sources)
        lists = torch.full((steps.n_docs, n_tags, k), -math.inf, dtype=scores.emissions.dtype, device=self.device)
        finals = lists.clone()
        for step, emission in enumerate(steps.split(scores.emissions)):
            if step == 0:
                lists[:, :, 0] = scores.start_transitions + emission
            else:
                lists, chosen = self._merge_arriving(lists[: len(emission)])
                lists += emission[:, :, None]
                source_steps[step].copy_(chosen.flatten(1))
            finals[: len(emission)] = lists  # what a document wrote at its last step stays
        return finals, sources

    def _merge_arriving(self, lists: Tensor) -> tuple[Tensor, Tensor]:
        """Merge the sorted lists of the token before into one list for each tag, as `merge_sorted_lists` does."""
        return merge_sorted_lists(lists, self._arriving)

    def forward_backward(self) -> BatchPosterior:
        """Run the forward-backward algorithm."""
        return BatchPosterior(self.scores, self.layout, self._make_steps())

    def _make_steps(self) -> PackedSteps:
        return PackedSteps.build(self.layout.batch_sizes, self.device)


class BatchPosterior:
    """The probabilities of tags and spans for all documents of a batch. See `engine.Posterior`."""

    def __init__(self, scores: Scores, layout: PackedLayout, steps: PackedSteps) -> None:
        self.layout = layout
        lattice = run_forward(scores, steps)
        self.log_partition = compute_log_partition(lattice)
        self.lattice: Lattice = run_backward(lattice)

    def marginals(self) -> Tensor:
        """Return the log probability of each tag at each token."""
        log_probabilities = torch.log_softmax(self.lattice.log_forward() + self.lattice.log_backward(), 1)
        return log_probabilities[self.layout.from_packed]

    def span_log_probability(self, starts: Tensor, ends: Tensor, labels: Tensor) -> Tensor:
        """Return the log probability of each span: the mass of all tag sequences with its tags."""
        lattice, from_packed = self.lattice, self.layout.from_packed
        begin, inside, last, unit = (biluo_tag(labels, position) for position in list(Position)[1:])
        n_continuing = ends - starts - 1
        is_unit = n_continuing == 0
        first_token, last_token = from_packed[starts], from_packed[ends - 1]
        first_tag, last_tag = torch.where(is_unit, unit, begin), torch.where(is_unit, unit, last)
        reaching, leaving = lattice.log_forward(first_token), lattice.log_backward(last_token)
        # The total at the last token normalises both messages there; the sum below undoes the scales in between.
        total = torch.logsumexp(lattice.log_forward(last_token) + leaving, 1)
        result = reaching.gather(1, first_tag[:, None])[:, 0] + leaving.gather(1, last_tag[:, None])[:, 0] - total
        # The tokens of all spans after their first ones, one span after the other.
        span = torch.repeat_interleave(torch.arange(len(starts), device=starts.device), n_continuing)
        offset = torch.arange(len(span), device=starts.device) - (n_continuing.cumsum(0) - n_continuing)[span]
        token = from_packed[starts[span] + 1 + offset]
        before = torch.where(offset == 0, begin[span], inside[span])
        tag = torch.where(offset == n_continuing[span] - 1, last[span], inside[span])
        return result.index_add(0, span, self._score_steps(before, tag, token)).clamp(max=0.0)

    def _score_steps(self, before: Tensor, tags: Tensor, tokens: Tensor) -> Tensor:
        """Score tags at tokens after the tags before them, on the scale of the forward messages."""
        scores = self.lattice.scores
        return scores.transitions[before, tags] + scores.emissions[tokens, tags] - self.lattice.log_scale[tokens]

    def find_probable_spans(self, lowest: float) -> ProbableSpans:
        """Return all spans whose log probability is at least `lowest`.

        Spans grow token by token from their beginnings, as long as their tokens so far are probable enough together.
        Fewer than `exp(-lowest)` of them can be at any token, so the cost is linear in the number of tokens.
        """
        search = _SpanSearch(self.lattice, self.layout, lowest)
        found = [search.find_units()]
        spans = search.begin()
        while len(spans.tokens):
            spans = search.advance(spans)
            found.append(search.end(spans))
            spans = search.extend(spans)
        starts, ends, labels, values = (torch.cat(parts) for parts in zip(*found, strict=True))
        return ProbableSpans(starts, ends, labels, values.clamp(max=0.0))


class _OpenSpans(NamedTuple):
    """Spans without their last token.

    starts: first token of each span, in the caller's order.
    tokens: latest token of each span, in packed order.
    labels: index of each span's label.
    tags: tag of each span's latest token.
    scores: log forward score of each span's tokens so far.
    """

    starts: Tensor
    tokens: Tensor
    labels: Tensor
    tags: Tensor
    scores: Tensor

    def select(self, is_selected: Tensor) -> _OpenSpans:
        return _OpenSpans(*(values[is_selected] for values in self))


class _SpanSearch:
    """The steps of the search for spans whose log probability is at least `lowest`."""

    def __init__(self, lattice: Lattice, layout: PackedLayout, lowest: float) -> None:
        self.layout, self.lowest = layout, lowest
        self.scores, self.log_scale = lattice.scores, lattice.log_scale
        self.reaching, self.leaving = lattice.log_forward(), lattice.log_backward()
        self.total = torch.logsumexp(self.reaching + self.leaving, 1)
        self.has_next = torch.ones_like(self.total, dtype=torch.bool)
        self.has_next[lattice.steps.last] = False

    def find_units(self) -> ProbableSpans:
        """Find the spans of one token."""
        tokens, labels, values = self._find_tags(Position.U)
        starts = self.layout.to_packed[tokens]
        return ProbableSpans(starts, starts + 1, labels, values)

    def begin(self) -> _OpenSpans:
        """Find the first tokens of longer spans."""
        tokens, labels, _ = self._find_tags(Position.B)
        tags = biluo_tag(labels, Position.B)
        return _OpenSpans(self.layout.to_packed[tokens], tokens, labels, tags, self.reaching[tokens, tags])

    def _find_tags(self, position: Position) -> tuple[Tensor, Tensor, Tensor]:
        """Find the tokens at which a label's tag is probable enough, their labels and log probabilities."""
        tags = tags_at(position)
        values = self.reaching[:, tags] + self.leaving[:, tags] - self.total[:, None]
        tokens, labels = (values >= self.lowest).nonzero(as_tuple=True)
        return tokens, labels, values[tokens, labels]

    def advance(self, spans: _OpenSpans) -> _OpenSpans:
        """Move spans to the next token, except those at the end of their document. Tags and scores stay."""
        spans = spans.select(self.has_next[spans.tokens])
        return spans._replace(tokens=self.layout.from_packed[self.layout.to_packed[spans.tokens] + 1])

    def end(self, spans: _OpenSpans) -> ProbableSpans:
        """Find the spans that end at the token to which they were moved."""
        starts, tokens, labels, tags, scores = spans
        last = biluo_tag(labels, Position.L)
        reaching = scores + self.scores.transitions[tags, last] + self.scores.emissions[tokens, last]
        values = reaching - self.log_scale[tokens] + self.leaving[tokens, last] - self.total[tokens]
        is_found = values >= self.lowest
        ends = self.layout.to_packed[tokens[is_found]] + 1
        return ProbableSpans(starts[is_found], ends, labels[is_found], values[is_found])

    def extend(self, spans: _OpenSpans) -> _OpenSpans:
        """Extend spans by the token to which they were moved, if their tokens so far are probable enough together."""
        _, tokens, labels, tags, scores = spans
        inside = biluo_tag(labels, Position.I)
        scores = scores + self.scores.transitions[tags, inside] + self.scores.emissions[tokens, inside]
        scores = scores - self.log_scale[tokens]
        # A whole span is at most as probable as its first tokens.
        is_probable = scores + self.leaving[tokens, inside] - self.total[tokens] >= self.lowest
        return spans._replace(tags=inside, scores=scores).select(is_probable)


def merge_sorted_lists(lists: Tensor, arriving: Tensor) -> tuple[Tensor, Tensor]:
    """Merge the sorted lists of all from-tags into one list for each to-tag.

    Only the heads of the lists are compared, so memory is `(n, n_to, n_from)` for any k. Ties go to the lower
    from-tag, then to the better rank.

    lists: scores of the best tag sequences that end in each from-tag, best first. Shape `(n, n_from, k)`.
    arriving: score of each transition, the same for all lists, shape `(n_to, n_from)`, or not, `(n, n_to, n_from)`.
    RETURNS: the merged scores, and the entry `from_tag * k + rank` that each comes from. Shape `(n, n_to, k)` each.
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
