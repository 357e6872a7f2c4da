"""Inference in lanes against the packed order that training runs in."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_bilstm.nn.lanes import PRODUCTS, run_gates, run_lstm
from spacy_bilstm.nn.layout import LaneLayout
from spacy_bilstm.nn.recurrent import CELLS, MERGES, RecurrentEncoder, RecurrentLayer

SHAPES = list(itertools.product(CELLS, (True, False), MERGES, (1, 2)))
LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=20).filter(any)


def encode_packed(encoder: RecurrentEncoder, rows: Tensor, lengths: list[int]) -> Tensor:
    """Encode as in training, in packed order, which needs gradients to be enabled."""
    with torch.enable_grad():
        return encoder(rows, lengths).detach()


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SHAPES), LENGTHS, st.integers(0, 2**31))
def test_inference_gives_what_training_does(shape: tuple[str, bool, str, int], lengths: list[int], seed: int) -> None:
    cell, bidirectional, merge, depth = shape
    torch.manual_seed(seed)
    encoder = RecurrentEncoder(6, 8, depth, cell, bidirectional, merge, residual=True, layer_norm=False)
    types, row_types = torch.randn(9, 6), torch.randint(9, (sum(lengths),))
    wanted = encode_packed(encoder, types[row_types], lengths)
    with torch.no_grad():
        from_rows = encoder(types[row_types], lengths)
        weights = encoder.prepare_input_gates()
        from_gates = encoder.forward_from_gates(weights, weights.compute_gates(types), row_types, lengths)
    torch.testing.assert_close(from_rows, wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(from_gates, wanted, rtol=0, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHAPES), st.sampled_from(["bfloat16", "int8"]), LENGTHS, st.integers(0, 2**31))
def test_a_lower_precision_changes_little_and_only_inference(
    shape: tuple[str, bool, str, int], precision: str, lengths: list[int], seed: int
) -> None:
    cell, bidirectional, merge, depth = shape
    torch.manual_seed(seed)
    encoder = RecurrentEncoder(6, 8, depth, cell, bidirectional, merge, layer_norm=False, inference_precision=precision)
    rows = torch.randn(sum(lengths), 6)
    exact = encode_packed(encoder, rows, lengths)
    with torch.no_grad():
        from_rows = encoder(rows, lengths)
        weights = encoder.prepare_input_gates()
        from_gates = encoder.forward_from_gates(weights, weights.compute_gates(rows), torch.arange(len(rows)), lengths)
    for output in (from_rows, from_gates):
        assert not torch.equal(output, exact)
        torch.testing.assert_close(output, exact, rtol=0, atol=0.1)
        assert float((output - exact).abs().mean()) < 0.02


@pytest.mark.parametrize("width", [1, 3, 8])
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_products_of_lower_precision_are_near_the_exact_one(precision: str, width: int) -> None:
    torch.manual_seed(0)
    weights, hidden, gates = (
        torch.randn(2, width, 4 * width),
        torch.rand(2, 5, width) * 2 - 1,
        torch.randn(2, 5, 4 * width),
    )
    wanted = gates + hidden @ weights
    PRODUCTS[precision](weights, 5).add_to(gates, hidden)
    torch.testing.assert_close(gates, wanted, rtol=0, atol=0.05)


def test_an_unknown_precision_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"Unknown inference_precision 'fp8'\. Use one of: float32, bfloat16, int8\."):
        RecurrentEncoder(4, 4, inference_precision="fp8")


@pytest.mark.parametrize("cell", CELLS)
def test_a_document_starts_from_zero_wherever_it_stands_in_a_lane(cell: str) -> None:
    """Weights so large that anything left of the state would show."""
    torch.manual_seed(0)
    layer = RecurrentLayer(3, 8, cell, bidirectional=True, merge="concat")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(20.0)
        rows = torch.randn(5, 3).repeat(40, 1)
        one_lane = LaneLayout.from_lengths([5] * 40, 2, 1)
        weights = layer.get_lane_weights("float32")
        results = [run_gates(weights, weights.compute_gates(rows), torch.arange(200), one_lane)]
        if cell == "lstm":
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            directions = [[getattr(layer.rnn, name + suffix) for name in names] for suffix in layer.suffixes]
            results.append(run_lstm(directions, rows, one_lane))
    for states in results:
        documents = states.view(40, 5, 8)
        torch.testing.assert_close(documents, documents[:1].expand_as(documents), rtol=0, atol=1e-6)


def test_lane_weights_are_a_copy() -> None:
    layer = RecurrentLayer(3, 4, "lstm", bidirectional=True, merge="concat")
    weights = layer.get_lane_weights("float32")
    before = weights.recurrent.clone()
    layer.reset_parameters()
    assert torch.equal(weights.recurrent, before)


def test_double_precision_is_kept() -> None:
    encoder = RecurrentEncoder(3, 4).double()
    rows = torch.randn(7, 3, dtype=torch.float64)
    with torch.no_grad():
        weights = encoder.prepare_input_gates()
        output = encoder.forward_from_gates(weights, weights.compute_gates(rows), torch.arange(7), [3, 4])
    torch.testing.assert_close(output, encode_packed(encoder, rows, [3, 4]), rtol=0, atol=1e-12)
