"""The encoder architectures: widths, independence of the batch, and the defects of spaCy's encoder that they avoid."""

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.util import registry
from thinc.api import Model

from spacy_bilstm.architectures.encoder import build_bilstm_encoder_v1, build_recurrent_encoder_v1
from spacy_bilstm.nn.cells import CELLS
from spacy_bilstm.nn.merges import MERGES
from spacy_bilstm.nn.recurrence.products import PRODUCTS

EncoderModel = Model[list[Any], list[Any]]
OURS, SPACYS = "spacy-bilstm.RecurrentEncoder.v1", "spacy.TorchBiLSTMEncoder.v1"


def build(name: str = OURS, **arguments: Any) -> EncoderModel:
    torch.manual_seed(0)
    model: EncoderModel = registry.get("architectures", name)(**{"width": 8, **arguments})
    return model.initialize()


def make_documents(lengths: list[int], width: int = 8, seed: int = 0) -> list[Any]:
    random = numpy.random.default_rng(seed)
    return [random.normal(size=(length, width)).astype("float32") for length in lengths]


def get_batch_dependence(model: EncoderModel, documents: list[Any]) -> float:
    """Return the largest difference between a document's output in a batch and its output alone."""
    batch = model.predict(documents)
    alone = [model.predict([document])[0] for document in documents]
    return max((float(abs(a - b).max()) for a, b in zip(batch, alone, strict=True) if a.size), default=0.0)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(itertools.product(CELLS, (True, False), MERGES, (1, 2, 3)))),
    st.lists(st.integers(0, 30), min_size=1, max_size=8),
    st.integers(0, 1000),
)
def test_a_document_does_not_depend_on_its_batch(
    shape: tuple[str, bool, str, int], lengths: list[int], seed: int
) -> None:
    cell, bidirectional, merge, depth = shape
    model = build(cell=cell, bidirectional=bidirectional, merge=merge, depth=depth)
    assert get_batch_dependence(model, make_documents(lengths, seed=seed)) < 1e-5


def test_in_spacys_encoder_a_document_depends_on_its_batch() -> None:
    """D1: the backward direction of `spacy.TorchBiLSTMEncoder.v1` starts in the padding."""
    documents = make_documents([5, 40])
    assert get_batch_dependence(build(SPACYS, depth=1, dropout=0.0), documents) > 1e-2
    assert get_batch_dependence(build("spacy-bilstm.BiLSTMEncoder.v1"), documents) < 1e-5


def test_spacys_encoder_returns_another_width_if_its_width_is_odd() -> None:
    """D7: in our encoder an odd width is an error, or correct where nothing is concatenated."""
    model = build(SPACYS, width=9, depth=1, dropout=0.0)
    assert model.predict(make_documents([3], width=9))[0].shape == (3, 8)


def test_spacys_encoder_does_not_know_its_width_without_layers() -> None:
    """D7: in our encoder a depth of 0 is an error."""
    assert not build(SPACYS, width=9, depth=0, dropout=0.0).has_dim("nO")


@pytest.mark.parametrize(("bidirectional", "merge"), [(False, "concat"), *((True, merge) for merge in MERGES)])
@pytest.mark.parametrize("cell", CELLS)
def test_width_is_the_output_width(cell: str, bidirectional: bool, merge: str) -> None:
    model = build(width=10, cell=cell, bidirectional=bidirectional, merge=merge, nI=8)
    assert (model.get_dim("nI"), model.get_dim("nO")) == (8, 10)
    assert [output.shape for output in model.predict(make_documents([3, 0, 1]))] == [(3, 10), (0, 10), (1, 10)]


def test_the_width_is_known_before_initialisation() -> None:
    assert registry.get("architectures", "spacy-bilstm.BiLSTMEncoder.v1")(64).get_dim("nO") == 64


def test_the_bilstm_encoder_is_a_recurrent_encoder_with_lstm_cells() -> None:
    bilstm, recurrent = build("spacy-bilstm.BiLSTMEncoder.v1", depth=2), build(cell="lstm", depth=2)
    assert bilstm.to_bytes() == recurrent.to_bytes()


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (build_recurrent_encoder_v1, [*CELLS, *MERGES, *PRODUCTS]),
        (build_bilstm_encoder_v1, [*MERGES]),
    ],
)
def test_the_documentation_lists_every_cell_merge_and_precision(function: Callable[..., Any], names: list[str]) -> None:
    documentation = inspect.getdoc(function) or ""
    assert [name for name in names if f'`"{name}"`' not in documentation] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 2, "depth": 10**6}, "depth <= 100, but depth is 1000000"),
        ({"width": 10**9}, "width = 1000000000, depth = 1 would have about .* weights"),
        ({"width": 4, "nI": 10**12}, "nI = 1000000000000"),
    ],
)
def test_an_encoder_that_is_too_large_is_refused_before_it_takes_memory(
    arguments: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_recurrent_encoder_v1(**arguments)
