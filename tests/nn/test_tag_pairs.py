"""Probabilities of pairs of neighbouring tags: by enumeration of all tag sequences."""

import numpy
import pytest
import torch
from crf_enumeration import Enumeration, make_biluo_crf, make_mask, make_random_crf
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_bilstm.nn.crf.pair_marginals import NO_TAG, TagPairs
from spacy_bilstm.nn.layout import PackedLayout


def count_pairs(
    sequences: numpy.ndarray, probabilities: numpy.ndarray, start: int
) -> dict[tuple[int, int, int], float]:
    """Add up the probability of each pair of tags over whole sequences of a document."""
    totals: dict[tuple[int, int, int], float] = {}
    for sequence, probability in zip(sequences.tolist(), probabilities.tolist(), strict=True):
        for i, tag in enumerate(sequence):
            key = (start + i, sequence[i - 1] if i else NO_TAG, tag)
            totals[key] = totals.get(key, 0.0) + probability
    return totals


def as_dict(pairs: TagPairs) -> dict[tuple[int, int, int], float]:
    keys = zip(pairs.tokens.tolist(), pairs.before.tolist(), pairs.tags.tolist(), strict=True)
    return dict(zip(keys, pairs.probabilities.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 4), max_size=4),
    biluo=st.booleans(),
    masked=st.booleans(),
    lowest=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    seed=st.integers(0, 999),
)
def test_pairs_are_those_of_the_sequences_of_probable_tags(
    lengths: list[int], biluo: bool, masked: bool, lowest: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    crf = make_biluo_crf(1, generator) if biluo else make_random_crf(3, generator)
    layout = PackedLayout.from_lengths(lengths)
    emissions = torch.randn(sum(lengths), crf.n_tags, generator=generator, dtype=torch.float64) * 2
    mask = make_mask(emissions, generator) if masked else None
    expected: dict[tuple[int, int, int], float] = {}
    start = 0
    for length in lengths:
        if length:
            tokens = slice(start, start + length)
            everything = Enumeration(crf, emissions[tokens], None if mask is None else mask[tokens])
            kept = everything.marginals(crf.n_tags).exp().numpy() >= max(lowest, 1e-300)
            kept[range(length), everything.rank()[0][0]] = True
            is_kept = kept[range(length), everything.sequences].all(1)
            scores = everything.scores[is_kept]
            probabilities = numpy.exp(scores - numpy.logaddexp.reduce(scores))
            expected |= count_pairs(everything.sequences[is_kept], probabilities, start)
        start += length
    pairs = crf.tag_pairs(emissions, layout, lowest, mask)
    assert as_dict(pairs) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert (pairs.tokens.diff() >= 0).all()


def test_the_best_sequence_alone_has_the_probability_1() -> None:
    """No tag of this document is probable enough, but one sequence stays."""
    generator = torch.Generator().manual_seed(0)
    crf = make_random_crf(4, generator, scale=0.01)
    layout = PackedLayout.from_lengths([5])
    emissions = torch.zeros(5, 4, dtype=torch.float64)
    pairs = crf.tag_pairs(emissions, layout, 1.0)
    assert pairs.tags.tolist() == crf.viterbi(emissions, layout)[0].tolist()
    assert pairs.probabilities.tolist() == [1.0] * 5
