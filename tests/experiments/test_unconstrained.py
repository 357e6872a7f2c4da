"""Test which entities are found in tags that need not be valid."""

import numpy
import pytest

from spacy_bilstm.experiments.unconstrained import find_valid_entities
from spacy_bilstm.nn.biluo import Position, biluo_tag

B, IN, L, U = (biluo_tag(0, position) for position in (Position.B, Position.I, Position.L, Position.U))
OTHER_L = biluo_tag(1, Position.L)


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        ([U, 0, B, IN, L], [(0, 1), (2, 5)]),
        ([B, L, B, U], [(0, 2), (3, 4)]),
        ([IN, L, 0, B, 0, L], []),
        ([B, OTHER_L], []),
        ([B, IN, B, L], [(2, 4)]),
    ],
)
def test_only_valid_entities_are_found(tags: list[int], entities: list[tuple[int, int]]) -> None:
    is_first = numpy.arange(len(tags)) == 0
    spans = find_valid_entities(numpy.array(tags), is_first)
    assert list(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)) == entities


def test_an_entity_does_not_continue_in_the_next_doc() -> None:
    spans = find_valid_entities(numpy.array([B, IN, L]), numpy.array([True, True, False]))
    assert len(spans) == 0
