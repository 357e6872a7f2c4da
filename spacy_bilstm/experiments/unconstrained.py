"""Train `bilstm_ner` without constraints on its tags, for a row of docs/ablation.md.

No setting turns the constraints off, so `remove_constraints` replaces code. Call it in the file that
`spacy train --code` runs.
"""

from __future__ import annotations

import numpy
import torch

from ..architectures import crf
from ..bridge.crf import decode
from ..bridge.model_types import CRFLayer
from ..nn.biluo import Ints, Position, TagConstraints, count_tags, split_tag
from ..pipeline import ner_prediction
from ..pipeline.entities import Bools, Floats, Spans
from ..pipeline.words import WordSequences


def remove_constraints() -> None:
    """Let any tag follow any other in this process, in training and in prediction. Entities get no confidences."""
    crf.biluo_constraints = _allow_everything  # type: ignore[assignment,attr-defined]
    ner_prediction.find_best_entities = _find_best_entities


def find_valid_entities(tags: Ints, is_first: Bools) -> Spans:
    """Find the entities in tags that need not be valid.

    tags: the tag of each token. Shape `(n_tokens,)`.
    is_first: whether a token is the first one of its doc. Shape `(n_tokens,)`.
    RETURNS: the valid entities: U, or B, any number of I, and L, all of one label and in one doc.
    """
    spans: list[tuple[int, int, int]] = []
    start, label = -1, -1  # The entity that the tokens so far have begun.
    for i, tag in enumerate(tags.tolist()):
        token_label, position = split_tag(tag)
        continues = start >= 0 and not is_first[i] and token_label == label
        if position == Position.U:
            spans.append((i, i + 1, token_label))
        if position == Position.L and continues:
            spans.append((start, i + 1, label))
        if position == Position.B:
            start, label = i, token_label
        elif not (position == Position.I and continues):
            start = -1
    return Spans(*numpy.array(spans, dtype="int64").reshape(-1, 3).T)


def _allow_everything(n_labels: int) -> TagConstraints:
    n_tags = count_tags(n_labels)
    every = torch.ones(n_tags, dtype=torch.bool)
    return TagConstraints(every.expand(n_tags, n_tags).clone(), every, every)


def _find_best_entities(
    crf: CRFLayer, words: WordSequences, allowed: Bools | None, temperature: float | None
) -> tuple[Spans, Floats | None]:
    return find_valid_entities(decode(crf, words.emissions, allowed), words.tokens.is_first), None
