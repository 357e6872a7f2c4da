"""Time the forward messages of the CRF by the number of tags, for the choice of the lattice in `nn.crf`.

python -m spacy_bilstm.experiments.crf_timings
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from ..nn.biluo import biluo_constraints
from ..nn.crf import LinearChainCRF
from ..nn.crf.lattice import LogLattice, ScaledLattice, TimeSteps
from ..nn.layout import PackedLayout
from .tables import Table
from .timing import get_medians
from .timing_program import run_timings

N_LABELS = (1, 4, 18)
N_STEPS, N_DOCS = 200, 32


def time_messages(rounds: int, n_labels: Sequence[int] = N_LABELS) -> Table:
    """Time the forward messages of 32 documents in log space and as probabilities.

    rounds: number of rounds.
    n_labels: numbers of entity labels.
    RETURNS: the table, in microseconds per time step, by the number of tags.
    """
    layout = PackedLayout.from_lengths([N_STEPS] * N_DOCS)
    rows = []
    for n in n_labels:
        crf = LinearChainCRF(*biluo_constraints(n)).double()
        emissions = torch.randn(N_STEPS * N_DOCS, crf.n_tags, dtype=torch.float64)
        scores = crf.make_scores(emissions, layout)
        steps = TimeSteps.build(layout.batch_sizes, emissions.device)
        calls = {lattice: partial(lattice, scores, steps) for lattice in (LogLattice, ScaledLattice)}
        seconds = get_medians(calls, rounds)
        rows.append((str(crf.n_tags), *(f"{1e6 * seconds[lattice] / N_STEPS:.0f}" for lattice in calls)))
    return Table(("tags", "in log space", "as probabilities"), rows)


if __name__ == "__main__":
    run_timings(__doc__, {"messages": time_messages})
