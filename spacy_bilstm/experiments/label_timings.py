"""Time the matrix product of an output layer by the number of labels, for the padding in `bridge.labels`.

python -m spacy_bilstm.experiments.label_timings
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from .tables import Table
from .timing import get_medians
from .timing_program import run_timings

N_LABELS = (9, 13, 16, 17, 29, 32, 50, 64)
N_TOKENS, WIDTH = 12_000, 160


def time_labels(rounds: int, n_labels: Sequence[int] = N_LABELS) -> Table:
    """Time the product of token vectors with the weights of labels.

    rounds: a tenth of the number of rounds: a single product is short.
    n_labels: numbers of labels.
    RETURNS: the table, in nanoseconds per token.
    """
    vectors = torch.randn(N_TOKENS, WIDTH)
    calls = {n: partial(torch.nn.functional.linear, vectors, torch.randn(n, WIDTH), torch.randn(n)) for n in n_labels}
    seconds = get_medians(calls, 10 * rounds)
    header = ("labels", *(str(n) for n in n_labels))
    return Table(header, [("nanoseconds per token", *(f"{1e9 * seconds[n] / N_TOKENS:.0f}" for n in n_labels))])


if __name__ == "__main__":
    run_timings(__doc__, {"labels": time_labels})
