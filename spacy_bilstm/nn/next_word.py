"""A language model that predicts each word from the words before it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .recurrent_encoder import RecurrentEncoder

START = 0
"""The number of the symbol before the first word of a text."""


class NextWordModel(nn.Module):
    """Word vectors, a recurrent encoder that reads forward, and a score for each word of the vocabulary."""

    def __init__(self, n_words: int, width: int, cell: str = "lstm", depth: int = 1) -> None:
        """Make a model with newly initialised weights.

        n_words: size of the vocabulary, with `START`.
        width: width of the word vectors and of the hidden state, >= 1.
        cell: a key of `CELLS`.
        depth: number of layers, >= 1.
        RAISES: ValueError for a cell or a number outside these ranges.
        """
        super().__init__()
        self.embed = nn.Embedding(n_words, width)
        self.encoder = RecurrentEncoder(width, width, depth, cell, bidirectional=False)
        self.encoder.reset_parameters()
        self.output = nn.Linear(width, n_words)

    def forward(self, words: Tensor, lengths: Sequence[int], dropout: float = 0.0) -> Tensor:
        """Score the words that may come at each place of several texts.

        words: the numbers of the words, text after text. Shape `(n_words,)`, int64.
        lengths: number of words of each text, each >= 1. They sum to n_words.
        dropout: rate of dropout on the word vectors and on the hidden states, 0 <= rate < 1; 0 for prediction.
        RETURNS: the scores before the softmax, for each place from the words before it. Shape
            `(n_words, vocabulary size)`.
        """
        before = words.roll(1)
        before[[0, *torch.tensor(lengths[:-1]).cumsum(0).tolist()]] = START
        vectors = nn.functional.dropout(self.embed(before), dropout)
        states = self.encoder(vectors, lengths, training=dropout > 0, output_dropout=dropout)
        scores: Tensor = self.output(states)
        return scores
