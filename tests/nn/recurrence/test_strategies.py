"""The table of strategies: which one runs which workload, and that all of them agree."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spacy_bilstm.nn.cells import CELLS
from spacy_bilstm.nn.cells.torch_cell import TorchCell
from spacy_bilstm.nn.merges import MERGES
from spacy_bilstm.nn.recurrence import (
    STRATEGIES,
    OneDNNDocument,
    OneDNNLanes,
    Packed,
    Strategy,
    TimeStepLoop,
    Workload,
    find_strategy,
)
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder
from spacy_bilstm.nn.recurrent_layer import RecurrentLayer

CPU = torch.device("cpu")
TORCH_CELLS = [name for name, cell in CELLS.items() if isinstance(cell, TorchCell)]
SHAPES = list(itertools.product(CELLS, (True, False), MERGES, (1, 2)))
TORCH_SHAPES = list(itertools.product(TORCH_CELLS, (True, False), MERGES, (1, 2)))
LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=20).filter(any)
LONG = [600] * 4


def find(cell: str, precision: str = "float32", lengths: list[int] | None = None, **options: object) -> type[Strategy]:
    """Return the strategy for a workload of two directions on CPU."""
    workload = Workload(CELLS[cell], 2, precision, lengths or [3, 5], CPU)._replace(**options)  # type: ignore[arg-type]
    return find_strategy(workload)


@pytest.mark.parametrize(
    ("cell", "precision", "expected"),
    [
        ("rnn", "float32", Packed),
        ("gru", "float32", Packed),
        ("lstm", "float32", OneDNNLanes),
        ("rnn", "bfloat16", TimeStepLoop),
        ("gru", "bfloat16", TimeStepLoop),
        ("lstm", "bfloat16", OneDNNLanes),
        ("rnn", "int8", TimeStepLoop),
        ("gru", "int8", TimeStepLoop),
        ("lstm", "int8", TimeStepLoop),
    ],
)
def test_strategy_of_several_documents(cell: str, precision: str, expected: type[Strategy]) -> None:
    assert find(cell, precision) is expected


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", OneDNNDocument), ("bfloat16", OneDNNDocument), ("int8", TimeStepLoop)]
)
def test_strategy_of_an_lstm_over_a_single_document(precision: str, expected: type[Strategy]) -> None:
    assert find("lstm", precision, [0, 20, 0]) is expected


@pytest.mark.parametrize(
    ("cell", "precision", "lengths", "expected"),
    [
        ("rnn", "float32", [20], TimeStepLoop),
        ("gru", "float32", LONG, TimeStepLoop),
        ("lstm", "float32", [3, 5], TimeStepLoop),
        ("lstm", "float32", [20], OneDNNDocument),
        ("lstm", "float32", LONG, OneDNNLanes),
        ("lstm", "float32", LONG * 2, TimeStepLoop),
        ("lstm", "bfloat16", [3, 5], OneDNNLanes),
        ("lstm", "int8", [20], TimeStepLoop),
    ],
)
def test_strategy_with_cached_input_gates(
    cell: str, precision: str, lengths: list[int], expected: type[Strategy]
) -> None:
    assert find(cell, precision, lengths, has_input_gates=True) is expected


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{"needs_gradient": True}, {"device": torch.device("cuda")}], ids=str)
def test_gradients_and_other_devices_take_packed_order(cell: str, precision: str, options: dict[str, object]) -> None:
    assert find(cell, precision, has_input_gates=True, **options) is Packed


@pytest.mark.parametrize("cell", CELLS)
def test_an_encoder_prefers_input_gates_where_the_table_does(cell: str) -> None:
    encoder = RecurrentEncoder(4, 6, cell=cell)
    for lengths in ([3, 5], [20], LONG):
        expected = find(cell, "float32", lengths, has_input_gates=True) is TimeStepLoop
        assert encoder.prefers_input_gates(lengths) == expected


@pytest.mark.parametrize(("cell", "precision"), [*itertools.product(TORCH_CELLS, ("float32", "bfloat16", "int8"))])
def test_an_encoder_prepares_input_gates_except_an_lstm_in_bfloat16(cell: str, precision: str) -> None:
    encoder = RecurrentEncoder(4, 6, cell=cell, inference_precision=precision)
    assert (encoder.prepare_input_gates() is None) == ((cell, precision) == ("lstm", "bfloat16"))


def encode_packed(encoder: RecurrentEncoder, vectors: Tensor, lengths: list[int]) -> Tensor:
    """Encode in packed order, which runs if torch records gradients."""
    with torch.enable_grad():
        return encoder(vectors, lengths).detach()


@pytest.mark.parametrize(
    ("strategy", "lengths"),
    [(OneDNNDocument, [0, 9]), *((strategy, [4, 0, 7, 1, 1]) for strategy in STRATEGIES if strategy != OneDNNDocument)],
)
def test_every_strategy_gives_the_output_of_packed_order(strategy: type[Strategy], lengths: list[int]) -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(5, 8, "lstm", bidirectional=True, merge="concat")
    vectors = torch.randn(sum(lengths), 5)
    workload = Workload(layer.cell, 2, "float32", lengths, CPU)
    with torch.no_grad():
        outputs = []
        for kind in (strategy, Packed):
            run = kind(workload)
            outputs.append(run.restore(run.run_layer(layer, run.arrange(vectors))))
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SHAPES), LENGTHS, st.integers(0, 2**31))
def test_inference_gives_the_output_of_training(
    shape: tuple[str, bool, str, int], lengths: list[int], seed: int
) -> None:
    cell, bidirectional, merge, depth = shape
    torch.manual_seed(seed)
    encoder = RecurrentEncoder(6, 8, depth, cell, bidirectional, merge, residual=True, layer_norm=False)
    vectors = torch.randn(sum(lengths), 6)
    with torch.no_grad():
        output = encoder(vectors, lengths)
    torch.testing.assert_close(output, encode_packed(encoder, vectors, lengths), rtol=0, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TORCH_SHAPES), LENGTHS, st.integers(0, 2**31))
def test_input_gates_of_word_types_give_the_output_of_training(
    shape: tuple[str, bool, str, int], lengths: list[int], seed: int
) -> None:
    cell, bidirectional, merge, depth = shape
    torch.manual_seed(seed)
    encoder = RecurrentEncoder(6, 8, depth, cell, bidirectional, merge, residual=True, layer_norm=False)
    types, token_types = torch.randn(9, 6), torch.randint(9, (sum(lengths),))
    with torch.no_grad():
        prepared = encoder.prepare_input_gates()
        output = encoder.forward_from_gates(prepared, prepared.compute_gates(types), token_types, lengths)
    torch.testing.assert_close(output, encode_packed(encoder, types[token_types], lengths), rtol=0, atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TORCH_SHAPES), st.sampled_from(["bfloat16", "int8"]), LENGTHS, st.integers(0, 2**31))
def test_a_lower_precision_changes_inference_a_little(
    shape: tuple[str, bool, str, int], precision: str, lengths: list[int], seed: int
) -> None:
    cell, bidirectional, merge, depth = shape
    torch.manual_seed(seed)
    encoder = RecurrentEncoder(6, 8, depth, cell, bidirectional, merge, layer_norm=False, inference_precision=precision)
    vectors = torch.randn(sum(lengths), 6)
    exact = encode_packed(encoder, vectors, lengths)
    with torch.no_grad():
        outputs = [encoder(vectors, lengths)]
        prepared = encoder.prepare_input_gates()
        if prepared is not None:
            gates = prepared.compute_gates(vectors)
            outputs.append(encoder.forward_from_gates(prepared, gates, torch.arange(len(vectors)), lengths))
    for output in outputs:
        assert not torch.equal(output, exact)
        torch.testing.assert_close(output, exact, rtol=0, atol=0.1)
        assert float((output - exact).abs().mean()) < 0.02


def test_a_lower_precision_does_not_change_training() -> None:
    vectors, outputs = torch.randn(7, 6), []
    for precision in ("float32", "bfloat16", "int8"):
        torch.manual_seed(0)
        outputs.append(encode_packed(RecurrentEncoder(6, 8, inference_precision=precision), vectors, [3, 4]))
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])
