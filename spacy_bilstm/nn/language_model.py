"""A forward and a backward language model on an encoder. Rows come in, scores of both neighbours go out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from .layout import PackedLayout
from .recurrent import MERGES, RecurrentEncoder, RecurrentLayer, locked_dropout


class BidirectionalLanguageModel(nn.Module):
    """Predicts each row's next neighbour from the forward direction, and the one before from the backward direction.

    The recurrent weights are the encoder's own. Its layer norm is left out: the mean and variance of a row are of both
    directions, so each would learn something of what it is to predict. Both directions share the layers on top, as in
    Peters et al. (2018) they share the softmax.
    """

    def __init__(self, encoder: RecurrentEncoder, maxout_pieces: int, hidden_width: int, n_scores: int) -> None:
        """Share the layer of an encoder and set up freshly initialised layers on top of it.

        encoder: an encoder with one bidirectional layer whose directions are concatenated.
        maxout_pieces: number of linear maps whose maximum is the hidden layer (Goodfellow et al. 2013), >= 1.
        hidden_width: width of the hidden layer, >= 1.
        n_scores: number of scores for a neighbour, >= 1.
        RAISES: ValueError for another encoder.
        """
        super().__init__()
        layer = cast(RecurrentLayer, encoder.layers[0])
        if len(encoder.layers) > 1 or not layer.bidirectional or layer.merge is not MERGES["concat"]:
            raise ValueError(
                "The two directions of a recurrent encoder are apart only if it has one bidirectional layer that "
                'concatenates them. Set depth = 1, bidirectional = true and merge = "concat".'
            )
        self.layer = layer
        self.recurrent_dropout = encoder.recurrent_dropout
        self.hidden_width = hidden_width
        self.hidden = nn.Linear(encoder.width // 2, maxout_pieces * hidden_width)
        self.norm = nn.LayerNorm(hidden_width)
        self.output = nn.Linear(hidden_width, n_scores)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all weights afresh, those of the encoder's layer, too, from torch's random generator.

        The output layer is zero, so that at first all neighbours are as likely.
        """
        self.layer.reset_parameters()
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.zeros_(self.hidden.bias)
        self.norm.reset_parameters()
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, rows: Tensor, lengths: Sequence[int], training: bool = False, output_dropout: float = 0.0
    ) -> Tensor:
        """Score the neighbours of each row.

        rows: the documents' rows, one document after the other. Shape `(n_rows, input_width)`.
        lengths: number of rows of each document, each >= 0; they sum to n_rows.
        training: whether dropout applies: `output_dropout` and the encoder's own `recurrent_dropout`.
        output_dropout: rate of locked dropout on the states of both directions, 0 <= rate < 1.
        RETURNS: the scores of the next neighbour, and then those of the one before. Shape `(n_rows, 2 * n_scores)`.
        """
        if rows.shape[0] == 0:
            return rows.new_zeros((0, 2 * self.output.out_features))
        layout = PackedLayout.from_lengths(lengths, rows.device)
        recurrent_dropout = self.recurrent_dropout if training else 0.0
        states: Tensor = self.layer(rows[layout.to_packed], layout.batch_sizes, recurrent_dropout)
        if training:
            states = locked_dropout(states, layout.document, len(layout.order), output_dropout)
        directions = states[layout.from_packed].unflatten(1, (2, -1))
        pieces = self.hidden(directions).unflatten(2, (-1, self.hidden_width))
        scores: Tensor = self.output(self.norm(pieces.amax(dim=2)))
        return scores.flatten(1)
