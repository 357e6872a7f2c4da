"""The order of documents in lanes."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.nn.recurrence.lane_layout import LaneLayout

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any)
MAX_LANES = st.integers(1, 5)


def read_lanes(layout: LaneLayout, direction: int) -> list[list[int]]:
    """Return the tokens of each lane, step by step."""
    lanes: list[list[int]] = [[] for _ in range(layout.segments[0].n_lanes)]
    for segment in layout.segments:
        places = layout.tokens[direction, segment.start : segment.end].view(-1, segment.n_lanes)
        for lane, tokens in zip(lanes, places.T.tolist(), strict=False):
            lane += tokens
    return lanes


def read_documents(layout: LaneLayout, direction: int, n_tokens: int) -> list[tuple[int, ...]]:
    """Return the runs of tokens between resets of all lanes, sorted."""
    runs = []
    for lane in read_lanes(layout, direction):
        groups = itertools.groupby(lane, key=lambda token: token == n_tokens)
        runs += [tuple(group) for is_reset, group in groups if not is_reset]
    return sorted(runs)


@given(LENGTHS, MAX_LANES)
def test_the_first_direction_reads_each_document_between_resets(lengths: list[int], max_lanes: int) -> None:
    layout = LaneLayout.from_lengths(lengths, 1, max_lanes)
    documents = [tuple(document.tolist()) for document in torch.arange(sum(lengths)).split(lengths) if len(document)]
    assert read_documents(layout, 0, sum(lengths)) == sorted(documents)


@given(LENGTHS, MAX_LANES)
def test_the_second_direction_reads_each_document_backwards(lengths: list[int], max_lanes: int) -> None:
    layout = LaneLayout.from_lengths(lengths, 2, max_lanes)
    documents = [document.flip(0) for document in torch.arange(sum(lengths)).split(lengths) if len(document)]
    assert read_documents(layout, 1, sum(lengths)) == sorted(tuple(document.tolist()) for document in documents)


@given(LENGTHS, st.integers(1, 2), MAX_LANES)
def test_places_are_the_places_of_tokens(lengths: list[int], n_directions: int, max_lanes: int) -> None:
    layout = LaneLayout.from_lengths(lengths, n_directions, max_lanes)
    for tokens, places in zip(layout.tokens, layout.places, strict=True):
        assert tokens[places].tolist() == list(range(sum(lengths)))


@given(LENGTHS, MAX_LANES)
def test_segments_follow_one_another_with_fewer_lanes_each(lengths: list[int], max_lanes: int) -> None:
    segments = LaneLayout.from_lengths(lengths, 1, max_lanes).segments
    n_lanes = [segment.n_lanes for segment in segments]
    assert n_lanes == sorted(set(n_lanes), reverse=True)
    assert n_lanes[0] <= max_lanes
    assert [segment.start for segment in segments] == [0, *(segment.end for segment in segments[:-1])]


@pytest.mark.parametrize("max_lanes", [16, 128])
@pytest.mark.parametrize("n_docs", [22, 43, 100])
def test_lanes_of_long_documents_are_full(n_docs: int, max_lanes: int) -> None:
    # The number of tokens divided by the longest document would be a number of lanes that are half empty.
    lengths = [500 + 9 * i % 236 for i in range(n_docs)]
    layout = LaneLayout.from_lengths(lengths, 2, max_lanes)
    assert layout.tokens.shape[1] <= 1.05 * sum(lengths)
    assert layout.segments[0].n_lanes >= min(max_lanes, n_docs) // 3


def test_a_long_document_continues_alone() -> None:
    layout = LaneLayout.from_lengths([10] * 20 + [1000], 2, 128)
    assert layout.segments[-1].n_lanes == 1
    assert layout.tokens.shape[1] <= 1300
