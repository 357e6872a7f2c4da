"""Time the strategies for running an LSTM layer at inference, for docs/performance.md and the constants in `nn`.

python -m spacy_bilstm.experiments.recurrence_timings strategies --threads 1   all strategies
python -m spacy_bilstm.experiments.recurrence_timings lanes                    the loop over time steps, by lanes
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from ..nn.recurrence import OneDNNLanes, Packed, Strategy, TimeStepLoop, Workload
from ..nn.recurrence.lane_layout import LaneLayout
from ..nn.recurrence.time_steps import TimeStepWeights, run_time_steps
from ..nn.recurrent_layer import RecurrentLayer
from .tables import Table
from .timing import get_medians
from .timing_program import run_timings

WIDTHS = (64, 128, 256, 512)
BATCHES = {"512 sentences": [1 + i % 25 for i in range(512)], "40 documents": [475 + i % 50 for i in range(40)]}
N_TYPES = 4096
LANES = (4, 8, 16, 32, 64, 128, 256)
N_STEPS = 200


def time_strategies(
    rounds: int, widths: Sequence[int] = WIDTHS, batches: Mapping[str, Sequence[int]] = BATCHES
) -> Table:
    """Time a bidirectional LSTM layer with each strategy.

    rounds: number of rounds.
    widths: widths of the layer's input and output.
    batches: the lengths of the documents of each batch, by name.
    RETURNS: the table, in microseconds per word.
    """
    rows = []
    calls: Mapping[str, Callable[[], Tensor]] = {}
    for name, lengths in batches.items():
        for width in widths:
            layer = _make_layer(width)
            calls = _make_strategy_calls(layer, torch.randn(sum(lengths), width), lengths)
            seconds = get_medians(calls, rounds)
            rows.append((name, str(width), *(f"{1e6 * seconds[call] / sum(lengths):.2f}" for call in calls)))
    return Table(("batch", "width", *calls), rows)


def _make_strategy_calls(
    layer: RecurrentLayer, vectors: Tensor, lengths: Sequence[int]
) -> dict[str, Callable[[], Tensor]]:
    """Return a call for each strategy. Each call lays out the documents again, as for a new batch."""
    workload = Workload(layer.cell, 2, "float32", lengths, vectors.device)

    def run(strategy_class: type[Strategy]) -> Tensor:
        strategy = strategy_class(workload)
        return strategy.restore(strategy.run_layer(layer, strategy.arrange(vectors)))

    weights = TimeStepWeights.from_layer(layer, "float32")
    gates = weights.compute_gates(vectors[:N_TYPES])
    gate_index = torch.randint(len(gates), (len(vectors),))
    return {
        "packed": partial(run, Packed),
        "oneDNN in lanes": partial(run, OneDNNLanes),
        "loop over steps": partial(run, TimeStepLoop),
        "loop, gates cached": lambda: TimeStepLoop(workload).run_from_gates(layer, weights, gates, gate_index),
    }


def time_lanes(rounds: int, widths: Sequence[int] = WIDTHS, lanes: Sequence[int] = LANES) -> Table:
    """Time the loop over time steps with cached gates, with lanes that are all full.

    rounds: number of rounds.
    widths: widths of the layer's input and output.
    lanes: numbers of lanes.
    RETURNS: the table, in microseconds per time step and per word.
    """
    rows = []
    for width in widths:
        weights = TimeStepWeights.from_layer(_make_layer(width), "float32")
        gates = weights.compute_gates(torch.randn(N_TYPES, width))
        calls = {}
        for n in lanes:
            layout = LaneLayout.from_lengths([N_STEPS] * n, 2, n)
            gate_index = torch.randint(N_TYPES, (N_STEPS * n,))
            calls[n] = partial(run_time_steps, weights, gates, gate_index, layout)
        seconds = get_medians(calls, rounds)
        rows.append((str(width), "a step", *(f"{1e6 * seconds[n] / N_STEPS:.0f}" for n in lanes)))
        rows.append((str(width), "a word", *(f"{1e6 * seconds[n] / N_STEPS / n:.2f}" for n in lanes)))
    return Table(("width", "microseconds", *(f"{n} lanes" for n in lanes)), rows)


def _make_layer(width: int) -> RecurrentLayer:
    return RecurrentLayer(width, width, "lstm", bidirectional=True, merge="concat").eval()


if __name__ == "__main__":
    run_timings(__doc__, {"strategies": time_strategies, "lanes": time_lanes})
