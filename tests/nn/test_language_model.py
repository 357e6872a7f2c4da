"""The bidirectional language model: neither direction sees its target, and it shares the encoder's weights."""

from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_bilstm.nn.cells import CELLS
from spacy_bilstm.nn.language_model import BidirectionalLanguageModel
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder

LENGTHS = [4, 0, 6, 1]
STARTS = [0, 4, 4, 10]


def make_model(encoder: RecurrentEncoder) -> BidirectionalLanguageModel:
    """Return a language model whose output layer is not zero."""
    model = BidirectionalLanguageModel(encoder, maxout_pieces=2, hidden_width=5, n_scores=3)
    torch.nn.init.normal_(model.output.weight)
    return model


def find_dependencies(model: BidirectionalLanguageModel, direction: int) -> Tensor:
    """Return which tokens' vectors affect each token's scores of one direction. Shape `(n_tokens, n_tokens)`."""
    vectors = torch.randn(sum(LENGTHS), 4, requires_grad=True)
    scores = model(vectors, LENGTHS).view(len(vectors), 2, 3)[:, direction, 0]
    return torch.stack([torch.autograd.grad(score, vectors, retain_graph=True)[0].any(dim=1) for score in scores])


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_scores_of_the_next_token_depend_on_no_later_token(cell: str, layer_norm: bool) -> None:
    torch.manual_seed(0)
    depends = find_dependencies(make_model(RecurrentEncoder(4, 6, cell=cell, layer_norm=layer_norm)), 0)
    for start, length in zip(STARTS, LENGTHS, strict=True):
        for i in range(start, start + length):
            assert depends[i].tolist() == [start <= j <= i for j in range(sum(LENGTHS))]


@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_scores_of_the_token_before_depend_on_no_earlier_token(cell: str, layer_norm: bool) -> None:
    torch.manual_seed(0)
    depends = find_dependencies(make_model(RecurrentEncoder(4, 6, cell=cell, layer_norm=layer_norm)), 1)
    for start, length in zip(STARTS, LENGTHS, strict=True):
        for i in range(start, start + length):
            assert depends[i].tolist() == [i <= j < start + length for j in range(sum(LENGTHS))]


def test_initialisation_draws_the_shared_weights_of_the_encoder() -> None:
    encoder = RecurrentEncoder(4, 6)
    model = make_model(encoder)
    before = encoder.layers[0].rnn.weight_ih_l0.detach().clone()
    model.reset_parameters()
    assert model.layer.rnn.weight_ih_l0 is encoder.layers[0].rnn.weight_ih_l0
    assert (encoder.layers[0].rnn.weight_ih_l0 != before).any()


def test_initial_scores_are_zero() -> None:
    model = make_model(RecurrentEncoder(4, 6))
    model.reset_parameters()
    assert not model(torch.randn(3, 4), [3]).any()


def test_documents_without_tokens_have_no_scores() -> None:
    assert make_model(RecurrentEncoder(4, 6))(torch.zeros(0, 4), [0, 0]).shape == (0, 6)


def test_dropout_changes_the_scores_in_training() -> None:
    model, vectors = make_model(RecurrentEncoder(4, 6, recurrent_dropout=0.5)), torch.randn(5, 4)
    assert not torch.allclose(model(vectors, [5], True, 0.5), model(vectors, [5]))


def test_dropout_does_not_apply_at_inference() -> None:
    model, vectors = make_model(RecurrentEncoder(4, 6, recurrent_dropout=0.5)), torch.randn(5, 4)
    assert torch.equal(model(vectors, [5], False, 0.5), model(vectors, [5]))


@pytest.mark.parametrize("arguments", [{"depth": 2}, {"bidirectional": False}, {"merge": "sum"}], ids=str)
def test_an_encoder_that_mixes_its_directions_is_an_error_that_says_what_to_set(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match='depth = 1, bidirectional = true and merge = "concat"'):
        make_model(RecurrentEncoder(4, 6, **arguments))
