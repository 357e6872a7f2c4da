"""A forward and a backward language model on the layer of a recurrent encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from .dropout import locked_dropout
from .layout import PackedLayout
from .recurrent_encoder import RecurrentEncoder
from .recurrent_layer import RecurrentLayer


class BidirectionalLanguageModel(nn.Module):
    """Predicts the next token from the forward direction, and the token before from the backward direction.

    The recurrent weights are the encoder's own. The model leaves out the encoder's layer norm: its mean and variance
    come from both directions, so each direction would learn something about the token that it predicts. Both directions
    share the layers on top, as they share the softmax in Peters et al. (2018).
    """

    def __init__(self, encoder: RecurrentEncoder, maxout_pieces: int, hidden_width: int, n_scores: int) -> None:
        """Share the layer of an encoder, and make newly initialised layers on top of it.

        encoder: an encoder with one bidirectional layer that concatenates its directions.
        maxout_pieces: number of linear maps whose maximum is the hidden layer (Goodfellow et al. 2013), >= 1.
        hidden_width: width of the hidden layer, >= 1.
        n_scores: number of scores for each neighbour, >= 1.
        RAISES: ValueError for another encoder.
        """
        super().__init__()
        layer = cast(RecurrentLayer, encoder.layers[0])
        if len(encoder.layers) > 1 or not layer.bidirectional or not layer.merge.concatenates:
            raise ValueError(
                "A recurrent encoder keeps its two directions apart only if it has one bidirectional layer that "
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
        """Initialise all weights, including those of the encoder's layer, from torch's random generator.

        The output layer is zero, so that all neighbours are equally likely at first.
        """
        self.layer.reset_parameters()
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.zeros_(self.hidden.bias)
        self.norm.reset_parameters()
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, vectors: Tensor, lengths: Sequence[int], training: bool = False, output_dropout: float = 0.0
    ) -> Tensor:
        """Score the neighbours of each token.

        vectors: token vectors, document after document. Shape `(n_tokens, input_width)`.
        lengths: number of tokens of each document, each >= 0. They sum to n_tokens.
        training: whether to apply dropout: `output_dropout` and the encoder's own `recurrent_dropout`.
        output_dropout: rate of locked dropout on the states of both directions, 0 <= rate < 1.
        RETURNS: the scores of the next token, then those of the token before. Shape `(n_tokens, 2 * n_scores)`.
        """
        if vectors.shape[0] == 0:
            return vectors.new_zeros((0, 2 * self.output.out_features))
        layout = PackedLayout.from_lengths(lengths, vectors.device)
        recurrent_dropout = self.recurrent_dropout if training else 0.0
        states: Tensor = self.layer(vectors[layout.to_packed], layout.batch_sizes, recurrent_dropout)
        if training:
            states = locked_dropout(states, layout.document, len(layout.order), output_dropout)
        directions = states[layout.from_packed].unflatten(1, (2, -1))
        pieces = self.hidden(directions).unflatten(2, (-1, self.hidden_width))
        scores: Tensor = self.output(self.norm(pieces.amax(dim=2)))
        return scores.flatten(1)
