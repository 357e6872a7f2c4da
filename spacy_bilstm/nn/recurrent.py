"""The recurrent encoder, a stack of Elman, GRU or LSTM layers in one or two directions.

The concatenated rows of several documents come in with the documents' lengths; as many rows of the output width go
out, in the same order. Rows are computed in packed order, or in lanes at inference on CPU, so no padding exists that
a direction could start in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from .lanes import PRODUCTS, LaneWeights, run_gates, run_lstm
from .layout import LaneLayout, PackedLayout

CELLS: dict[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
"""The recurrent cells: Elman (1990) with tanh, GRU (Cho et al. 2014), LSTM (Hochreiter and Schmidhuber 1997)."""

GATES: dict[str, int] = {"rnn": 1, "gru": 3, "lstm": 4}
"""How many gates each cell stacks in its weight matrices."""


def _concat(forward: Tensor, backward: Tensor) -> Tensor:
    return torch.cat((forward, backward), dim=-1)


def _mean(forward: Tensor, backward: Tensor) -> Tensor:
    return (forward + backward) / 2


MERGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concat": _concat,
    "sum": torch.add,
    "mean": _mean,
    "mul": torch.mul,
}
"""How the two directions become one output row."""


def locked_dropout(packed: Tensor, document: Tensor, n_docs: int, rate: float) -> Tensor:
    """Drop whole features of a document: one mask for all its time steps (Gal and Ghahramani 2016).

    packed: rows in packed order. Shape `(n_rows, width)`.
    document: the document of each packed row. Shape `(n_rows,)`.
    n_docs: number of documents.
    rate: probability with which a feature is dropped, 0 <= rate < 1.
    RETURNS: the rows, kept features scaled by `1 / (1 - rate)`. Shape `(n_rows, width)`.
    """
    if rate == 0.0:
        return packed
    keep = torch.empty((n_docs, packed.shape[1]), dtype=packed.dtype, device=packed.device)
    keep.bernoulli_(1.0 - rate).div_(1.0 - rate)
    return packed * keep[document]


# Lanes that are fastest: oneDNN wants few rows a step, the loop of Python many (`python docs/measure_parts.py lanes`).
_LSTM_LANES = {"float32": 16, "bfloat16": 64}
_LOOP_LANES = 128
_MIN_LOOP_LANES = 8
_SHORT_LOOP = 50


class RecurrentLayer(nn.Module):
    """One recurrent layer in one or two directions.

    The weights are those of torch's own module, which also keeps them in one buffer for cuDNN. The forward pass calls
    torch's recurrent function with them, so that it depends on its arguments alone and may run in several threads.
    """

    def __init__(self, input_width: int, width: int, cell: str, bidirectional: bool, merge: str) -> None:
        """Set up a layer with freshly initialised weights.

        input_width: width of the rows that come in, >= 1.
        width: width of the rows that go out, >= 1; even for two concatenated directions.
        cell: a key of `CELLS`.
        bidirectional: whether a second direction reads the document from its end.
        merge: a key of `MERGES`; of no effect with one direction.
        """
        super().__init__()
        self.cell = cell
        self.bidirectional = bidirectional
        self.merge = MERGES[merge]
        hidden_width = width // 2 if bidirectional and merge == "concat" else width
        self.rnn = CELLS[cell](input_width, hidden_width, bidirectional=bidirectional)
        self.suffixes = ("_l0", "_l0_reverse") if bidirectional else ("_l0",)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Initialise the weights gate by gate.

        Recurrent weights are orthogonal (Saxe et al. 2014), input weights uniform after Glorot and Bengio (2010), the
        forget gate's bias is 1 (Jozefowicz et al. 2015) in one of torch's two bias vectors, other biases are 0.
        """
        for suffix in self.suffixes:
            for gate in self._parameter("weight_hh", suffix).chunk(GATES[self.cell]):
                nn.init.orthogonal_(gate)
            for gate in self._parameter("weight_ih", suffix).chunk(GATES[self.cell]):
                nn.init.xavier_uniform_(gate)
            nn.init.zeros_(self._parameter("bias_ih", suffix))
            nn.init.zeros_(self._parameter("bias_hh", suffix))
            if self.cell == "lstm":
                forget_gate = self._parameter("bias_ih", suffix).chunk(4)[1]
                nn.init.ones_(forget_gate)

    def forward(self, packed: Tensor, batch_sizes: Tensor, recurrent_dropout: float = 0.0) -> Tensor:
        """Run the layer over packed rows.

        packed: rows in packed order. Shape `(n_rows, input_width)`, n_rows >= 1.
        batch_sizes: documents running at each step. Shape `(max_length,)`, int64, on CPU.
        recurrent_dropout: probability with which a hidden-to-hidden weight is dropped for this whole batch,
            0 <= rate < 1 (DropConnect of Merity et al. 2018).
        RETURNS: output rows in packed order. Shape `(n_rows, width)`.
        """
        n_directions = len(self.suffixes)
        initial = packed.new_zeros((n_directions, int(batch_sizes[0]), self.rnn.hidden_size))
        weights = self._weights(recurrent_dropout)
        # has_biases, num_layers, dropout, train, bidirectional
        options = (True, 1, 0.0, torch.is_grad_enabled(), self.bidirectional)
        if self.cell == "lstm":
            output = torch.lstm(packed, batch_sizes, (initial, initial), weights, *options)[0]
        elif self.cell == "gru":
            output = torch.gru(packed, batch_sizes, initial, weights, *options)[0]
        else:
            output = torch.rnn_tanh(packed, batch_sizes, initial, weights, *options)[0]
        return self._merge(output)

    def run_alone(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        """Run an LSTM over a single document, at inference on CPU.

        rows: the document's rows. Shape `(n_rows, input_width)`, n_rows >= 1.
        dtype: what to compute in.
        RETURNS: output rows, of the type of `rows`. Shape `(n_rows, width)`.
        """
        initial = rows.new_zeros((len(self.suffixes), 1, self.rnn.hidden_size), dtype=dtype)
        weights = [weight.to(dtype) for weight in self._weights(0.0)]
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        options = (True, 1, 0.0, False, self.bidirectional, False)
        states = torch.lstm(rows[:, None].to(dtype), (initial, initial), weights, *options)[0][:, 0]
        return self._merge(states.to(rows.dtype))

    def run_lanes(self, rows: Tensor, layout: LaneLayout, dtype: torch.dtype) -> Tensor:
        """Run an LSTM over documents in lanes, at inference on CPU.

        rows: the documents' rows, one document after the other. Shape `(n_rows, input_width)`, n_rows >= 1.
        layout: their layout.
        dtype: what to compute in.
        RETURNS: output rows, in the order and of the type of `rows`. Shape `(n_rows, width)`.
        """
        directions = [[weight.to(dtype) for weight in weights] for weights in self._directions()]
        return self._merge(run_lstm(directions, rows.to(dtype), layout).to(rows.dtype))

    def run_loop(self, rows: Tensor, layout: LaneLayout, precision: str) -> Tensor:
        """Run the layer over documents in lanes, at inference on CPU, by a loop over steps.

        rows: the documents' rows, one document after the other. Shape `(n_rows, input_width)`, n_rows >= 1.
        layout: their layout.
        precision: a key of `PRODUCTS`, of the products with the recurrent weights.
        RETURNS: output rows, in the order of `rows`. Shape `(n_rows, width)`.
        """
        weights = self.get_lane_weights(precision)
        return self.run_lanes_of_gates(weights, weights.compute_gates(rows), torch.arange(len(rows)), layout)

    def run_lanes_of_gates(self, weights: LaneWeights, gates: Tensor, gate_rows: Tensor, layout: LaneLayout) -> Tensor:
        """Run the layer over documents in lanes, at inference on CPU; the arguments are those of `lanes.run_gates`.

        RETURNS: output rows, in the order of `gate_rows`. Shape `(n_rows, width)`.
        """
        return self._merge(run_gates(weights, gates, gate_rows, layout))

    def get_lane_weights(self, precision: str) -> LaneWeights:
        """Give the weights as `run_lanes_of_gates` takes them: a copy that later changes do not reach.

        precision: a key of `PRODUCTS`, of the products with the recurrent weights.
        """
        return LaneWeights.build(self.cell, self._directions(), precision)

    def _merge(self, states: Tensor) -> Tensor:
        if not self.bidirectional or self.merge is _concat:
            return states
        return self.merge(*states.chunk(2, dim=-1))

    def _directions(self) -> list[list[Tensor]]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [[self._parameter(name, suffix) for name in names] for suffix in self.suffixes]

    def _weights(self, recurrent_dropout: float) -> list[Tensor]:
        weights: list[Tensor] = []
        for suffix in self.suffixes:
            recurrent: Tensor = self._parameter("weight_hh", suffix)
            if recurrent_dropout:
                recurrent = nn.functional.dropout(recurrent, recurrent_dropout)
            weights += [
                self._parameter("weight_ih", suffix),
                recurrent,
                self._parameter("bias_ih", suffix),
                self._parameter("bias_hh", suffix),
            ]
        return weights

    def _parameter(self, kind: str, suffix: str) -> nn.Parameter:
        return cast(nn.Parameter, getattr(self.rnn, kind + suffix))


class RecurrentEncoder(nn.Module):
    """A stack of recurrent layers over the rows of several documents."""

    def __init__(
        self,
        input_width: int,
        width: int,
        depth: int = 1,
        cell: str = "lstm",
        bidirectional: bool = True,
        merge: str = "concat",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        residual: bool = False,
        layer_norm: bool = True,
        inference_precision: str = "float32",
    ) -> None:
        """Set up an encoder with freshly initialised weights.

        input_width: width of the rows that come in, >= 1.
        width: width of the rows that go out, and of those between layers, >= 1.
        depth: number of layers, >= 1.
        cell: `"rnn"` (Elman), `"gru"` or `"lstm"`.
        bidirectional: whether each layer reads in both directions.
        merge: how two directions become one row: `"concat"`, `"sum"`, `"mean"` or `"mul"` (product).
        dropout: rate of locked dropout between layers in training, 0 <= rate < 1.
        recurrent_dropout: rate of dropout on the hidden-to-hidden weights in training, 0 <= rate < 1.
        residual: whether the input of each layer from the second on is added to its output.
        layer_norm: whether the rows that go out are normalised (Ba et al. 2016). Without it they are small, products
            of gates below 1, and what reads them learns slowly at first.
        inference_precision: a key of `PRODUCTS`: what the products with hidden states are computed in, at inference on
            CPU. With less than `"float32"` a document's rows may depend a little on its batch, as rounding does.
        RAISES: ValueError for arguments outside these ranges, or an odd width where two directions are concatenated.
        """
        super().__init__()
        check_arguments(input_width, width, depth, cell, bidirectional, merge, dropout, recurrent_dropout)
        if inference_precision not in PRODUCTS:
            raise ValueError(f"Unknown inference_precision '{inference_precision}'. Use one of: {', '.join(PRODUCTS)}.")
        self.inference_precision = inference_precision
        self.width = width
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.residual = residual
        self.layers = nn.ModuleList(
            RecurrentLayer(input_width if i == 0 else width, width, cell, bidirectional, merge) for i in range(depth)
        )
        self.norm = nn.LayerNorm(width) if layer_norm else nn.Identity()

    def reset_parameters(self) -> None:
        """Initialise all weights afresh from torch's random generator."""
        for layer in self.layers:
            cast(RecurrentLayer, layer).reset_parameters()
        if isinstance(self.norm, nn.LayerNorm):
            self.norm.reset_parameters()

    def forward(
        self, rows: Tensor, lengths: Sequence[int], training: bool = False, output_dropout: float = 0.0
    ) -> Tensor:
        """Encode the rows of several documents.

        rows: the documents' rows, one document after the other. Shape `(n_rows, input_width)`.
        lengths: number of rows of each document, each >= 0; they sum to n_rows.
        training: whether dropout applies: `output_dropout` and the encoder's own `dropout` and `recurrent_dropout`.
        output_dropout: rate of locked dropout on every layer's output, 0 <= rate < 1.
        RETURNS: the encoded rows, in the order of `rows`. Shape `(n_rows, width)`.
        RAISES: ValueError if the lengths do not sum to the number of rows.
        """
        if sum(lengths) != rows.shape[0]:
            raise ValueError(f"The documents' lengths sum to {sum(lengths)}, but there are {rows.shape[0]} rows.")
        if rows.shape[0] == 0:
            return rows.new_zeros((0, self.width))
        return self._run_packed(rows, lengths, training, output_dropout) if training else self._infer(rows, lengths)

    @property
    def n_directions(self) -> int:
        """Number of directions of every layer."""
        return len(self._layer(0).suffixes)

    def prepare_input_gates(self) -> LaneWeights:
        """Give what `compute_gates` of the first layer is for `forward_from_gates`: a copy of the present weights."""
        return self._layer(0).get_lane_weights(self.inference_precision)

    @property
    def supports_input_gates(self) -> bool:
        """Whether `forward_from_gates` is ever faster than `forward`; oneDNN's LSTM of bfloat16 always is."""
        return self._layer(0).cell != "lstm" or self.inference_precision != "bfloat16"

    def prefers_input_gates(self, lengths: Sequence[int]) -> bool:
        """Say whether `forward_from_gates` is faster than `forward` where gates are to be had for nothing.

        lengths: number of rows of each document, not all 0.
        """
        if not self.supports_input_gates:
            return False
        if self._layer(0).cell != "lstm" or self.inference_precision == "int8":
            return True
        # The loop over steps has too little to do in each where few documents are long; oneDNN's LSTM does not mind.
        n_rows, n_steps = sum(lengths), max(lengths)
        return not _is_alone(lengths) and (n_steps <= _SHORT_LOOP or n_rows >= _MIN_LOOP_LANES * n_steps)

    def forward_from_gates(
        self, weights: LaneWeights, gates: Tensor, gate_rows: Tensor, lengths: Sequence[int]
    ) -> Tensor:
        """Encode rows whose input gates of the first layer are known, at inference on CPU.

        weights: what `prepare_input_gates` gave for the present weights.
        gates: gates, as `weights.compute_gates` gives them. Shape `(n, n_directions, n_gates * hidden_width)`.
        gate_rows: for each of the documents' rows, its place in `gates`. Shape `(n_rows,)`, int64, n_rows >= 1.
        lengths: number of rows of each document, each >= 0; they sum to n_rows.
        RETURNS: the encoded rows, in the order of `gate_rows`. Shape `(n_rows, width)`.
        """
        layout = LaneLayout.from_lengths(lengths, self.n_directions, _LOOP_LANES)
        rows = self._layer(0).run_lanes_of_gates(weights, gates, gate_rows, layout)
        return self._infer(rows, lengths, n_done=1)

    def _layer(self, i: int) -> RecurrentLayer:
        return cast(RecurrentLayer, self.layers[i])

    def _infer(self, rows: Tensor, lengths: Sequence[int], n_done: int = 0) -> Tensor:
        """Run the layers from the given number on without dropout, by what is fastest."""
        run = self._choose_run(rows, lengths)
        if run is None:
            return self._run_packed(rows, lengths, False, 0.0, n_done)
        for i in range(n_done, len(self.layers)):
            output = run(self._layer(i), rows)
            rows = rows + output if self.residual and i > 0 else output
        return cast(Tensor, self.norm(rows))

    def _choose_run(self, rows: Tensor, lengths: Sequence[int]) -> Callable[[RecurrentLayer, Tensor], Tensor] | None:
        """Give how each layer is to be run, None for packed rows."""
        if torch.is_grad_enabled() or rows.device.type != "cpu":
            return None
        precision, cell = self.inference_precision, self._layer(0).cell
        if precision == "int8" or (precision == "bfloat16" and cell != "lstm"):
            layout = LaneLayout.from_lengths(lengths, self.n_directions, _LOOP_LANES)
            return partial(RecurrentLayer.run_loop, layout=layout, precision=precision)
        if cell != "lstm":  # oneDNN has no fast path for the other cells.
            return None
        dtype = torch.bfloat16 if precision == "bfloat16" else rows.dtype
        if _is_alone(lengths):
            return partial(RecurrentLayer.run_alone, dtype=dtype)
        layout = LaneLayout.from_lengths(lengths, self.n_directions, _LSTM_LANES[precision])
        return partial(RecurrentLayer.run_lanes, layout=layout, dtype=dtype)

    def _run_packed(
        self, rows: Tensor, lengths: Sequence[int], training: bool, output_dropout: float, n_done: int = 0
    ) -> Tensor:
        layout = PackedLayout.from_lengths(lengths, rows.device)
        packed = rows[layout.to_packed]
        # Two dropouts one after the other are one with the product of their chances to keep.
        between = 1.0 - (1.0 - output_dropout) * (1.0 - self.dropout) if training else 0.0
        for i in range(n_done, len(self.layers)):
            output = self._layer(i)(packed, layout.batch_sizes, self.recurrent_dropout if training else 0.0)
            if i < len(self.layers) - 1:
                output = locked_dropout(output, layout.document, len(layout.order), between)
            packed = packed + output if self.residual and i > 0 else output
        packed = self.norm(packed)
        if training:
            packed = locked_dropout(packed, layout.document, len(layout.order), output_dropout)
        return packed[layout.from_packed]


def _is_alone(lengths: Sequence[int]) -> bool:
    """Whether there is one document, besides empty ones. oneDNN runs both of its directions in one call."""
    return max(lengths) == sum(lengths)


def check_arguments(
    input_width: int,
    width: int,
    depth: int,
    cell: str,
    bidirectional: bool,
    merge: str,
    dropout: float,
    recurrent_dropout: float,
) -> None:
    """Check the arguments of `RecurrentEncoder`, which documents them.

    RAISES: ValueError that names the argument, its value and what would be right.
    """
    for name, number in (("width", width), ("nI", input_width), ("depth", depth)):
        if number < 1:
            raise ValueError(f"A recurrent encoder needs {name} >= 1, but {name} is {number}.")
    if cell not in CELLS:
        raise ValueError(f"Unknown cell '{cell}'. Use one of: {', '.join(CELLS)}.")
    if merge not in MERGES:
        raise ValueError(f"Unknown merge '{merge}'. Use one of: {', '.join(MERGES)}.")
    if bidirectional and merge == "concat" and width % 2:
        raise ValueError(
            f"Two concatenated directions share the output width in halves, so width must be even, but it is {width}. "
            f'Use {width + 1}, or merge = "sum", "mean" or "mul", which take any width.'
        )
    for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"{name} is a rate and must be at least 0 and less than 1, but it is {rate}.")
