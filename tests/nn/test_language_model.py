"""`nn.language_model`: neither direction knows what it is to predict, and the encoder's weights are shared."""

from typing import Any

import pytest
import torch

from spacy_bilstm.nn.language_model import BidirectionalLanguageModel
from spacy_bilstm.nn.recurrent import CELLS, RecurrentEncoder

LENGTHS = [4, 0, 6, 1]


def make_model(encoder: RecurrentEncoder) -> BidirectionalLanguageModel:
    """Give a language model whose output layer is not zero."""
    model = BidirectionalLanguageModel(encoder, maxout_pieces=2, hidden_width=5, n_scores=3)
    torch.nn.init.normal_(model.output.weight)
    return model


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_no_direction_sees_its_target(cell: str, layer_norm: bool) -> None:
    """The scores of the next row depend on no later row, those of the row before on no earlier one."""
    torch.manual_seed(0)
    model = make_model(RecurrentEncoder(4, 6, cell=cell, layer_norm=layer_norm))
    rows = torch.randn(sum(LENGTHS), 4, requires_grad=True)
    scores = model(rows, LENGTHS).view(len(rows), 2, 3)
    starts = [0, 4, 4, 10]
    for start, length in zip(starts, LENGTHS, strict=True):
        for i in range(start, start + length):
            forward, backward = (
                torch.autograd.grad(scores[i, direction, 0], rows, retain_graph=True)[0].any(dim=1).tolist()
                for direction in (0, 1)
            )
            assert forward == [start <= j <= i for j in range(len(rows))]
            assert backward == [i <= j < start + length for j in range(len(rows))]


def test_weights_are_the_encoders() -> None:
    """The recurrent weights are shared, and initialised with the rest; the first scores are all the same."""
    encoder = RecurrentEncoder(4, 6)
    model = make_model(encoder)
    before = encoder.layers[0].rnn.weight_ih_l0.detach().clone()
    model.reset_parameters()
    assert model.layer.rnn.weight_ih_l0 is encoder.layers[0].rnn.weight_ih_l0
    assert (encoder.layers[0].rnn.weight_ih_l0 != before).any()
    assert not model(torch.randn(3, 4), [3]).any()


def test_empty_documents_only() -> None:
    """No rows give no scores."""
    assert make_model(RecurrentEncoder(4, 6))(torch.zeros(0, 4), [0, 0]).shape == (0, 6)


def test_dropout_is_of_training_only() -> None:
    """It changes the scores in training and only then."""
    model, rows = make_model(RecurrentEncoder(4, 6, recurrent_dropout=0.5)), torch.randn(5, 4)
    assert torch.equal(model(rows, [5], False, 0.5), model(rows, [5]))
    assert not torch.allclose(model(rows, [5], True, 0.5), model(rows, [5]))


@pytest.mark.parametrize("arguments", [{"depth": 2}, {"bidirectional": False}, {"merge": "sum"}], ids=str)
def test_directions_that_are_not_apart(arguments: dict[str, Any]) -> None:
    """An encoder whose states know both sides, or one only, is an error that says what to set."""
    with pytest.raises(ValueError, match='depth = 1, bidirectional = true and merge = "concat"'):
        make_model(RecurrentEncoder(4, 6, **arguments))
