"""The command line that the timing programs share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import torch

from .tables import Table


def run_timings(description: str | None, measurements: Mapping[str, Callable[[int], Table]]) -> None:
    """Read a command line, run one measurement without gradients and print its table.

    description: the text of `--help`.
    measurements: the measurements by name. Each takes the number of rounds.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(measurements)
    parser.add_argument("name", nargs="?" if len(names) == 1 else None, choices=names, default=names[0])
    parser.add_argument("--threads", type=int, default=1, help="number of threads for torch")
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds, without the warm-up")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        print(measurements[arguments.name](arguments.rounds).to_markdown(), end="")
