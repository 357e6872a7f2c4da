"""A recurrent layer: one cell in one or two directions."""

from __future__ import annotations

from torch import Tensor, nn

from .cells import CELLS
from .merges import MERGES


class RecurrentLayer(nn.Module):
    """One recurrent layer in one or two directions.

    cell: the cell.
    bidirectional: whether there is a second direction.
    merge: the way to merge two directions.
    rnn: the weights, in a module that the cell makes.
    """

    def __init__(self, input_width: int, width: int, cell: str, bidirectional: bool, merge: str) -> None:
        """Make a layer with newly initialised weights.

        input_width: width of the input, >= 1.
        width: width of the output, >= 1; even for two concatenated directions.
        cell: a key of `CELLS`.
        bidirectional: whether a second direction reads each document from its end.
        merge: a key of `MERGES`. It has no effect with one direction.
        """
        super().__init__()
        self.cell = CELLS[cell]
        self.bidirectional = bidirectional
        self.merge = MERGES[merge]
        hidden_width = width // 2 if bidirectional and self.merge.concatenates else width
        self.rnn = self.cell.make_weights(input_width, hidden_width, bidirectional)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all weights from torch's random generator, as the cell does."""
        self.cell.reset_parameters(self.rnn)

    def forward(self, packed: Tensor, batch_sizes: Tensor, recurrent_dropout: float = 0.0) -> Tensor:
        """Run the layer over documents in packed order.

        packed: token vectors in packed order. Shape `(n_tokens, input_width)`, n_tokens >= 1.
        batch_sizes: number of documents at each time step. Shape `(max_length,)`, int64, on CPU.
        recurrent_dropout: probability of dropping a hidden-to-hidden weight for this whole batch, 0 <= rate < 1
            (DropConnect of Merity et al. 2018).
        RETURNS: the output in packed order. Shape `(n_tokens, width)`.
        """
        return self.merge_directions(self.cell.run_packed(self.rnn, packed, batch_sizes, recurrent_dropout))

    def merge_directions(self, states: Tensor) -> Tensor:
        """Merge the hidden states of the directions into the layer's output.

        states: hidden states of all directions side by side. Shape `(n_tokens, n_directions * hidden_width)`.
        RETURNS: the output. Shape `(n_tokens, width)`.
        """
        return self.merge.function(states) if self.bidirectional else states
