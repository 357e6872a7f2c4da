"""BILUO tags: their numbers, constraints and spans."""

import itertools

import numpy
import pytest
import torch
from crf_enumeration import get_span_tags, is_biluo

from spacy_bilstm.nn.biluo import (
    Position,
    biluo_constraints,
    biluo_tag,
    count_labels,
    count_tags,
    max_over_labels,
    span_to_tags,
    split_tag,
    tags_at,
    tags_to_spans,
)

TAGS = list(range(9))
LABELS = [-1, 0, 0, 0, 0, 1, 1, 1, 1]
POSITIONS = list("OBILUBILU")


@pytest.mark.parametrize("n_labels", [0, 1, 3])
def test_constraints_allow_exactly_the_valid_sequences(n_labels: int) -> None:
    transitions, start, end = biluo_constraints(n_labels)
    n_tags = count_tags(n_labels)
    assert transitions.shape == (n_tags, n_tags)
    for length in range(1, 4):
        for sequence in itertools.product(range(n_tags), repeat=length):
            allowed = bool(start[sequence[0]] and end[sequence[-1]])
            allowed = allowed and all(bool(transitions[i, j]) for i, j in itertools.pairwise(sequence))
            assert allowed == is_biluo(sequence)


def test_a_negative_number_of_labels_is_an_error() -> None:
    with pytest.raises(ValueError, match="-1"):
        biluo_constraints(-1)


def test_the_number_of_tags_and_of_labels_convert_into_each_other() -> None:
    assert [count_tags(n_labels) for n_labels in range(4)] == [1, 5, 9, 13]
    assert [count_labels(n_tags) for n_tags in (1, 5, 9, 13)] == [0, 1, 2, 3]


@pytest.mark.parametrize("n_tags", [-3, 0, 2, 8])
def test_a_number_of_tags_that_no_number_of_labels_has_is_an_error(n_tags: int) -> None:
    with pytest.raises(ValueError, match=f"^{n_tags} tags can't be BILUO tags"):
        count_labels(n_tags)


def test_a_tag_is_split_into_label_and_position() -> None:
    assert [split_tag(tag) for tag in TAGS] == list(zip(LABELS, [Position[name] for name in POSITIONS], strict=True))
    for make in (numpy.array, torch.tensor):
        labels, positions = split_tag(make(TAGS))
        assert labels.tolist() == LABELS
        assert [Position(position).name for position in positions.tolist()] == POSITIONS


def test_a_tag_is_made_of_label_and_position() -> None:
    assert [biluo_tag(label, Position[name]) for label, name in zip(LABELS, POSITIONS, strict=True)][1:] == TAGS[1:]
    for make in (numpy.array, torch.tensor):
        labels, positions = split_tag(make(TAGS[1:]))
        assert biluo_tag(labels, positions).tolist() == TAGS[1:]


@pytest.mark.parametrize("name", "BILU")
def test_the_tags_at_a_position_are_in_the_order_of_labels(name: str) -> None:
    assert TAGS[tags_at(Position[name])] == [biluo_tag(label, Position[name]) for label in range(2)]


@pytest.mark.parametrize(("length", "tags"), [(1, [8]), (2, [5, 7]), (4, [5, 6, 6, 7])])
def test_a_span_has_the_tags_of_its_tokens(length: int, tags: list[int]) -> None:
    assert span_to_tags(length, 1).tolist() == list(get_span_tags(length, 1)) == tags


def test_spans_survive_their_tags() -> None:
    spans = [(0, 1, 1), (1, 4, 0), (5, 7, 1), (7, 8, 0)]
    tags = numpy.zeros(9, dtype="int64")
    for start, end, label in spans:
        tags[start:end] = span_to_tags(end - start, label)
    assert list(zip(*(values.tolist() for values in tags_to_spans(tags)), strict=True)) == spans


def test_unknown_tags_are_in_no_span() -> None:
    assert [values.tolist() for values in tags_to_spans(numpy.array([-1, -1]))] == [[], [], []]


@pytest.mark.parametrize("n_labels", [1, 2, 3, 6, 7, 18])
def test_the_highest_values_of_all_labels_are_found(n_labels: int) -> None:
    values = torch.randn(5, count_tags(n_labels), generator=torch.Generator().manual_seed(n_labels))
    expected = torch.stack([values[:, tags_at(position)].amax(1) for position in list(Position)[1:]], 1)
    assert torch.equal(max_over_labels(values), expected)
