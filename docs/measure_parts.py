"""Measure the ways that there are to compute a part, for docs/performance.md and the comments in the code.

python docs/measure_parts.py layouts --threads 1   the recurrence: packed rows, oneDNN in lanes, the loop over steps
python docs/measure_parts.py lanes                 the loop over steps, by the number of lanes
python docs/measure_parts.py labels                the product of rows and labels, by the number of labels
python docs/measure_parts.py messages              the messages of the conditional random field, by the number of tags
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch

from spacy_bilstm.nn.biluo import biluo_constraints
from spacy_bilstm.nn.crf import LinearChainCRF
from spacy_bilstm.nn.lattice import LogLattice, Rows, ScaledLattice, Scores
from spacy_bilstm.nn.layout import LaneLayout, PackedLayout
from spacy_bilstm.nn.recurrent import _LOOP_LANES, _LSTM_LANES, RecurrentLayer

Ways = Mapping[str, Callable[[], object]]

WIDTHS = (64, 128, 256, 512)
BATCHES = {"512 sentences": [1 + i % 25 for i in range(512)], "40 documents": [475 + i % 50 for i in range(40)]}
N_TYPES = 4096
LANES = (4, 8, 16, 32, 64, 128, 256)


def measure(ways: Ways, rounds: int) -> dict[str, float]:
    """Give the median time of each way in seconds, taken in turn in each round, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def print_row(*cells: object) -> None:
    """Print a row of a table in Markdown."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def print_header(*cells: str) -> None:
    """Print the head of a table in Markdown."""
    print_row(*cells)
    print("|---" * len(cells) + "|")


def make_layer(width: int) -> RecurrentLayer:
    """Give an LSTM of two directions whose rows are as wide as those that come in."""
    return RecurrentLayer(width, width, "lstm", bidirectional=True, merge="concat").eval()


def measure_layouts(rounds: int) -> None:
    """Print microseconds a word of each way to run an LSTM over documents."""
    for n, (batch, lengths) in enumerate(BATCHES.items()):
        for width in WIDTHS:
            layer = make_layer(width)
            rows = torch.randn(sum(lengths), width)
            ways = make_layout_ways(layer, rows, lengths)
            if n == 0 and width == WIDTHS[0]:
                print_header("batch", "width", *ways)
            seconds = measure(ways, rounds)
            print_row(batch, width, *(f"{1e6 * seconds[name] / len(rows):.2f}" for name in ways))


def make_layout_ways(layer: RecurrentLayer, rows: torch.Tensor, lengths: list[int]) -> Ways:
    """Give all ways to run a layer; each makes its layout anew, as it has to for every batch."""
    weights = layer.get_lane_weights("float32")
    gates = weights.compute_gates(rows[:N_TYPES])
    numbers = torch.randint(N_TYPES, (len(rows),))

    def run_packed() -> torch.Tensor:
        layout = PackedLayout.from_lengths(lengths)
        return layer(rows[layout.to_packed], layout.batch_sizes)[layout.from_packed]

    def run_lanes() -> torch.Tensor:
        return layer.run_lanes(rows, LaneLayout.from_lengths(lengths, 2, _LSTM_LANES["float32"]), torch.float32)

    def run_loop() -> torch.Tensor:
        return layer.run_loop(rows, LaneLayout.from_lengths(lengths, 2, _LOOP_LANES), "float32")

    def run_known_gates() -> torch.Tensor:
        layout = LaneLayout.from_lengths(lengths, 2, _LOOP_LANES)
        return layer.run_lanes_of_gates(weights, gates, numbers, layout)

    return {
        "packed rows": run_packed,
        "oneDNN in lanes": run_lanes,
        "loop over steps": run_loop,
        "loop, gates known": run_known_gates,
    }


def measure_lanes(rounds: int) -> None:
    """Print microseconds a step of the loop, and a word, with a number of lanes that are all full."""
    n_steps = 200
    print_header("width", "microseconds", *(f"{lanes} lanes" for lanes in LANES))
    for width in WIDTHS:
        layer = make_layer(width)
        weights = layer.get_lane_weights("float32")
        gates = weights.compute_gates(torch.randn(N_TYPES, width))
        ways = {}
        for lanes in LANES:
            layout = LaneLayout.from_lengths([n_steps] * lanes, 2, lanes)
            numbers = torch.randint(N_TYPES, (n_steps * lanes,))
            ways[str(lanes)] = partial(layer.run_lanes_of_gates, weights, gates, numbers, layout)
        seconds = measure(ways, rounds)
        print_row(width, "a step", *(f"{1e6 * seconds[str(lanes)] / n_steps:.0f}" for lanes in LANES))
        print_row(width, "a word", *(f"{1e6 * seconds[str(lanes)] / n_steps / lanes:.2f}" for lanes in LANES))


def measure_labels(rounds: int) -> None:
    """Print nanoseconds a row of the product with the weights of labels."""
    rows = torch.randn(12_000, 160)
    ways = {}
    for n_labels in (9, 13, 16, 17, 29, 32, 50, 64):
        weights, bias = torch.randn(n_labels, 160), torch.randn(n_labels)
        ways[str(n_labels)] = lambda weights=weights, bias=bias: torch.nn.functional.linear(rows, weights, bias)
    seconds = measure(ways, 10 * rounds)
    print_header("labels", *ways)
    print_row("nanoseconds a row", *(f"{1e9 * seconds[name] / len(rows):.0f}" for name in ways))


def measure_messages(rounds: int) -> None:
    """Print microseconds a step of the forward messages of 32 documents."""
    n_steps, n_docs = 200, 32
    layout = PackedLayout.from_lengths([n_steps] * n_docs)
    print_header("tags", "in log space", "as probabilities")
    for n_labels in (1, 4, 18):
        crf = LinearChainCRF(*biluo_constraints(n_labels)).double()
        emissions = torch.randn(n_steps * n_docs, crf.n_tags, dtype=torch.float64)
        scores = Scores(emissions, *crf._masked_parameters())
        rows = Rows.build(layout.batch_sizes, emissions.device)
        ways = {
            lattice.__name__: lambda lattice=lattice, scores=scores, rows=rows: lattice(scores, rows)
            for lattice in (LogLattice, ScaledLattice)
        }
        seconds = measure(ways, rounds)
        print_row(crf.n_tags, *(f"{1e6 * seconds[name] / n_steps:.0f}" for name in ways))


PARTS = {"layouts": measure_layouts, "lanes": measure_lanes, "labels": measure_labels, "messages": measure_messages}


def main() -> None:
    """Measure a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        PARTS[arguments.part](arguments.rounds)


if __name__ == "__main__":
    main()
