"""The initial weights of the cells that torch implements."""

import pytest
import torch
from torch import nn

from spacy_bilstm.nn.cells import CELLS
from spacy_bilstm.nn.cells.torch_cell import TorchCell

TORCH_CELLS = [cell for cell in CELLS.values() if isinstance(cell, TorchCell)]
every_cell = pytest.mark.parametrize("cell", TORCH_CELLS, ids=lambda cell: cell.name)


def make_directions(cell: TorchCell) -> list[list[nn.Parameter]]:
    """Return the initial weights of both directions of a layer."""
    torch.manual_seed(0)
    weights = cell.make_weights(5, 4, bidirectional=True)
    cell.reset_parameters(weights)
    return cell.get_directions(weights)


@every_cell
def test_recurrent_weights_of_each_gate_are_orthogonal(cell: TorchCell) -> None:
    for _, weight_hh, _, _ in make_directions(cell):
        for gate in weight_hh.chunk(cell.n_gates):
            torch.testing.assert_close(gate @ gate.T, torch.eye(4), rtol=0, atol=1e-5)


@every_cell
def test_input_weights_of_each_gate_are_within_the_bound_of_glorot_and_bengio(cell: TorchCell) -> None:
    for weight_ih, _, _, _ in make_directions(cell):
        for gate in weight_ih.chunk(cell.n_gates):
            assert 0.5 * (6 / (5 + 4)) ** 0.5 < gate.abs().max() <= (6 / (5 + 4)) ** 0.5


@every_cell
def test_biases_are_zero_except_that_of_the_forget_gate(cell: TorchCell) -> None:
    for _, _, bias_ih, bias_hh in make_directions(cell):
        expected = torch.zeros_like(bias_ih)
        if cell.name == "lstm":
            expected[4:8] = 1.0
        assert torch.equal(bias_ih, expected)
        assert not bias_hh.any()


@pytest.mark.parametrize("bidirectional", [True, False])
@every_cell
def test_there_are_four_weights_for_each_direction(cell: TorchCell, bidirectional: bool) -> None:
    directions = cell.get_directions(cell.make_weights(5, 4, bidirectional))
    assert [len(weights) for weights in directions] == [4] * (1 + bidirectional)


def test_a_cell_is_listed_by_its_name() -> None:
    assert all(cell.name == name for name, cell in CELLS.items())
