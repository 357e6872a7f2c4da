"""Long short-term memory (Hochreiter and Schmidhuber 1997)."""

from typing import Any

import torch
from torch import Tensor, nn

from .torch_cell import TimeSteps, TorchCell


class LSTM(TorchCell):
    """torch's `nn.LSTM`. Its gates are input, forget, candidate and output, in this order."""

    name = "lstm"
    torch_class = nn.LSTM
    n_gates = 4
    tanh_gate = 2

    @torch.no_grad()
    def reset_parameters(self, weights: nn.Module) -> None:
        """Initialise the weights as for other cells, and the bias of the forget gate with 1.

        The 1 (Jozefowicz et al. 2015) is in the first of torch's two bias vectors.
        """
        super().reset_parameters(weights)
        for _, _, bias_ih, _ in self.get_directions(weights):
            nn.init.ones_(bias_ih.chunk(self.n_gates)[1])

    def call_torch(
        self, packed: Tensor, batch_sizes: Tensor, initial: Tensor, weights: list[Tensor], *options: Any
    ) -> Tensor:
        """Call `torch.lstm`."""
        return torch.lstm(packed, batch_sizes, (initial, initial), weights, *options)[0]

    def run_time_steps(self, steps: TimeSteps) -> None:
        """Run the cell step by step."""
        input_gates, hidden, twice_cell = steps.input_gates, steps.hidden, steps.twice_cell
        minus_one = input_gates.new_tensor(-1.0)
        n_directions, n_lanes, width = hidden.shape
        step_gates = input_gates.new_empty((steps.gate_rows.shape[1], input_gates.shape[1]))
        gates = step_gates.view(n_directions, n_lanes, -1)
        input_gate, forget_gate, candidate, output_gate = gates.split(width, -1)
        for rows, state in zip(steps.gate_rows.unbind(), steps.states.unbind(), strict=True):
            torch.index_select(input_gates, 0, rows, out=step_gates)
            steps.add_product(gates, hidden)
            gates.sigmoid_()
            torch.add(minus_one, candidate, alpha=2.0, out=candidate)
            twice_cell.mul_(forget_gate).addcmul_(input_gate, candidate, value=2.0)
            torch.sigmoid(twice_cell, out=state)
            torch.add(minus_one, state, alpha=2.0, out=state)
            hidden = state.mul_(output_gate)
