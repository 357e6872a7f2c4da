"""The strategy that runs layers in a Python loop over time steps, at inference on CPU.

Documents are in "lanes": parallel streams that each hold documents one after the other, with a reset between them. All
lanes of both directions take one matrix product a step. The loop reads input gates, which may come from a cache, and it
can multiply in less than float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ..cells import LSTM, Cell
from ..cells.torch_cell import TimeSteps, TorchCell
from ..recurrent_layer import RecurrentLayer
from .lane_layout import LaneLayout
from .products import PRODUCTS
from .strategy import Strategy, Workload

MAX_LANES = 128
"""The fastest number of lanes (`python -m spacy_bilstm.experiments.recurrence_timings lanes`)."""

# A step of a few long documents is too little work for the loop. oneDNN's LSTM is then faster, even without cached
# gates.
_SHORT = 50
_MIN_LANES = 8


@dataclass(frozen=True)
class TimeStepWeights:
    """Weights of a recurrent layer in the order and scale of the loop over time steps.

    The loop has sigmoids only, as tanh(x) is 2 sigmoid(2x) - 1. The 2 inside is part of these weights.

    cell: the cell.
    input: weights from the input to the gates. Shape `(n_directions, input_width, n_gates * hidden_width)`.
    bias: of the input gates. Shape `(n_directions, n_gates * hidden_width)`.
    recurrent: weights from the hidden state to the gates. Shape `(n_directions, hidden_width, n_gates * hidden_width)`.
    recurrent_bias: of that product; zero unless the cell has `resets_candidate`. Shape
        `(n_directions, 1, n_gates * hidden_width)`.
    reset: the input gates of a reset. Shape `(1, n_directions, n_gates * hidden_width)`.
    precision: precision of the products with the recurrent weights, a key of `PRODUCTS`.
    """

    cell: TorchCell
    input: Tensor
    bias: Tensor
    recurrent: Tensor
    recurrent_bias: Tensor
    reset: Tensor
    precision: str

    @classmethod
    def from_layer(cls, layer: RecurrentLayer, precision: str) -> TimeStepWeights:
        """Bring the weights of a layer into the order and scale of the loop.

        layer: a layer whose cell is a `TorchCell`.
        precision: a key of `PRODUCTS`.
        RETURNS: a copy of the weights, which later changes of the layer do not affect.
        """
        cell = cast(TorchCell, layer.cell)
        directions = cell.get_directions(layer.rnn)
        stacked = [torch.stack(weights).detach() for weights in zip(*directions, strict=True)]
        n_directions, n_gates, width = stacked[1].shape
        tanh = cell.tanh_gate * width
        scale = stacked[1].new_ones(n_gates)
        scale[tanh : tanh + width] = 2.0
        input_weight, recurrent = ((weight * scale[:, None]).transpose(1, 2).contiguous() for weight in stacked[:2])
        bias, recurrent_bias = (weight * scale for weight in stacked[2:])
        if cell.resets_candidate:
            # The reset gate scales the second bias of the tanh. All other biases can be added up.
            bias[:, :tanh] += recurrent_bias[:, :tanh]
            recurrent_bias[:, :tanh] = 0.0
        else:
            bias, recurrent_bias = bias + recurrent_bias, torch.zeros_like(bias)
        reset = bias.new_full((1, n_directions, n_gates), -torch.inf)
        reset[..., tanh : tanh + width] = 0.0
        return cls(cell, input_weight, bias, recurrent, recurrent_bias[:, None], reset, precision)

    def compute_gates(self, vectors: Tensor) -> Tensor:
        """Return the input gates of token vectors. Those of a token depend on its vector alone.

        vectors: token vectors. Shape `(n, input_width)`.
        RETURNS: the gates in each direction. Shape `(n, n_directions, n_gates * hidden_width)`.
        """
        products = [torch.addmm(bias, vectors, weight) for bias, weight in zip(self.bias, self.input, strict=True)]
        return torch.stack(products, 1)


class TimeStepLoop(Strategy):
    """Runs documents in lanes, step by step."""

    def __init__(self, workload: Workload) -> None:
        """Lay out the documents in lanes."""
        super().__init__(workload)
        self._layout = LaneLayout.from_lengths(workload.lengths, workload.n_directions, MAX_LANES)

    @staticmethod
    def applies(workload: Workload) -> bool:
        """Return whether only the loop computes in the precision, or cached input gates make it the fastest."""
        cell, precision = workload.cell, workload.precision
        if not workload.is_inference_on_cpu or not isinstance(cell, TorchCell):
            return False
        is_lstm = isinstance(cell, LSTM)
        if precision == "int8" or (precision == "bfloat16" and not is_lstm):
            return True
        if not workload.has_input_gates or not TimeStepLoop.supports_input_gates(cell, precision):
            return False
        if not is_lstm:
            return True
        n_tokens, n_steps = sum(workload.lengths), max(workload.lengths)
        has_enough_lanes = n_steps <= _SHORT or n_tokens >= _MIN_LANES * n_steps
        return has_enough_lanes and not workload.is_single_document

    @staticmethod
    def supports_input_gates(cell: Cell, precision: str) -> bool:
        """Return whether cached input gates can make the loop the fastest. In bfloat16, oneDNN's LSTM always is."""
        return isinstance(cell, TorchCell) and not (isinstance(cell, LSTM) and precision == "bfloat16")

    def run_layer(self, layer: RecurrentLayer, vectors: Tensor) -> Tensor:
        """Run one layer."""
        weights = TimeStepWeights.from_layer(layer, self.workload.precision)
        return self.run_from_gates(layer, weights, weights.compute_gates(vectors), torch.arange(len(vectors)))

    def run_from_gates(
        self, layer: RecurrentLayer, weights: TimeStepWeights, gates: Tensor, gate_index: Tensor
    ) -> Tensor:
        """Run one layer from its input gates.

        layer: the layer.
        weights, gates, gate_index: arguments of `run_time_steps`.
        RETURNS: the layer's output, in the order of `gate_index`. Shape `(n_tokens, width)`.
        """
        return layer.merge_directions(run_time_steps(weights, gates, gate_index, self._layout))


def run_time_steps(weights: TimeStepWeights, gates: Tensor, gate_index: Tensor, layout: LaneLayout) -> Tensor:
    """Run a layer over documents in lanes, without gradients.

    weights: the layer's weights.
    gates: input gates, as `TimeStepWeights.compute_gates` returns them. Shape
        `(n, n_directions, n_gates * hidden_width)`.
    gate_index: position of each token's gates in `gates`, document after document. Shape `(n_tokens,)`, int64,
        n_tokens >= 1.
    layout: the layout of the documents.
    RETURNS: the hidden states of each token. Shape `(n_tokens, n_directions * hidden_width)`.
    """
    n_directions, width, _ = weights.recurrent.shape
    input_gates = torch.cat((gates, weights.reset)).flatten(0, 1)
    rows = torch.cat((gate_index, gate_index.new_tensor([len(gates)])))[layout.tokens]
    rows = rows * n_directions + torch.arange(n_directions)[:, None]
    is_token = layout.tokens < len(gate_index)
    states = gates.new_empty((n_directions * layout.tokens.shape[1], width))
    hidden = cell = gates.new_zeros((n_directions, layout.segments[0].n_lanes, width))
    for segment in layout.segments:
        shape = (n_directions, segment.n_steps, segment.n_lanes)
        places = slice(segment.start, segment.end)
        step_rows, step_is_token = (values[:, places].view(shape).transpose(0, 1) for values in (rows, is_token))
        segment_states = states[n_directions * segment.start : n_directions * segment.end]
        segment_states = segment_states.view(*step_rows.shape, width)
        hidden, cell = hidden[:, : segment.n_lanes], cell[:, : segment.n_lanes].clone()
        _run_segment(weights, input_gates, step_rows, step_is_token, segment_states, hidden, cell)
        hidden = segment_states[-1]
    order = _number_states(layout, n_directions).gather(1, layout.places)
    return states.index_select(0, order.T.flatten()).view(len(gate_index), -1)


def _run_segment(
    weights: TimeStepWeights,
    input_gates: Tensor,
    gate_rows: Tensor,
    is_token: Tensor,
    states: Tensor,
    hidden: Tensor,
    cell: Tensor,
) -> None:
    """Run the time steps of one segment. `TimeSteps` describes the arguments."""
    weights.cell.run_time_steps(
        TimeSteps(
            add_product=PRODUCTS[weights.precision](weights.recurrent, hidden.shape[1]).add_to,
            recurrent_bias=weights.recurrent_bias,
            input_gates=input_gates,
            gate_rows=gate_rows.flatten(1),
            is_token=is_token,
            states=states,
            hidden=hidden,
            twice_cell=cell,
        )
    )


def _number_states(layout: LaneLayout, n_directions: int) -> Tensor:
    """Number the states in the order of the loop: by segment, step, direction and lane.

    RETURNS: the number of each place in each direction. Shape `(n_directions, n_places)`, int64.
    """
    numbers = torch.empty_like(layout.tokens)
    for segment in layout.segments:
        segment_numbers = torch.arange(n_directions * segment.start, n_directions * segment.end)
        segment_numbers = segment_numbers.view(segment.n_steps, n_directions, segment.n_lanes)
        numbers[:, segment.start : segment.end] = segment_numbers.transpose(0, 1).flatten(1)
    return numbers
