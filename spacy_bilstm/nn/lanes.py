"""A recurrent layer at inference on CPU, over documents in lanes. Rows or their gates come in, states go out.

An LSTM over rows is oneDNN's, through `torch.lstm`, which is at its best on lanes of equal length. A layer of any cell
over input gates that are known before is a loop over steps, with all lanes of both directions in one product. Nothing
here has a gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .layout import LaneLayout

# What closes a gate wherever it is added.
_CLOSED = -1e4


class FloatProduct:
    """The product of hidden states and recurrent weights, in the weights' own precision."""

    def __init__(self, weights: Tensor, n_lanes: int) -> None:
        """Get ready for products with the same weights.

        weights: weights from the hidden state to the gates. Shape `(n_directions, hidden_width, gates_width)`.
        n_lanes: number of hidden states of a direction.
        """
        self.weights = weights

    def add_to(self, gates: Tensor, hidden: Tensor) -> None:
        """Add the product to gates.

        gates: the gates, which are changed. Shape `(n_directions, n_lanes, gates_width)`.
        hidden: hidden states, none beyond -1 and 1. Shape `(n_directions, n_lanes, hidden_width)`.
        """
        gates.baddbmm_(hidden, self.weights)


class BFloat16Product(FloatProduct):
    """The same product of bfloat16, of which CPUs with AVX512-BF16 or AMX do two or more at a time.

    For cells other than the LSTM, of which oneDNN has one of its own in bfloat16.
    """

    def __init__(self, weights: Tensor, n_lanes: int) -> None:
        super().__init__(weights.bfloat16(), n_lanes)
        n_directions, hidden_width, gates_width = weights.shape
        self._hidden = self.weights.new_empty((n_directions, n_lanes, hidden_width))
        self._product = self.weights.new_empty((n_directions, n_lanes, gates_width))

    def add_to(self, gates: Tensor, hidden: Tensor) -> None:
        torch.bmm(self._hidden.copy_(hidden), self.weights, out=self._product)
        gates.add_(self._product)


class Int8Product(FloatProduct):
    """The same product of integers of 8 bits, of which CPUs with VNNI do four or more at a time.

    Hidden states are never beyond -1 and 1, so all have one scale. Weights have a scale for each gate.
    """

    def __init__(self, weights: Tensor, n_lanes: int) -> None:
        scale = weights.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        super().__init__((weights / scale).round().to(torch.int8), n_lanes)
        n_directions, hidden_width, gates_width = weights.shape
        self._scale = scale / 127
        self._scaled = weights.new_empty((n_directions, n_lanes, hidden_width))
        self._hidden = self._scaled.to(torch.int8)
        self._sums = torch.empty((n_directions, n_lanes, gates_width), dtype=torch.int32)
        self._product = weights.new_empty((n_directions, n_lanes, gates_width))

    def add_to(self, gates: Tensor, hidden: Tensor) -> None:
        self._hidden.copy_(torch.mul(hidden, 127, out=self._scaled).round_())
        for states, weights, sums in zip(self._hidden, self.weights, self._sums, strict=True):
            torch._int_mm(states, weights, out=sums)
        gates.add_(torch.mul(self._sums, self._scale, out=self._product))


PRODUCTS: dict[str, type[FloatProduct]] = {
    "float32": FloatProduct,
    "bfloat16": BFloat16Product,
    "int8": Int8Product,
}


@dataclass(frozen=True)
class LaneWeights:
    """Weights of a recurrent layer as `run_gates` takes them.

    torch computes a sigmoid several times faster than tanh on CPU, so the loop has sigmoids only: tanh(x) is
    2 sigmoid(2x) - 1, and the 2 inside is part of the weights here.

    cell: `"rnn"`, `"gru"` or `"lstm"`.
    input: weights from the input to the gates. Shape `(n_directions, input_width, n_gates * hidden_width)`.
    bias: of the input gates. Shape `(n_directions, n_gates * hidden_width)`.
    recurrent: weights from the hidden state to the gates. Shape `(n_directions, hidden_width, n_gates * hidden_width)`.
    recurrent_bias: of that product; not 0 for a GRU only. Shape `(n_directions, 1, n_gates * hidden_width)`.
    reset: the input gates of a reset. Shape `(1, n_directions, n_gates * hidden_width)`.
    precision: a key of `PRODUCTS`, of the products with the recurrent weights.
    """

    cell: str
    input: Tensor
    bias: Tensor
    recurrent: Tensor
    recurrent_bias: Tensor
    reset: Tensor
    precision: str

    @classmethod
    def build(cls, cell: str, directions: Sequence[Sequence[Tensor]], precision: str) -> LaneWeights:
        """Bring torch's weights into the order and scale of the loop.

        cell: `"rnn"`, `"gru"` or `"lstm"`.
        directions: for each direction its `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`.
        precision: a key of `PRODUCTS`.
        RETURNS: the weights, which share no memory with those given.
        """
        stacked = [torch.stack(weights).detach() for weights in zip(*directions, strict=True)]
        n_directions, n_gates, width = stacked[1].shape
        tanh = _TANH_GATE[cell] * width
        scale = stacked[1].new_ones(n_gates)
        scale[tanh : tanh + width] = 2.0
        input_weight, recurrent = ((weight * scale[:, None]).transpose(1, 2).contiguous() for weight in stacked[:2])
        bias, recurrent_bias = (weight * scale for weight in stacked[2:])
        if cell == "gru":
            # The reset gate stands between the two biases of the tanh. All others can be added up.
            bias[:, :tanh] += recurrent_bias[:, :tanh]
            recurrent_bias[:, :tanh] = 0.0
        else:
            bias, recurrent_bias = bias + recurrent_bias, torch.zeros_like(bias)
        reset = bias.new_full((1, n_directions, n_gates), -torch.inf)
        reset[..., tanh : tanh + width] = 0.0
        return cls(cell, input_weight, bias, recurrent, recurrent_bias[:, None], reset, precision)

    def compute_gates(self, rows: Tensor) -> Tensor:
        """Give the input gates of rows, each of which depends on its row alone.

        rows: the rows. Shape `(n_rows, input_width)`.
        RETURNS: the gates in each direction. Shape `(n_rows, n_directions, n_gates * hidden_width)`.
        """
        products = [torch.addmm(bias, rows, weight) for bias, weight in zip(self.bias, self.input, strict=True)]
        return torch.stack(products, 1)


def run_lstm(directions: Sequence[Sequence[Tensor]], rows: Tensor, layout: LaneLayout) -> Tensor:
    """Run an LSTM over rows.

    directions: for each direction its `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`, as torch has them.
    rows: the documents' rows, one document after the other, of the weights' type. Shape `(n_rows, input_width)`,
        n_rows >= 1.
    layout: their layout.
    RETURNS: the hidden states of each row. Shape `(n_rows, n_directions * hidden_width)`.
    """
    # One more feature tells a reset from a row: it closes all gates, so that cell and hidden state become zero.
    extended = rows.new_zeros((rows.shape[0] + 1, rows.shape[1] + 1))
    extended[:-1, :-1] = rows
    extended[-1, -1] = 1.0
    states = []
    for (input_weight, *weights), lane_rows, places in zip(directions, layout.rows, layout.places, strict=True):
        width = weights[0].shape[1]
        closing = input_weight.new_full((4 * width, 1), _CLOSED)
        closing[2 * width : 3 * width] = 0.0
        all_weights = [torch.cat((input_weight, closing), 1), *weights]
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        options = (True, 1, 0.0, False, False, False)
        hidden = cell = rows.new_zeros((1, layout.segments[0].n_lanes, width))
        of_places = rows.new_empty((len(lane_rows), width))
        for part in layout.segments:
            lanes = extended.index_select(0, lane_rows[part.start : part.end]).view(part.n_steps, part.n_lanes, -1)
            initial = (hidden[:, : part.n_lanes].contiguous(), cell[:, : part.n_lanes].contiguous())
            output, hidden, cell = torch.lstm(lanes, initial, all_weights, *options)
            of_places[part.start : part.end] = output.flatten(0, 1)
        states.append(of_places.index_select(0, places))
    return torch.cat(states, 1)


def run_gates(weights: LaneWeights, gates: Tensor, gate_rows: Tensor, layout: LaneLayout) -> Tensor:
    """Run a layer over rows whose input gates are known.

    weights: the layer's weights.
    gates: input gates, as `LaneWeights.compute_gates` gives them. Shape `(n, n_directions, n_gates * hidden_width)`.
    gate_rows: for each of the documents' rows, its place in `gates`. Shape `(n_rows,)`, int64, n_rows >= 1.
    layout: the layout of the documents' rows.
    RETURNS: the hidden states of each row. Shape `(n_rows, n_directions * hidden_width)`.
    """
    n_directions, width, _ = weights.recurrent.shape
    table = torch.cat((gates, weights.reset)).flatten(0, 1)
    index = torch.cat((gate_rows, gate_rows.new_tensor([len(gates)])))[layout.rows]
    index = index * n_directions + torch.arange(n_directions)[:, None]
    is_row = layout.rows < len(gate_rows)
    states = gates.new_empty((n_directions * layout.rows.shape[1], width))
    hidden = cell = gates.new_zeros((n_directions, layout.segments[0].n_lanes, width))
    for part in layout.segments:
        shape = (part.n_steps, n_directions, part.n_lanes)
        steps, keep = (
            values[:, part.start : part.end].view(n_directions, part.n_steps, part.n_lanes).transpose(0, 1)
            for values in (index, is_row)
        )
        states_of_part = states[n_directions * part.start : n_directions * part.end].view(*shape, width)
        product = PRODUCTS[weights.precision](weights.recurrent, part.n_lanes)
        hidden, cell = hidden[:, : part.n_lanes], cell[:, : part.n_lanes].clone()
        _LOOPS[weights.cell](
            _Run(product, weights.recurrent_bias, table, steps.flatten(1), states_of_part, keep, hidden, cell)
        )
        hidden = states_of_part[-1]
    places = _number_states(layout, n_directions).gather(1, layout.places)
    return states.index_select(0, places.T.flatten()).view(len(gate_rows), -1)


def _number_states(layout: LaneLayout, n_directions: int) -> Tensor:
    """Number the states of all segments, steps, directions and lanes in this order.

    RETURNS: the number of each place in each direction. Shape `(n_directions, n_places)`, int64.
    """
    numbers = torch.empty_like(layout.rows)
    for part in layout.segments:
        of_part = torch.arange(n_directions * part.start, n_directions * part.end)
        of_part = of_part.view(part.n_steps, n_directions, part.n_lanes)
        numbers[:, part.start : part.end] = of_part.transpose(0, 1).flatten(1)
    return numbers


@dataclass(frozen=True)
class _Run:
    """What a loop over the steps of a segment reads, and where it writes the hidden states of all steps.

    product: of hidden states and recurrent weights.
    bias: of that product.
    table: input gates, one row a direction. Shape `(n, n_gates * hidden_width)`.
    steps: the rows of the table that each step reads. Shape `(n_steps, n_directions * n_lanes)`.
    states: memory for the hidden states. Shape `(n_steps, n_directions, n_lanes, hidden_width)`.
    keep: whether a place is no reset. Shape `(n_steps, n_directions, n_lanes)`.
    hidden: the hidden states before the first step. Shape `(n_directions, n_lanes, hidden_width)`.
    twice_cell: twice the cell states before the first step, and after the last one afterwards. Of that shape; unused
        but by the LSTM.
    """

    product: FloatProduct
    bias: Tensor
    table: Tensor
    steps: Tensor
    states: Tensor
    keep: Tensor
    hidden: Tensor
    twice_cell: Tensor


def _loop_rnn(run: _Run) -> None:
    table, hidden = run.table, run.hidden
    minus_one = table.new_tensor(-1.0)
    flat = table.new_empty((run.steps.shape[1], table.shape[1]))
    gates = flat.view_as(hidden)
    # Nothing that is added to a tanh makes it zero: a reset is a product.
    factors = run.keep.unsqueeze(-1).to(table.dtype)
    for rows, state, factor in zip(run.steps.unbind(), run.states.unbind(), factors.unbind(), strict=True):
        torch.index_select(table, 0, rows, out=flat)
        run.product.add_to(gates, hidden)
        torch.sigmoid(gates, out=state)
        torch.add(minus_one, state, alpha=2.0, out=state)
        hidden = state.mul_(factor)


def _loop_gru(run: _Run) -> None:
    table, hidden = run.table, run.hidden
    minus_one = table.new_tensor(-1.0)
    n_directions, n_lanes, width = hidden.shape
    flat = table.new_empty((run.steps.shape[1], table.shape[1]))
    reset_and_update, new = flat.view(n_directions, n_lanes, -1).split((2 * width, width), -1)
    reset, update = reset_and_update.chunk(2, -1)
    recurrent = torch.empty_like(flat).view(n_directions, n_lanes, -1)
    recurrent_of_both, recurrent_of_new = recurrent.split((2 * width, width), -1)
    for rows, state in zip(run.steps.unbind(), run.states.unbind(), strict=True):
        torch.index_select(table, 0, rows, out=flat)
        run.product.add_to(recurrent.copy_(run.bias), hidden)
        reset_and_update.add_(recurrent_of_both).sigmoid_()
        new.addcmul_(reset, recurrent_of_new).sigmoid_()
        torch.add(minus_one, new, alpha=2.0, out=new)
        hidden = torch.lerp(new, hidden, update, out=state)


def _loop_lstm(run: _Run) -> None:
    table, hidden, twice_cell = run.table, run.hidden, run.twice_cell
    minus_one = table.new_tensor(-1.0)
    n_directions, n_lanes, width = hidden.shape
    flat = table.new_empty((run.steps.shape[1], table.shape[1]))
    gates = flat.view(n_directions, n_lanes, -1)
    input_gate, forget_gate, candidate, output_gate = gates.split(width, -1)
    for rows, state in zip(run.steps.unbind(), run.states.unbind(), strict=True):
        torch.index_select(table, 0, rows, out=flat)
        run.product.add_to(gates, hidden)
        gates.sigmoid_()
        torch.add(minus_one, candidate, alpha=2.0, out=candidate)
        twice_cell.mul_(forget_gate).addcmul_(input_gate, candidate, value=2.0)
        torch.sigmoid(twice_cell, out=state)
        torch.add(minus_one, state, alpha=2.0, out=state)
        hidden = state.mul_(output_gate)


# Which gate is a tanh. In torch's order: the new state; reset, update, new; input, forget, candidate, output.
_TANH_GATE = {"rnn": 0, "gru": 2, "lstm": 2}
_LOOPS: dict[str, Callable[[_Run], None]] = {"rnn": _loop_rnn, "gru": _loop_gru, "lstm": _loop_lstm}
