"""The character encoders against plain references, word by word."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from spacy_bilstm.nn.characters import CHAR_ENCODERS, CharacterBiLSTM, CharacterCNN

N_CHARACTERS = 9
LENGTHS = st.lists(st.integers(0, 12), min_size=1, max_size=8)
SEEDS = st.integers(0, 2**20)
# Derandomised, as the gradient of a maximum jumps where two numbers are equal up to rounding.
REPEATABLE = settings(deadline=None, derandomize=True, max_examples=30)


def make_characters(lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return vectors of the distinct characters, and the characters of words."""
    embedded = torch.randn(N_CHARACTERS, 3, dtype=torch.double, requires_grad=True)
    return embedded, torch.randint(0, N_CHARACTERS, (sum(lengths),))


def get_gradients(output: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Return the gradients of a fixed function of the output, zeros for weights that have none."""
    if not output.requires_grad:
        return [torch.zeros_like(weight) for weight in weights]
    d_output = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return list(torch.autograd.grad(output, weights, d_output, allow_unused=True, materialize_grads=True))


def assert_equal_with_gradients(output: Tensor, expected: Tensor, embedded: Tensor, encoder: nn.Module) -> None:
    torch.testing.assert_close(output, expected)
    weights = [embedded, *encoder.parameters()]
    torch.testing.assert_close(get_gradients(output, weights), get_gradients(expected, weights))


@REPEATABLE
@given(LENGTHS, SEEDS)
def test_the_cnn_is_a_convolution_of_each_padded_word(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    encoder = CharacterCNN(3, 4).double()
    nn.init.normal_(encoder.convolution.bias)
    embedded, chars = make_characters(lengths)
    expected = []
    for word in chars.split(lengths):
        vectors = embedded[word] if len(word) else torch.zeros(1, 3, dtype=torch.double)
        expected.append(encoder.convolution(F.pad(vectors, (0, 0, 1, 1)).T).amax(1))
    assert_equal_with_gradients(encoder(embedded, chars, lengths), torch.stack(expected), embedded, encoder)


@REPEATABLE
@given(LENGTHS, SEEDS)
def test_the_bilstm_gives_the_last_states_of_each_word(lengths: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    encoder = CharacterBiLSTM(3, 4).double()
    embedded, chars = make_characters(lengths)
    lstm = encoder.layer.rnn
    expected = []
    for word in chars.split(lengths):
        states = lstm(embedded[word])[1][0].view(-1) if len(word) else torch.zeros(4, dtype=torch.double)
        expected.append(states)
    assert_equal_with_gradients(encoder(embedded, chars, lengths), torch.stack(expected), embedded, encoder)


@pytest.mark.parametrize("name", CHAR_ENCODERS)
def test_words_without_characters_have_zero_vectors_at_first(name: str) -> None:
    output = CHAR_ENCODERS[name](3, 4)(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), [0, 0])
    assert output.shape == (2, 4)
    assert not output.any()


def test_an_odd_width_of_the_bilstm_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"char_width must be even, but it is 7\. Use 6 or 8"):
        CharacterBiLSTM(3, 7)
