"""oneDNN's LSTM in lanes."""

import torch

from spacy_bilstm.nn.cells.lstm import LSTM
from spacy_bilstm.nn.recurrence.lane_layout import LaneLayout
from spacy_bilstm.nn.recurrence.onednn import run_lstm_in_lanes


def test_every_document_of_a_lane_starts_from_a_zero_state() -> None:
    torch.manual_seed(0)
    cell = LSTM()
    weights = cell.make_weights(3, 4, bidirectional=True)
    cell.reset_parameters(weights)
    with torch.no_grad():
        for parameter in weights.parameters():
            parameter.mul_(20.0)  # Large weights show any remainder of the state.
        vectors = torch.randn(5, 3).repeat(40, 1)
        one_lane = LaneLayout.from_lengths([5] * 40, 2, 1)
        states = run_lstm_in_lanes(cell.get_directions(weights), vectors, one_lane)
    documents = states.view(40, 5, 8)
    torch.testing.assert_close(documents, documents[:1].expand_as(documents), rtol=0, atol=1e-6)
