"""The packed layout against torch's own packing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence

from spacy_bilstm.nn.layout import PackedLayout, number_sequences

LENGTHS = st.lists(st.integers(0, 7), max_size=8)


@given(LENGTHS.filter(any))
def test_packed_order_is_that_of_torch(lengths: list[int]) -> None:
    layout = PackedLayout.from_lengths(lengths)
    tokens = torch.arange(sum(lengths))
    documents = [document for document in tokens.split(lengths) if len(document)]
    packed = pack_sequence(sorted(documents, key=len, reverse=True))
    assert layout.batch_sizes.tolist() == packed.batch_sizes.tolist()
    assert tokens[layout.to_packed].tolist() == packed.data.tolist()


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_documents_without_tokens_have_an_empty_layout(lengths: list[int]) -> None:
    layout = PackedLayout.from_lengths(lengths)
    assert len(layout.order) == len(layout.batch_sizes) == len(layout.to_packed) == 0


@given(LENGTHS)
def test_from_packed_reverses_to_packed(lengths: list[int]) -> None:
    layout = PackedLayout.from_lengths(lengths)
    tokens = torch.arange(sum(lengths))
    assert tokens[layout.to_packed][layout.from_packed].tolist() == tokens.tolist()


@given(LENGTHS)
def test_document_is_the_document_of_each_packed_token(lengths: list[int]) -> None:
    layout = PackedLayout.from_lengths(lengths)
    document_of_token = number_sequences(lengths, torch.device("cpu"))
    assert layout.order[layout.document].tolist() == document_of_token[layout.to_packed].tolist()


def test_a_negative_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="must not be negative, but the smallest is -2"):
        PackedLayout.from_lengths([3, -2])


def test_number_sequences_repeats_each_number_by_its_length() -> None:
    assert number_sequences([2, 0, 3], torch.device("cpu")).tolist() == [0, 0, 2, 2, 2]
