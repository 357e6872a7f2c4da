"""Time the forward messages and the Viterbi algorithm of the CRF by the number of tags, for the choices in `nn.crf`.

python -m spacy_bilstm.experiments.crf_timings
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from ..nn.biluo import biluo_constraints
from ..nn.crf import LinearChainCRF
from ..nn.crf.engine import make_engine
from ..nn.crf.lattice import LogLattice, PackedSteps, ScaledLattice
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
        steps = PackedSteps.build(layout.batch_sizes, emissions.device)
        calls = {lattice: partial(lattice, scores, steps) for lattice in (LogLattice, ScaledLattice)}
        seconds = get_medians(calls, rounds)
        rows.append((str(crf.n_tags), *(f"{1e6 * seconds[lattice] / N_STEPS:.0f}" for lattice in calls)))
    return Table(("tags", "in log space", "as probabilities"), rows)


def time_viterbi(rounds: int, n_labels: Sequence[int] = (3, 18, 50, 100)) -> Table:
    """Time the Viterbi algorithm for 1,000 documents of 14 words, of which one in ten can be in an entity.

    rounds: number of rounds.
    n_labels: numbers of entity labels.
    RETURNS: the table, in microseconds per word: on all words with an engine, and on segments, as `viterbi` does.
    """
    layout = PackedLayout.from_lengths([14] * 1000)
    rows = []
    for n in n_labels:
        crf = LinearChainCRF(*biluo_constraints(n))
        emissions = torch.randn(14_000, crf.n_tags)
        emissions[:, 0] += 4 + 10 * (torch.rand(14_000) > 0.1)
        calls: dict[str, Callable[[], object]] = {
            "engine": partial(_decode_with_engine, crf, emissions, layout),
            "segments": partial(crf.viterbi, emissions, layout),
        }
        seconds = get_medians(calls, rounds)
        rows.append((str(n), *(f"{1e6 * seconds[name] / 14_000:.2f}" for name in calls)))
    return Table(("labels", "on all words", "on segments"), rows)


def _decode_with_engine(crf: LinearChainCRF, emissions: torch.Tensor, layout: PackedLayout) -> None:
    make_engine(crf.make_scores(emissions, layout), layout).viterbi()


if __name__ == "__main__":
    run_timings(__doc__, {"messages": time_messages, "viterbi": time_viterbi})
