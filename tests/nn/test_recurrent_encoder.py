"""The recurrent encoder against a plain loop over torch's cells, alone and in batches."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spacy_bilstm.nn.cells import CELLS
from spacy_bilstm.nn.merges import MERGES
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder
from spacy_bilstm.nn.recurrent_layer import RecurrentLayer

TORCH_CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
SHAPES = list(itertools.product(CELLS, (True, False), MERGES, (1, 2, 3)))
TORCH_SHAPES = [shape for shape in SHAPES if shape[0] in TORCH_CELLS]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def run_cell(layer: RecurrentLayer, suffix: str, vectors: Tensor) -> Tensor:
    """Run one direction of a layer over one document with torch's cell, step by step."""
    cell = TORCH_CELLS[layer.cell.name](vectors.shape[1], layer.rnn.hidden_size, dtype=vectors.dtype)
    weights = {name: getattr(layer.rnn, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    state: Tensor | tuple[Tensor, Tensor] | None = None
    hidden = []
    for vector in vectors:
        state = torch.func.functional_call(cell, weights, (vector[None], state))
        hidden.append(state[0][0] if isinstance(state, tuple) else state[0])
    return torch.stack(hidden)


def encode_plainly(encoder: RecurrentEncoder, document: Tensor) -> Tensor:
    """Encode one document with a plain loop over layers, directions and steps."""
    vectors = document
    for i, layer in enumerate(encoder.layers):
        assert isinstance(layer, RecurrentLayer)
        output = run_cell(layer, "_l0", vectors)
        if layer.bidirectional:
            backward = run_cell(layer, "_l0_reverse", vectors.flip(0)).flip(0)
            output = layer.merge.function(torch.cat((output, backward), dim=1))
        vectors = vectors + output if encoder.residual and i > 0 else output
    return encoder.norm(vectors)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SHAPES),
    st.lists(st.integers(0, 12), min_size=1, max_size=7).flatmap(
        lambda lengths: st.tuples(st.just(lengths), st.permutations(range(len(lengths))))
    ),
    st.integers(0, 2**31),
)
def test_a_document_does_not_depend_on_its_batch(
    shape: tuple[str, bool, str, int], lengths_and_order: tuple[list[int], list[int]], seed: int
) -> None:
    cell, bidirectional, merge, depth = shape
    lengths, order = lengths_and_order
    torch.manual_seed(seed)
    encoder = RecurrentEncoder(6, 8, depth, cell, bidirectional, merge, residual=depth == 3)
    documents = [torch.randn(length, 6) for length in lengths]
    alone = [encoder(document, [len(document)]) for document in documents]
    ordered_lengths = [lengths[i] for i in order]
    batch = encoder(torch.cat([documents[i] for i in order]), ordered_lengths)
    for i, output in zip(order, batch.split(ordered_lengths), strict=True):
        torch.testing.assert_close(output, alone[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("cell", "bidirectional", "merge", "depth"), TORCH_SHAPES)
def test_output_and_gradients_are_those_of_a_plain_loop(cell: str, bidirectional: bool, merge: str, depth: int) -> None:
    lengths = [4, 0, 7, 1]
    encoder = RecurrentEncoder(5, 6, depth, cell, bidirectional, merge, residual=depth == 3).double()
    vectors = torch.randn(sum(lengths), 5, dtype=torch.float64, requires_grad=True)
    d_output = torch.randn(sum(lengths), 6, dtype=torch.float64)
    expected = torch.cat([encode_plainly(encoder, document) for document in vectors.split(lengths) if len(document)])
    output = encoder(vectors, lengths)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-11)
    inputs = [vectors, *encoder.parameters()]
    for gradient, expected_gradient in zip(
        torch.autograd.grad(output, inputs, d_output), torch.autograd.grad(expected, inputs, d_output), strict=True
    ):
        torch.testing.assert_close(gradient, expected_gradient, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
def test_empty_documents_have_an_empty_output(lengths: list[int]) -> None:
    assert RecurrentEncoder(4, 6, 2)(torch.zeros(0, 4), lengths).shape == (0, 6)


def test_lengths_that_do_not_sum_to_the_number_of_vectors_are_an_error() -> None:
    with pytest.raises(ValueError, match="sum to 5, but there are 4 token vectors"):
        RecurrentEncoder(4, 6)(torch.zeros(4, 4), [2, 3])


@pytest.mark.parametrize("bidirectional", [True, False])
def test_only_a_second_direction_reads_the_words_that_follow(bidirectional: bool) -> None:
    """The same first word of two sentences differs by the words that follow only if there is a second direction."""
    first_word, endings = torch.randn(1, 4), torch.randn(2, 5, 4)
    encoder = RecurrentEncoder(4, 6, 1, "lstm", bidirectional)
    left, right = (encoder(torch.cat((first_word, ending)), [6])[0] for ending in endings)
    assert torch.allclose(left, right) != bidirectional


@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_the_encoders_own_dropout_applies_in_training(kind: str) -> None:
    encoder, vectors = RecurrentEncoder(4, 6, 2, **{kind: 0.5}), torch.randn(9, 4)
    assert not torch.allclose(encoder(vectors, [4, 5], training=True), encoder(vectors, [4, 5]))


@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_the_encoders_own_dropout_does_not_apply_at_inference(kind: str) -> None:
    encoder, vectors = RecurrentEncoder(4, 6, 2, **{kind: 0.5}), torch.randn(9, 4)
    assert torch.equal(encoder(vectors, [4, 5]), encoder(vectors, [4, 5]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "qrnn"}, "Unknown cell 'qrnn'. Use one of: rnn, gru, lstm"),
        ({"merge": "add"}, "Unknown merge 'add'. Use one of: concat, sum, mean, mul"),
        ({"width": 7}, "width must be even, but it is 7. Use 8, or a merge that allows any width: sum, mean, mul"),
        ({"width": 0}, "width >= 1, but width is 0"),
        ({"depth": 0}, "depth >= 1, but depth is 0"),
        ({"input_width": 0}, "nI >= 1, but nI is 0"),
        ({"dropout": -0.1}, "dropout is a rate and must be at least 0 and less than 1, but it is -0.1"),
        ({"dropout": 1.0}, "less than 1, but it is 1.0"),
        ({"recurrent_dropout": -1.0}, "recurrent_dropout is a rate"),
        ({"inference_precision": "fp8"}, "Unknown inference_precision 'fp8'. Use one of: float32, bfloat16, int8"),
    ],
)
def test_an_argument_out_of_range_is_an_error_that_says_the_fix(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecurrentEncoder(**{"input_width": 4, "width": 6, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(("bidirectional", "merge"), [(False, "concat"), (True, "sum"), (True, "mean"), (True, "mul")])
def test_an_odd_width_works_without_concatenation(bidirectional: bool, merge: str) -> None:
    assert RecurrentEncoder(4, 7, 2, "gru", bidirectional, merge)(torch.zeros(3, 4), [3]).shape == (3, 7)
