"""Let `bilstm_ner` do without constraints, for a row of docs/ablation.md: `spacy train --code docs/unconstrained.py`.

Any tag may follow any other, in training and in prediction. Of what is predicted, valid entities are taken: U, or B,
any number of I, and L of one label, within a document.
"""

from typing import Any

import numpy
import torch

from spacy_bilstm.architectures import crf
from spacy_bilstm.bridge.crf import decode
from spacy_bilstm.nn.biluo import TagConstraints
from spacy_bilstm.pipeline.entities import B_TAG, I_TAG, L_TAG, N_POSITIONS, U_TAG, Spans, Tokens
from spacy_bilstm.pipeline.ner import BiLSTMEntityRecognizer


def allow_everything(n_labels: int) -> TagConstraints:
    """Take the place of `biluo_constraints`."""
    n_tags = 1 + N_POSITIONS * n_labels
    every = torch.ones(n_tags, dtype=torch.bool)
    return TagConstraints(every.expand(n_tags, n_tags).clone(), every, every)


def find_best_analysis(self: Any, tokens: Tokens, emissions: Any, allowed: Any) -> tuple[Spans, None]:
    """Take the place of the method of that name."""
    spans: list[tuple[int, int, int]] = []
    start, label = -1, -1
    for row, tag in enumerate(decode(self._crf, emissions, allowed).tolist()):
        position, of_label = (tag - 1) % N_POSITIONS + B_TAG, (tag - 1) // N_POSITIONS
        goes_on = start >= 0 and not tokens.is_first[row] and of_label == label
        if tag and position == U_TAG:
            spans.append((row, row + 1, of_label))
        if tag and position == L_TAG and goes_on:
            spans.append((start, row + 1, label))
        if tag and position == B_TAG:
            start, label = row, of_label
        elif not (tag and position == I_TAG and goes_on):
            start = -1
    return Spans(*numpy.array(spans, dtype="int64").reshape(-1, 3).T), None


crf.biluo_constraints = allow_everything
BiLSTMEntityRecognizer._find_best_analysis = find_best_analysis  # type: ignore[assignment]
