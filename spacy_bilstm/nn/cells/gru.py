"""The gated recurrent unit (Cho et al. 2014)."""

from typing import Any

import torch
from torch import Tensor, nn

from .torch_cell import TimeSteps, TorchCell


class GRU(TorchCell):
    """torch's `nn.GRU`. Its gates are reset, update and new, in this order."""

    name = "gru"
    torch_class = nn.GRU
    n_gates = 3
    tanh_gate = 2
    resets_candidate = True

    def call_torch(
        self, packed: Tensor, batch_sizes: Tensor, initial: Tensor, weights: list[Tensor], *options: Any
    ) -> Tensor:
        """Call `torch.gru`."""
        return torch.gru(packed, batch_sizes, initial, weights, *options)[0]

    def run_time_steps(self, steps: TimeSteps) -> None:
        """Run the cell step by step."""
        input_gates, hidden = steps.input_gates, steps.hidden
        minus_one = input_gates.new_tensor(-1.0)
        n_directions, n_lanes, width = hidden.shape
        step_gates = input_gates.new_empty((steps.gate_rows.shape[1], input_gates.shape[1]))
        reset_and_update, new = step_gates.view(n_directions, n_lanes, -1).split((2 * width, width), -1)
        reset, update = reset_and_update.chunk(2, -1)
        recurrent = torch.empty_like(step_gates).view(n_directions, n_lanes, -1)
        recurrent_of_both, recurrent_of_new = recurrent.split((2 * width, width), -1)
        for rows, state in zip(steps.gate_rows.unbind(), steps.states.unbind(), strict=True):
            torch.index_select(input_gates, 0, rows, out=step_gates)
            steps.add_product(recurrent.copy_(steps.recurrent_bias), hidden)
            reset_and_update.add_(recurrent_of_both).sigmoid_()
            new.addcmul_(reset, recurrent_of_new).sigmoid_()
            torch.add(minus_one, new, alpha=2.0, out=new)
            hidden = torch.lerp(new, hidden, update, out=state)
