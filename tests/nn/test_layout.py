"""The packed layout against torch's own packing."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from spacy_bilstm.nn.layout import LaneLayout, PackedLayout

LENGTHS = st.lists(st.integers(0, 7), max_size=8)


@given(LENGTHS)
def test_layout_is_the_packed_order_of_torch(lengths: list[int]) -> None:
    layout = PackedLayout.from_lengths(lengths)
    rows = torch.arange(sum(lengths))
    documents = [document for document in rows.split(lengths) if len(document)]
    if not documents:
        assert len(layout.order) == len(layout.batch_sizes) == len(layout.to_packed) == 0
        return
    documents.sort(key=len, reverse=True)
    packed = pack_sequence(documents)
    assert layout.batch_sizes.tolist() == packed.batch_sizes.tolist()
    assert rows[layout.to_packed].tolist() == packed.data.tolist()


@given(LENGTHS)
def test_from_packed_undoes_to_packed(lengths: list[int]) -> None:
    layout = PackedLayout.from_lengths(lengths)
    rows = torch.arange(sum(lengths))
    assert rows[layout.to_packed][layout.from_packed].tolist() == rows.tolist()


@given(LENGTHS)
def test_document_names_the_document_of_each_packed_row(lengths: list[int]) -> None:
    layout = PackedLayout.from_lengths(lengths)
    document_of_row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths, dtype=torch.int64))
    assert layout.order[layout.document].tolist() == document_of_row[layout.to_packed].tolist()


def test_a_negative_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="must not be negative, but the smallest is -2"):
        PackedLayout.from_lengths([3, -2])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any), st.integers(1, 2), st.integers(1, 5))
def test_documents_stand_in_lanes_with_a_reset_between_them(
    lengths: list[int], n_directions: int, max_lanes: int
) -> None:
    layout = LaneLayout.from_lengths(lengths, n_directions, max_lanes)
    n_rows = sum(lengths)
    n_lanes = [part.n_lanes for part in layout.segments]
    assert n_lanes == sorted(set(n_lanes), reverse=True)
    assert n_lanes[0] <= max_lanes
    assert [part.start for part in layout.segments] == [0, *(part.end for part in layout.segments[:-1])]
    documents = [tuple(document) for document in torch.arange(n_rows).split(lengths) if len(document)]
    for direction, wanted in enumerate([documents, [document[::-1] for document in documents]][:n_directions]):
        rows = layout.rows[direction]
        assert rows[layout.places[direction]].tolist() == list(range(n_rows))
        lanes: list[list[int]] = [[] for _ in range(n_lanes[0])]
        for part in layout.segments:
            for lane, of_lane in zip(
                lanes, rows[part.start : part.end].view(-1, part.n_lanes).T.tolist(), strict=False
            ):
                lane += of_lane
        found: list[tuple[int, ...]] = []
        for lane in lanes:
            groups = itertools.groupby(lane, key=lambda row: row == n_rows)
            found += [tuple(group) for is_reset, group in groups if not is_reset]
        assert sorted(found) == sorted(tuple(int(row) for row in document) for document in wanted)


@pytest.mark.parametrize("max_lanes", [16, 128])
@pytest.mark.parametrize("n_docs", [22, 43, 100])
def test_lanes_of_long_documents_are_full(n_docs: int, max_lanes: int) -> None:
    # As many lanes as have room for all words, divided by the longest document, would be half empty.
    lengths = [500 + 9 * i % 236 for i in range(n_docs)]
    layout = LaneLayout.from_lengths(lengths, 2, max_lanes)
    assert layout.rows.shape[1] <= 1.05 * sum(lengths)
    assert layout.segments[0].n_lanes >= min(max_lanes, n_docs) // 3


def test_a_long_document_goes_on_alone() -> None:
    layout = LaneLayout.from_lengths([10] * 20 + [1000], 2, 128)
    assert layout.segments[-1].n_lanes == 1
    assert layout.rows.shape[1] <= 1300
