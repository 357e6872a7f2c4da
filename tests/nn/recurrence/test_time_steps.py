"""The loop over time steps in lanes."""

import pytest
import torch

from spacy_bilstm.nn.cells import CELLS
from spacy_bilstm.nn.cells.torch_cell import TorchCell
from spacy_bilstm.nn.recurrence.lane_layout import LaneLayout
from spacy_bilstm.nn.recurrence.time_steps import TimeStepWeights, run_time_steps
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder
from spacy_bilstm.nn.recurrent_layer import RecurrentLayer

TORCH_CELLS = [name for name, cell in CELLS.items() if isinstance(cell, TorchCell)]


@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_every_document_of_a_lane_starts_from_a_zero_state(cell: str) -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(3, 8, cell, bidirectional=True, merge="concat")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(20.0)  # Large weights show any remainder of the state.
        vectors = torch.randn(5, 3).repeat(40, 1)
        weights = TimeStepWeights.from_layer(layer, "float32")
        one_lane = LaneLayout.from_lengths([5] * 40, 2, 1)
        states = run_time_steps(weights, weights.compute_gates(vectors), torch.arange(200), one_lane)
    documents = states.view(40, 5, 8)
    torch.testing.assert_close(documents, documents[:1].expand_as(documents), rtol=0, atol=1e-6)


def test_prepared_weights_are_a_copy() -> None:
    layer = RecurrentLayer(3, 4, "lstm", bidirectional=True, merge="concat")
    weights = TimeStepWeights.from_layer(layer, "float32")
    before = weights.recurrent.clone()
    layer.reset_parameters()
    assert torch.equal(weights.recurrent, before)


def test_weights_in_double_precision_compute_in_double_precision() -> None:
    encoder = RecurrentEncoder(3, 4).double()
    vectors = torch.randn(7, 3, dtype=torch.float64)
    with torch.no_grad():
        prepared = encoder.prepare_input_gates()
        output = encoder.forward_from_gates(prepared, prepared.compute_gates(vectors), torch.arange(7), [3, 4])
    torch.testing.assert_close(output, encoder(vectors, [3, 4]).detach(), rtol=0, atol=1e-12)
