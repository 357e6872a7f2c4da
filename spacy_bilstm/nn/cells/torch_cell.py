"""What the cells that torch implements have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from .cell import Cell


@dataclass(frozen=True)
class TimeSteps:
    """The input and output of a loop over time steps, which runs parallel streams of documents ("lanes") at inference.

    All gates in it are sigmoids: tanh(x) is 2 sigmoid(2x) - 1, and the weights already hold the inner 2. torch computes
    a sigmoid on CPU several times faster than a tanh.

    add_product: adds the product of hidden states, its second argument, and recurrent weights to gates, its first.
    recurrent_bias: the bias of that product. Zero unless the cell has `resets_candidate`. Shape
        `(n_directions, 1, n_gates * hidden_width)`.
    input_gates: input gates of one direction in each row. Shape `(n, n_gates * hidden_width)`.
    gate_rows: the rows of `input_gates` that each step reads. Shape `(n_steps, n_directions * n_lanes)`, int64.
    is_token: whether a lane has a token at a step. Otherwise it has a reset, which sets its state to zero. The input
        gates of a reset close all gates. Shape `(n_steps, n_directions, n_lanes)`, bool.
    states: receives the hidden states of all steps. Shape `(n_steps, n_directions, n_lanes, hidden_width)`.
    hidden: hidden states before the first step. Shape `(n_directions, n_lanes, hidden_width)`.
    twice_cell: twice the cell states before the first step. The loop of an LSTM updates it in place, other cells ignore
        it. Shape of `hidden`.
    """

    add_product: Callable[[Tensor, Tensor], None]
    recurrent_bias: Tensor
    input_gates: Tensor
    gate_rows: Tensor
    is_token: Tensor
    states: Tensor
    hidden: Tensor
    twice_cell: Tensor


class TorchCell(Cell):
    """A cell whose weights and packed recurrence are torch's own. It also runs in a loop over time steps.

    The weights stay in torch's module, which keeps them in one buffer for cuDNN. The recurrence is a function of its
    arguments alone, so several threads can run it at once.

    torch_class: torch's module for the cell.
    n_gates: number of gates that its weight matrices stack.
    tanh_gate: position of the one gate that is a tanh in torch's order of the gates.
    resets_candidate: whether a gate scales the recurrent part of the tanh, so that the two biases stay apart.
    """

    torch_class: ClassVar[type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]]
    n_gates: ClassVar[int]
    tanh_gate: ClassVar[int]
    resets_candidate: ClassVar[bool] = False

    @abstractmethod
    def call_torch(
        self, packed: Tensor, batch_sizes: Tensor, initial: Tensor, weights: list[Tensor], *options: Any
    ) -> Tensor:
        """Call torch's function for packed sequences.

        packed, batch_sizes: arguments of `run_packed`.
        initial: the initial hidden state, which is also the initial cell state.
        weights: weights and biases of all directions in torch's order.
        options: torch's has_biases, num_layers, dropout, train and bidirectional.
        RETURNS: the hidden states of all time steps in packed order.
        """

    @abstractmethod
    def run_time_steps(self, steps: TimeSteps) -> None:
        """Run the cell step by step, without gradients.

        steps: the input of the loop, and the memory for its output.
        """

    def make_weights(self, input_width: int, hidden_width: int, bidirectional: bool) -> nn.Module:
        """Return torch's module for the cell."""
        return self.torch_class(input_width, hidden_width, bidirectional=bidirectional)

    @torch.no_grad()
    def reset_parameters(self, weights: nn.Module) -> None:
        """Initialise the weights gate by gate.

        Recurrent weights are orthogonal (Saxe et al. 2014), input weights uniform after Glorot and Bengio (2010),
        biases zero.
        """
        for weight_ih, weight_hh, bias_ih, bias_hh in self.get_directions(weights):
            for gate in weight_hh.chunk(self.n_gates):
                nn.init.orthogonal_(gate)
            for gate in weight_ih.chunk(self.n_gates):
                nn.init.xavier_uniform_(gate)
            nn.init.zeros_(bias_ih)
            nn.init.zeros_(bias_hh)

    def run_packed(self, weights: nn.Module, packed: Tensor, batch_sizes: Tensor, recurrent_dropout: float) -> Tensor:
        """Run one layer with torch's function for packed sequences."""
        directions: list[list[Tensor]] = [list(direction) for direction in self.get_directions(weights)]
        if recurrent_dropout:
            for direction in directions:
                direction[1] = nn.functional.dropout(direction[1], recurrent_dropout)
        n_directions, hidden_width = len(directions), directions[0][1].shape[1]
        initial = packed.new_zeros((n_directions, int(batch_sizes[0]), hidden_width))
        # has_biases, num_layers, dropout, train, bidirectional
        options = (True, 1, 0.0, torch.is_grad_enabled(), n_directions == 2)
        return self.call_torch(packed, batch_sizes, initial, flatten_weights(directions), *options)

    def get_directions(self, weights: nn.Module) -> list[list[nn.Parameter]]:
        """Return `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh` of each direction.

        weights: a module that `make_weights` returned.
        """
        return cast(nn.RNNBase, weights).all_weights


def flatten_weights(directions: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return the weights of all directions in one list, as torch's functions expect them.

    directions: the weights of each direction, as `TorchCell.get_directions` returns them.
    """
    return [weight for direction in directions for weight in direction]
