"""The Viterbi algorithm for BILUO tags on CPU, on only those tokens that can be in an entity."""

from __future__ import annotations

from typing import cast

import numpy
import torch

from ..layout import PackedLayout
from .biluo_viterbi import decode_biluo
from .engine import make_engine
from .pruning import find_possible_entities
from .scores import Bools, Floats, Ints, ScoreArrays, Scores

# The number of tags above which an engine is faster than `decode_biluo`: with 18, 30, 40 and 50 labels, prediction with
# an engine takes 1.1, 1.0, 0.8 and 0.3 times as long (`python -m spacy_bilstm.experiments.many_labels`).
_MANY_TAGS = 121


@numpy.errstate(invalid="ignore")  # The caller finds scores that are not finite by their sums.
def find_best_tags(scores: ScoreArrays, layout: PackedLayout) -> tuple[Ints, Floats]:
    """Find the best tag sequence of each document, as `Engine.viterbi` does.

    scores: scores of BILUO tags of at least one label.
    layout: the layout of the tokens.
    RETURNS: the tags, in the caller's order, shape `(n_tokens,)`, and the score of each document in packed order, shape
        `(n_docs,)`.
    """
    firsts = layout.to_packed[: len(layout.order)].numpy()
    is_first = numpy.zeros(len(scores.emissions), dtype=bool)
    is_first[firsts] = True
    tags = numpy.zeros(len(is_first), dtype="int64")
    tokens = numpy.flatnonzero(find_possible_entities(scores, is_first))
    if len(tokens):
        tags[tokens] = _decode_segments(scores, tokens, is_first)
    starts = numpy.flatnonzero(is_first)
    totals = numpy.add.reduceat(_score_tokens(scores, tags, is_first), starts)
    return tags, totals[numpy.searchsorted(starts, firsts)]


def _decode_segments(scores: ScoreArrays, tokens: Ints, is_first: Bools) -> Ints:
    """Find the tags of tokens if all others are "O". Shape of `tokens`."""
    starts_doc, ends_doc = is_first[tokens], numpy.append(is_first[1:], True)[tokens]
    has_gap = numpy.diff(tokens) > 1
    starts = numpy.flatnonzero(numpy.append(True, has_gap) | starts_doc)
    ends = numpy.flatnonzero(numpy.append(has_gap, True) | ends_doc)
    emissions = scores.emissions[tokens].astype("float64")
    # What is before and after a segment is certain, and makes segments independent of each other.
    before = numpy.stack((scores.transitions[0], scores.start_transitions))
    after = numpy.stack((scores.transitions[:, 0], scores.end_transitions))
    emissions[starts] += before[starts_doc[starts].astype("int64")]
    emissions[ends] += after[ends_doc[ends].astype("int64")]
    layout = PackedLayout.from_lengths((ends - starts + 1).tolist())
    packed = emissions[layout.to_packed.numpy()]
    if packed.shape[1] <= _MANY_TAGS:
        tags = decode_biluo(packed, scores.transitions, layout.batch_sizes.tolist())
        return cast(Ints, tags[layout.from_packed.numpy()])
    transitions, free = torch.from_numpy(scores.transitions), torch.zeros(packed.shape[1], dtype=torch.float64)
    segments = Scores(torch.from_numpy(packed), transitions, free, free, allow_only_biluo=True)
    return cast(Ints, make_engine(segments, layout).viterbi()[0].numpy())


def _score_tokens(scores: ScoreArrays, tags: Ints, is_first: Bools) -> Floats:
    """Return what each token adds to the score of its document. Shape `(n_tokens,)`."""
    values = scores.emissions[numpy.arange(len(tags)), tags].astype("float64")
    values += numpy.where(is_first, scores.start_transitions[tags], scores.transitions[numpy.roll(tags, 1), tags])
    values += numpy.where(numpy.append(is_first[1:], True), scores.end_transitions[tags], 0.0)
    return values
