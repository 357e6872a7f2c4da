"""The ways to merge two directions."""

import pytest
import torch

from spacy_bilstm.nn.merges import MERGES

EXPECTED = {"concat": [[1.0, -2.0, 3.0, 4.0]], "sum": [[4.0, 2.0]], "mean": [[2.0, 1.0]], "mul": [[3.0, -8.0]]}


@pytest.mark.parametrize("merge", MERGES)
def test_output(merge: str) -> None:
    states = torch.tensor([[1.0, -2.0, 3.0, 4.0]])  # the forward direction, then the backward one
    assert MERGES[merge].function(states).tolist() == EXPECTED[merge]


@pytest.mark.parametrize("merge", MERGES)
def test_concatenates_is_true_if_the_output_holds_both_directions(merge: str) -> None:
    states = torch.randn(3, 10)
    assert MERGES[merge].concatenates == (MERGES[merge].function(states).shape == states.shape)
