"""The Elman cell, a plain tanh recurrence (Elman 1990)."""

from typing import Any

import torch
from torch import Tensor, nn

from .torch_cell import TimeSteps, TorchCell


class Elman(TorchCell):
    """torch's `nn.RNN`. Its one gate is the new hidden state."""

    name = "rnn"
    torch_class = nn.RNN
    n_gates = 1
    tanh_gate = 0

    def call_torch(
        self, packed: Tensor, batch_sizes: Tensor, initial: Tensor, weights: list[Tensor], *options: Any
    ) -> Tensor:
        """Call `torch.rnn_tanh`."""
        return torch.rnn_tanh(packed, batch_sizes, initial, weights, *options)[0]

    def run_time_steps(self, steps: TimeSteps) -> None:
        """Run the cell step by step."""
        input_gates, hidden = steps.input_gates, steps.hidden
        minus_one = input_gates.new_tensor(-1.0)
        step_gates = input_gates.new_empty((steps.gate_rows.shape[1], input_gates.shape[1]))
        gates = step_gates.view_as(hidden)
        # No value of the input gate makes the tanh zero for every hidden state, so a factor of zero resets the state.
        factors = steps.is_token.unsqueeze(-1).to(input_gates.dtype)
        for rows, state, factor in zip(steps.gate_rows.unbind(), steps.states.unbind(), factors.unbind(), strict=True):
            torch.index_select(input_gates, 0, rows, out=step_gates)
            steps.add_product(gates, hidden)
            torch.sigmoid(gates, out=state)
            torch.add(minus_one, state, alpha=2.0, out=state)
            hidden = state.mul_(factor)
