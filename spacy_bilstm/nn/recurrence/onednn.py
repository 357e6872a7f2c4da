"""The strategies that run an LSTM with oneDNN at inference on CPU, in float32 or bfloat16.

`torch.lstm` calls oneDNN if all sequences have the same length, as a single document does. Several documents run in
"lanes": parallel streams that each hold documents one after the other, with a reset between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ..cells import LSTM
from ..cells.torch_cell import flatten_weights
from ..recurrent_layer import RecurrentLayer
from .lane_layout import LaneLayout
from .strategy import Strategy, Workload

LANES = {"float32": 16, "bfloat16": 64}
"""The fastest number of lanes for each precision (`python -m spacy_bilstm.experiments.recurrence_timings lanes`)."""

# Closes a gate whatever else is added to it.
_CLOSED = -1e4


def _convert(layer: RecurrentLayer, vectors: Tensor, precision: str) -> tuple[Sequence[Sequence[Tensor]], Tensor]:
    """Return the weights of a layer's directions and the token vectors in the given precision."""
    directions = cast(LSTM, layer.cell).get_directions(layer.rnn)
    if precision == "bfloat16":
        return [[weight.bfloat16() for weight in weights] for weights in directions], vectors.bfloat16()
    return directions, vectors


class OneDNNDocument(Strategy):
    """Runs a single document. Both directions take one call of `torch.lstm`."""

    @staticmethod
    def applies(workload: Workload) -> bool:
        """Return whether the workload is one document for an LSTM at inference on CPU."""
        return OneDNNLanes.applies(workload) and workload.is_single_document

    def run_layer(self, layer: RecurrentLayer, vectors: Tensor) -> Tensor:
        """Run one layer over the document."""
        directions, inputs = _convert(layer, vectors, self.workload.precision)
        initial = inputs.new_zeros((len(directions), 1, directions[0][1].shape[1]))
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        options = (True, 1, 0.0, False, len(directions) == 2, False)
        weights = flatten_weights(directions)
        states = torch.lstm(inputs[:, None], (initial, initial), weights, *options)[0][:, 0]
        return layer.merge_directions(states.to(vectors.dtype))


class OneDNNLanes(Strategy):
    """Runs documents in lanes, with one call of `torch.lstm` for each direction and segment of the layout."""

    def __init__(self, workload: Workload) -> None:
        """Lay out the documents in lanes."""
        super().__init__(workload)
        self._layout = LaneLayout.from_lengths(workload.lengths, workload.n_directions, LANES[workload.precision])

    @staticmethod
    def applies(workload: Workload) -> bool:
        """Return whether the workload is for an LSTM at inference on CPU, in a precision that oneDNN's LSTM has."""
        return workload.is_inference_on_cpu and isinstance(workload.cell, LSTM) and workload.precision in LANES

    def run_layer(self, layer: RecurrentLayer, vectors: Tensor) -> Tensor:
        """Run one layer over the documents."""
        states = run_lstm_in_lanes(*_convert(layer, vectors, self.workload.precision), self._layout)
        return layer.merge_directions(states.to(vectors.dtype))


def run_lstm_in_lanes(directions: Sequence[Sequence[Tensor]], vectors: Tensor, layout: LaneLayout) -> Tensor:
    """Run an LSTM over documents in lanes, without gradients.

    directions: `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh` of each direction.
    vectors: token vectors, document after document, of the weights' type. Shape `(n_tokens, input_width)`,
        n_tokens >= 1.
    layout: the layout of the documents.
    RETURNS: the hidden states of each token. Shape `(n_tokens, n_directions * hidden_width)`.
    """
    # An additional feature marks resets. It closes all gates, which sets cell state and hidden state to zero.
    extended = vectors.new_zeros((vectors.shape[0] + 1, vectors.shape[1] + 1))
    extended[:-1, :-1] = vectors
    extended[-1, -1] = 1.0
    states = []
    for (input_weight, *weights), tokens, places in zip(directions, layout.tokens, layout.places, strict=True):
        width = weights[0].shape[1]
        closing = input_weight.new_full((4 * width, 1), _CLOSED)
        closing[2 * width : 3 * width] = 0.0
        all_weights = [torch.cat((input_weight, closing), 1), *weights]
        # has_biases, num_layers, dropout, train, bidirectional, batch_first
        options = (True, 1, 0.0, False, False, False)
        hidden = cell = vectors.new_zeros((1, layout.segments[0].n_lanes, width))
        place_states = vectors.new_empty((len(tokens), width))
        for segment in layout.segments:
            inputs = extended.index_select(0, tokens[segment.start : segment.end])
            inputs = inputs.view(segment.n_steps, segment.n_lanes, -1)
            initial = (hidden[:, : segment.n_lanes].contiguous(), cell[:, : segment.n_lanes].contiguous())
            output, hidden, cell = torch.lstm(inputs, initial, all_weights, *options)
            place_states[segment.start : segment.end] = output.flatten(0, 1)
        states.append(place_states.index_select(0, places))
    return torch.cat(states, 1)
