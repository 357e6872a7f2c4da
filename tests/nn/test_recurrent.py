"""The recurrent encoder against a plain loop over torch's cells, alone and in batches."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spacy_bilstm.nn.recurrent import CELLS, GATES, MERGES, RecurrentEncoder, RecurrentLayer, locked_dropout

SHAPES = list(itertools.product(CELLS, (True, False), MERGES, (1, 2, 3)))
TORCH_CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def run_cell(layer: RecurrentLayer, suffix: str, rows: Tensor) -> Tensor:
    """Run one direction of a layer over one document with torch's cell, step by step."""
    cell = TORCH_CELLS[layer.cell](rows.shape[1], layer.rnn.hidden_size, dtype=rows.dtype)
    weights = {name: getattr(layer.rnn, name + suffix) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    state: Tensor | tuple[Tensor, Tensor] | None = None
    hidden = []
    for row in rows:
        state = torch.func.functional_call(cell, weights, (row[None], state))
        hidden.append(state[0][0] if isinstance(state, tuple) else state[0])
    return torch.stack(hidden)


def encode_plainly(encoder: RecurrentEncoder, document: Tensor, merge: str) -> Tensor:
    """Encode one document by a plain loop over layers, directions and steps."""
    rows = document
    for i, layer in enumerate(encoder.layers):
        assert isinstance(layer, RecurrentLayer)
        output = run_cell(layer, "_l0", rows)
        if layer.bidirectional:
            backward = run_cell(layer, "_l0_reverse", rows.flip(0)).flip(0)
            output = MERGES[merge](output, backward)
        rows = rows + output if encoder.residual and i > 0 else output
    return encoder.norm(rows)


def split(rows: Tensor, lengths: list[int]) -> Iterator[Tensor]:
    return iter(rows.split(lengths))


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
    batch = encoder(torch.cat([documents[i] for i in order]), [lengths[i] for i in order])
    for i, output in zip(order, split(batch, [lengths[i] for i in order]), strict=True):
        torch.testing.assert_close(output, alone[i], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("cell", "bidirectional", "merge", "depth"), SHAPES)
def test_output_and_gradients_are_those_of_a_plain_loop(cell: str, bidirectional: bool, merge: str, depth: int) -> None:
    lengths = [4, 0, 7, 1]
    encoder = RecurrentEncoder(5, 6, depth, cell, bidirectional, merge, residual=depth == 3).double()
    rows = torch.randn(sum(lengths), 5, dtype=torch.float64, requires_grad=True)
    d_output = torch.randn(sum(lengths), 6, dtype=torch.float64)
    wanted = torch.cat([encode_plainly(encoder, doc, merge) for doc in rows.split(lengths) if len(doc)])
    output = encoder(rows, lengths)
    torch.testing.assert_close(output, wanted, rtol=1e-9, atol=1e-11)
    inputs = [rows, *encoder.parameters()]
    for gradient, wanted_gradient in zip(
        torch.autograd.grad(output, inputs, d_output), torch.autograd.grad(wanted, inputs, d_output), strict=True
    ):
        torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]])
def test_nothing_but_empty_documents(lengths: list[int]) -> None:
    assert RecurrentEncoder(4, 6, 2)(torch.zeros(0, 4), lengths).shape == (0, 6)


def test_lengths_that_do_not_fit_the_rows_are_an_error() -> None:
    with pytest.raises(ValueError, match="sum to 5, but there are 4 rows"):
        RecurrentEncoder(4, 6)(torch.zeros(4, 4), [2, 3])


def test_merges() -> None:
    forward, backward = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 4.0]])
    merged = {merge: function(forward, backward).tolist() for merge, function in MERGES.items()}
    assert merged == {"concat": [[1, -2, 3, 4]], "sum": [[4, 2]], "mean": [[2, 1]], "mul": [[3, -8]]}


def test_two_directions_see_what_follows_and_one_does_not() -> None:
    """The word "Apple" differs by what comes after it only where a second direction reads the text from its end."""
    shared, ends = torch.randn(1, 4), torch.randn(2, 5, 4)
    sentences = [torch.cat((shared, end)) for end in ends]
    for bidirectional in (True, False):
        encoder = RecurrentEncoder(4, 6, 1, "lstm", bidirectional)
        first, second = (encoder(sentence, [6])[0] for sentence in sentences)
        assert torch.allclose(first, second) != bidirectional


def test_locked_dropout_drops_the_same_features_of_a_document_at_every_step() -> None:
    document = torch.tensor([0, 1, 2, 0, 1, 0])
    kept = locked_dropout(torch.ones(6, 200), document, 3, 0.4)
    assert torch.equal(kept[0], kept[3])
    assert torch.equal(kept[0], kept[5])
    assert torch.equal(kept[1], kept[4])
    assert not torch.equal(kept[0], kept[1])
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert kept.mean() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_the_encoders_own_dropout_applies_in_training_only(kind: str) -> None:
    encoder = RecurrentEncoder(4, 6, 2, **{kind: 0.5})
    rows = torch.randn(9, 4)
    assert torch.equal(encoder(rows, [4, 5]), encoder(rows, [4, 5]))
    assert not torch.allclose(encoder(rows, [4, 5], training=True), encoder(rows, [4, 5]))


def test_recurrent_dropout_takes_one_mask_a_batch_and_leaves_the_weights_alone() -> None:
    layer = RecurrentLayer(4, 6, "lstm", True, "concat")
    before = {name: parameter.clone() for name, parameter in layer.named_parameters()}
    documents = torch.randn(1, 4).expand(6, 4).contiguous()
    output = layer(documents, torch.tensor([3, 3]), recurrent_dropout=0.5)
    # Equal documents stay equal: the mask is the batch's, not a document's.
    torch.testing.assert_close(output[0], output[2])
    torch.testing.assert_close(output[3], output[5])
    assert all(torch.equal(parameter, before[name]) for name, parameter in layer.named_parameters())


@pytest.mark.parametrize("cell", CELLS)
def test_initial_weights_are_orthogonal_per_gate_and_the_forget_bias_is_one(cell: str) -> None:
    layer = RecurrentLayer(5, 8, cell, True, "concat")
    for suffix in ("_l0", "_l0_reverse"):
        for gate in getattr(layer.rnn, f"weight_hh{suffix}").chunk(GATES[cell]):
            torch.testing.assert_close(gate @ gate.T, torch.eye(4), rtol=0, atol=1e-5)
        for gate in getattr(layer.rnn, f"weight_ih{suffix}").chunk(GATES[cell]):
            assert gate.abs().max() <= (6 / (5 + 4)) ** 0.5
        biases = getattr(layer.rnn, f"bias_ih{suffix}") + getattr(layer.rnn, f"bias_hh{suffix}")
        wanted = torch.zeros_like(biases)
        if cell == "lstm":
            wanted[4:8] = 1.0
        assert torch.equal(biases, wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "qrnn"}, "Unknown cell 'qrnn'. Use one of: rnn, gru, lstm"),
        ({"merge": "max"}, "Unknown merge 'max'. Use one of: concat, sum, mean, mul"),
        ({"width": 7}, "width must be even, but it is 7. Use 8, or merge"),
        ({"width": 0}, "width >= 1, but width is 0"),
        ({"depth": 0}, "depth >= 1, but depth is 0"),
        ({"input_width": 0}, "nI >= 1, but nI is 0"),
        ({"dropout": -0.1}, "dropout is a rate and must be at least 0 and less than 1, but it is -0.1"),
        ({"dropout": 1.0}, "less than 1, but it is 1.0"),
        ({"recurrent_dropout": -1.0}, "recurrent_dropout is a rate"),
    ],
)
def test_arguments_out_of_range_are_errors_that_name_the_mend(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecurrentEncoder(**{"input_width": 4, "width": 6, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(("bidirectional", "merge"), [(False, "concat"), (True, "sum"), (True, "mean"), (True, "mul")])
def test_an_odd_width_is_honoured_where_nothing_is_concatenated(bidirectional: bool, merge: str) -> None:
    assert RecurrentEncoder(4, 7, 2, "gru", bidirectional, merge)(torch.zeros(3, 4), [3]).shape == (3, 7)
