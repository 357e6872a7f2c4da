"""Inference for batches with many entity labels, which makes use of the transitions that BILUO forbids."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..biluo import CONTINUING, OPEN, count_labels, group_by_label, group_tags
from ..layout import PackedLayout
from .batch_engine import BatchEngine, merge_sorted_lists
from .scores import Scores


class BiluoEngine(BatchEngine):
    """Inference for BILUO tags whose time and memory seldom grow with the square of the number of labels.

    B and I lead only to I and L of the same label, so each label has four such transitions. O, L and U, the tags that
    leave no entity open, lead to any O, B and U. Of these, few can be the best predecessor: a tag can't be if its score
    and its best transition are together below the score and the worst transition of another. The search compares only
    the remaining tags, often a single one. The result is exact.
    """

    max_scores = 2**22
    """The largest number of scores of pairs of tags that a step holds at once: 32 MB."""

    def __init__(self, scores: Scores, layout: PackedLayout) -> None:
        super().__init__(scores, layout)
        groups = group_tags(count_labels(scores.emissions.shape[1]), self.device)
        self._closed, self._open = groups.closed, groups.open
        self._from_closed = scores.transitions[groups.closed]
        allowed = self._from_closed[:, groups.opening]
        self._lowest, self._highest = allowed.amin(1), allowed.amax(1)
        # Shape (n_labels, 2, 2): from B and I, to I and L.
        self._from_open = scores.transitions[groups.open[:, :, None], groups.continuing[:, None, :]]

    def _find_best_arriving(self, before: Tensor) -> Tensor:
        arriving = self._arrive_from_closed(before[:, self._closed])
        begin, inside = group_by_label(before)[:, :, OPEN, None].unbind(2)
        from_begin, from_inside = self._from_open.unbind(1)
        # Several times faster than `amax` over two tags.
        torch.maximum(begin + from_begin, inside + from_inside, out=group_by_label(arriving)[:, :, CONTINUING])
        return arriving

    def _arrive_from_closed(self, closed: Tensor) -> Tensor:
        """Return the score of the best way to reach each tag from the tags that leave no entity open.

        closed: score of the best tag sequence up to each of these tags. Shape `(n_docs, n_closed)`.
        """
        bound, top = (closed + self._lowest).max(1)
        arriving = closed.gather(1, top[:, None]) + self._from_closed[top]
        highest = (closed + self._highest).scatter_(1, top[:, None], -math.inf)
        is_rival = highest > bound[:, None]
        docs, rivals = is_rival.nonzero(as_tuple=True)
        for some_docs, some_rivals in zip(*(self._cut(index) for index in (docs, rivals)), strict=True):
            values = closed[some_docs, some_rivals][:, None] + self._from_closed[some_rivals]
            arriving.scatter_reduce_(0, some_docs[:, None].expand_as(values), values, "amax")
        return arriving

    def _cut(self, index: Tensor) -> tuple[Tensor, ...]:
        """Cut an index into parts so small that one row of scores per entry fits into memory."""
        return torch.split(index, max(1, self.max_scores // self._from_closed.shape[1]))

    def _merge_arriving(self, lists: Tensor) -> tuple[Tensor, Tensor]:
        n, n_tags, k = lists.shape
        closed = lists[:, self._closed]
        candidates, is_candidate = self._find_candidates(closed, k)
        n_docs = max(1, self.max_scores // (n_tags * candidates.shape[1]))
        parts = zip(closed.split(n_docs), candidates.split(n_docs), is_candidate.split(n_docs), strict=True)
        merged, sources = (torch.cat(values) for values in zip(*(self._merge_closed(*p) for p in parts), strict=True))
        opened = group_by_label(lists.transpose(1, 2))[..., OPEN].permute(0, 2, 3, 1)
        arriving = self._from_open.transpose(1, 2).repeat(n, 1, 1)
        merged_open, chosen = merge_sorted_lists(opened.flatten(0, 1), arriving)
        tags = self._open.repeat(n, 1)[:, None, :].expand(-1, 2, -1).gather(2, chosen // k)
        shape = (n, -1, 2, k)
        for values, of_open in ((merged, merged_open), (sources, tags * k + chosen % k)):
            by_label = group_by_label(values.transpose(1, 2))
            by_label[..., CONTINUING] = of_open.view(shape).permute(0, 3, 1, 2)
        return merged, sources

    def _find_candidates(self, closed: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Find the tags that can be among the k best predecessors of any tag.

        closed: the lists of the tags that leave no entity open. Shape `(n_docs, n_closed, k)`.
        RETURNS: the candidates of each document as indices of these tags, in ascending order, and whether each is one,
            as documents with fewer candidates have other tags for the rest. Shape `(n_docs, n_candidates)` each.
        """
        bound = (closed + self._lowest[:, None]).flatten(1).topk(k, 1).values[:, -1:]
        highest = closed[:, :, 0] + self._highest
        is_candidate = (highest >= bound) & (highest > -math.inf)
        n_candidates = max(1, int(is_candidate.sum(1).max()))
        candidates = is_candidate.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :n_candidates]
        return candidates, is_candidate.gather(1, candidates)

    def _merge_closed(self, closed: Tensor, candidates: Tensor, is_candidate: Tensor) -> tuple[Tensor, Tensor]:
        """Merge the lists of candidates into one list for each tag."""
        k = closed.shape[2]
        lists = closed.gather(1, candidates[:, :, None].expand(-1, -1, k))
        lists = lists.masked_fill(~is_candidate[:, :, None], -math.inf)
        merged, chosen = merge_sorted_lists(lists, self._from_closed[candidates].transpose(1, 2))
        tags = self._closed[candidates][:, None, :].expand(-1, chosen.shape[1], -1).gather(2, chosen // k)
        return merged, tags * k + chosen % k
