"""A forward and a backward language model on the layers of a recurrent encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .dropout import locked_dropout
from .layout import PackedLayout
from .neighbours import HashedNeighbours, SampledNeighbours
from .recurrent_encoder import RecurrentEncoder
from .recurrent_layer import RecurrentLayer

# The recurrence of a longer document starts anew after so many tokens. A step costs the same for one document as for
# many, and the gradient of a step in packed order takes time proportional to the size of the batch. In a profile of
# paragraphs of up to 500 tokens, a quarter of the time went into filling such gradients with zeros.
_MAX_LENGTH = 50


class BidirectionalLanguageModel(nn.Module):
    """Predicts the next token from the forward direction, and the token before from the backward direction.

    The recurrent weights are the encoder's own. The model keeps the two directions apart in all layers: in the layers
    from the second on, each direction reads only the states of its own direction. Otherwise a state would depend on the
    token that it has to predict (Peters et al. 2018). What a merge expects of the other direction is replaced by what
    leaves a state as it is: zeros for a concatenation and a sum, ones for a product, the state itself for a mean. For
    the same reason the model leaves out the encoder's layer norm, whose mean and variance come from both directions.
    Both directions share the layers on top.
    """

    def __init__(self, encoder: RecurrentEncoder, neighbours: HashedNeighbours | SampledNeighbours) -> None:
        """Share the layers of an encoder.

        encoder: an encoder with two directions.
        neighbours: the layers on top, which predict the neighbours from states of the width `get_state_width(encoder)`.
        RAISES: ValueError for an encoder with one direction.
        """
        super().__init__()
        get_state_width(encoder)
        self.layers = nn.ModuleList(encoder.layers)
        self.residual = encoder.residual
        self.dropout, self.recurrent_dropout = encoder.dropout, encoder.recurrent_dropout
        self.neighbours = neighbours

    def reset_parameters(self) -> None:
        """Initialise the weights on top of the encoder from torch's random generator."""
        self.neighbours.reset_parameters()

    def forward(
        self,
        vectors: Tensor,
        lengths: Sequence[int],
        targets: Tensor,
        training: bool = False,
        output_dropout: float = 0.0,
    ) -> Tensor:
        """Compute the loss of the neighbours of each token.

        vectors: token vectors, document after document. Shape `(n_tokens, input_width)`.
        lengths: number of tokens of each document, each >= 0. They sum to n_tokens.
        targets: what the layers on top predict, as their `forward` takes it.
        training: whether to apply dropout: `output_dropout` and the encoder's own `dropout` and `recurrent_dropout`.
        output_dropout: rate of locked dropout on the input and on the states of each layer, 0 <= rate < 1.
        RETURNS: the mean loss of the two neighbours of each token, in nats. Shape `(n_tokens,)`.
        """
        if vectors.shape[0] == 0:
            return vectors.new_zeros(0)
        states = self.encode_directions(vectors, lengths, training, output_dropout)
        losses: Tensor = self.neighbours(states, vectors, lengths, targets)
        return losses.mean(dim=1)

    def encode_directions(
        self, vectors: Tensor, lengths: Sequence[int], training: bool = False, output_dropout: float = 0.0
    ) -> Tensor:
        """Encode tokens by each direction alone.

        vectors, lengths, training, output_dropout: arguments of `forward`, with at least one token.
        RETURNS: the states of the forward and the backward direction. Shape `(n_tokens, 2, state_width)`.
        """
        layout = PackedLayout.from_lengths(_cut_lengths(lengths), vectors.device)
        rate = output_dropout if training else 0.0
        between = 1.0 - (1.0 - rate) * (1.0 - self.dropout) if training else 0.0
        states = _drop(vectors[layout.to_packed], layout, rate)
        for i, layer in enumerate(self.layers):
            output = self._run_layer(cast(RecurrentLayer, layer), states, layout, training)
            output = _drop(output, layout, between if i < len(self.layers) - 1 else rate)
            states = states + output if self.residual and i > 0 else output
        return states[layout.from_packed]

    def _run_layer(self, layer: RecurrentLayer, states: Tensor, layout: PackedLayout, training: bool) -> Tensor:
        """Run a layer on token vectors, or on states of two directions that it keeps apart."""

        def run(packed: Tensor) -> Tensor:
            rate = self.recurrent_dropout if training else 0.0
            states: Tensor = layer.cell.run_packed(layer.rnn, packed, layout.batch_sizes, rate)
            return states.view(len(states), 2, -1)

        if states.dim() == 2:
            return run(states)
        # The layer computes both directions of each input, and half of that is not used. Any cell can do this.
        inputs = [_hide_other_direction(states, i) if layer.merge.concatenates else states[:, i] for i in range(2)]
        return torch.stack([run(packed)[:, i] for i, packed in enumerate(inputs)], dim=1)


def get_state_width(encoder: RecurrentEncoder) -> int:
    """Return the width of the states of one direction.

    encoder: an encoder with two directions.
    RAISES: ValueError for an encoder with one direction.
    """
    layer = cast(RecurrentLayer, encoder.layers[0])
    if not layer.bidirectional:
        raise ValueError("It needs a direction for each neighbour. Set bidirectional = true.")
    return encoder.width // 2 if layer.merge.concatenates else encoder.width


def _hide_other_direction(states: Tensor, direction: int) -> Tensor:
    """Return the two directions side by side, with zeros for the other one. Shape `(n_tokens, 2 * state_width)`."""
    is_own = torch.arange(2, device=states.device) == direction
    return (states * is_own[:, None]).flatten(1)


def _drop(states: Tensor, layout: PackedLayout, rate: float) -> Tensor:
    """Apply locked dropout to vectors in packed order, of shape `(n_tokens, ..., width)`."""
    return locked_dropout(states.flatten(1), layout.document, len(layout.order), rate).view_as(states)


def _cut_lengths(lengths: Sequence[int]) -> list[int]:
    """Return the lengths of the pieces of documents, none longer than `_MAX_LENGTH`."""
    pieces = []
    for length in lengths:
        pieces += [_MAX_LENGTH] * (length // _MAX_LENGTH) + [length % _MAX_LENGTH]
    return pieces
