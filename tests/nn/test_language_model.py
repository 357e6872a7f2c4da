"""The bidirectional language model: neither direction sees its target, and it shares the encoder's weights."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_bilstm.nn.cells import CELLS
from spacy_bilstm.nn.language_model import BidirectionalLanguageModel, get_state_width
from spacy_bilstm.nn.merges import MERGES
from spacy_bilstm.nn.neighbours import SampledNeighbours
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder

LENGTHS = [4, 0, 6, 1]
N_TOKENS = 11


def make_model(encoder: RecurrentEncoder) -> BidirectionalLanguageModel:
    return BidirectionalLanguageModel(encoder, SampledNeighbours(get_state_width(encoder), 4, 3, 5))


def find_dependencies(model: BidirectionalLanguageModel, lengths: list[int], direction: int) -> Tensor:
    """Return which tokens' vectors affect each token's states of one direction. Shape `(n_tokens, n_tokens)`."""
    vectors = torch.randn(sum(lengths), 4, dtype=torch.float64, requires_grad=True)
    states = model.encode_directions(vectors, lengths)[:, direction].sum(dim=1)
    return torch.stack([torch.autograd.grad(state, vectors, retain_graph=True)[0].any(dim=1) for state in states])


@settings(max_examples=40, deadline=None)
@given(
    cell=st.sampled_from(list(CELLS)),
    merge=st.sampled_from(list(MERGES)),
    depth=st.integers(1, 3),
    residual=st.booleans(),
    layer_norm=st.booleans(),
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(any),
    seed=st.integers(0, 99),
)
def test_no_state_depends_on_the_neighbour_that_it_predicts(
    cell: str, merge: str, depth: int, residual: bool, layer_norm: bool, lengths: list[int], seed: int
) -> None:
    """The state of the forward direction depends on the tokens up to its own, that of the backward on the others."""
    torch.manual_seed(seed)
    encoder = RecurrentEncoder(4, 6, depth, cell, merge=merge, residual=residual, layer_norm=layer_norm)
    model = make_model(encoder).double()
    forward, backward = (find_dependencies(model, lengths, direction) for direction in range(2))
    document = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    is_same = document[:, None] == document
    assert torch.equal(forward, is_same.tril())
    assert torch.equal(backward, is_same.triu())


@pytest.mark.parametrize("merge", ["concat", "sum"])
@pytest.mark.parametrize("residual", [True, False])
def test_a_direction_encodes_as_the_encoder_does_if_the_other_direction_is_neutral(merge: str, residual: bool) -> None:
    """A backward direction whose weights are zero adds nothing to the states of the encoder."""
    torch.manual_seed(0)
    encoder = RecurrentEncoder(4, 6, 2, "lstm", merge=merge, residual=residual, layer_norm=False)
    with torch.no_grad():
        for name, weights in encoder.named_parameters():
            if name.endswith("_reverse"):
                weights.zero_()
    vectors = torch.randn(N_TOKENS, 4)
    states = make_model(encoder).encode_directions(vectors, LENGTHS)
    torch.testing.assert_close(states[:, 0], encoder(vectors, LENGTHS)[:, : states.shape[2]])


def test_long_documents_are_encoded_in_pieces() -> None:
    model = make_model(RecurrentEncoder(4, 6))
    vectors = torch.randn(120, 4)
    whole, pieces = (model.encode_directions(vectors, lengths) for lengths in ([120], [50, 50, 20]))
    torch.testing.assert_close(whole, pieces)


def test_all_layers_of_the_encoder_are_shared() -> None:
    encoder = RecurrentEncoder(4, 6, 2)
    model = make_model(encoder)
    before = encoder.layers[1].rnn.weight_ih_l0.detach().clone()
    model(torch.randn(N_TOKENS, 4), LENGTHS, torch.arange(N_TOKENS)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.layers.parameters())
    model.reset_parameters()
    assert torch.equal(encoder.layers[1].rnn.weight_ih_l0, before)


def test_documents_without_tokens_have_no_losses() -> None:
    model = make_model(RecurrentEncoder(4, 6))
    assert model(torch.zeros(0, 4), [0, 0], torch.zeros(0, dtype=torch.int64)).shape == (0,)


@pytest.mark.parametrize("rates", [{"recurrent_dropout": 0.5}, {"dropout": 0.5}, {}], ids=str)
def test_dropout_changes_the_states_in_training_only(rates: dict[str, Any]) -> None:
    model, vectors = make_model(RecurrentEncoder(4, 6, 2, **rates)), torch.randn(5, 4)
    rate = 0.0 if rates else 0.5
    expected = model.encode_directions(vectors, [5])
    assert torch.equal(model.encode_directions(vectors, [5], False, rate), expected)
    assert not torch.allclose(model.encode_directions(vectors, [5], True, rate), expected)


def test_an_encoder_with_one_direction_is_an_error_that_says_what_to_set() -> None:
    with pytest.raises(ValueError, match="bidirectional = true"):
        make_model(RecurrentEncoder(4, 6, bidirectional=False))
