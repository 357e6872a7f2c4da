"""The encoders as thinc layers: widths, batches, dropout, errors, and the defects of spaCy's own that they mend."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.util import registry
from thinc.api import Model, set_dropout_rate

from spacy_bilstm.nn.recurrent import CELLS, MERGES

EncoderModel = Model[list[Any], list[Any]]


def build(name: str = "spacy-bilstm.RecurrentEncoder.v1", **arguments: Any) -> EncoderModel:
    torch.manual_seed(0)
    model: EncoderModel = registry.get("architectures", name)(**{"width": 8, **arguments})
    return model.initialize()


def make_documents(lengths: list[int], width: int = 8, seed: int = 0) -> list[Any]:
    random = numpy.random.default_rng(seed)
    return [random.normal(size=(length, width)).astype("float32") for length in lengths]


def max_batch_dependence(model: EncoderModel, documents: list[Any]) -> float:
    """How far a document's output in a batch is from its output alone."""
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
    assert max_batch_dependence(model, make_documents(lengths, seed=seed)) < 1e-5


def test_in_spacys_encoder_a_document_depends_on_its_batch() -> None:
    """D1: the backward direction of `spacy.TorchBiLSTMEncoder.v1` starts in the padding."""
    documents = make_documents([5, 40])
    assert max_batch_dependence(build("spacy.TorchBiLSTMEncoder.v1", depth=1, dropout=0.0), documents) > 1e-2
    assert max_batch_dependence(build("spacy-bilstm.BiLSTMEncoder.v1"), documents) < 1e-5


def test_in_spacys_encoder_width_depth_and_empty_batches_fail() -> None:
    """D7: an odd width, no layer at all and a batch of empty documents, which are an error or right in ours."""
    documents = make_documents([3], width=9)
    assert build("spacy.TorchBiLSTMEncoder.v1", width=9, depth=1, dropout=0.0).predict(documents)[0].shape == (3, 8)
    assert not build("spacy.TorchBiLSTMEncoder.v1", width=9, depth=0, dropout=0.0).has_dim("nO")


@pytest.mark.parametrize(("bidirectional", "merge"), [(False, "concat"), *((True, merge) for merge in MERGES)])
@pytest.mark.parametrize("cell", CELLS)
def test_width_is_the_output_width(cell: str, bidirectional: bool, merge: str) -> None:
    model = build(width=10, cell=cell, bidirectional=bidirectional, merge=merge, nI=8)
    assert (model.get_dim("nI"), model.get_dim("nO")) == (8, 10)
    assert [output.shape for output in model.predict(make_documents([3, 0, 1]))] == [(3, 10), (0, 10), (1, 10)]


def test_the_width_is_known_before_initialisation() -> None:
    assert registry.get("architectures", "spacy-bilstm.BiLSTMEncoder.v1")(64).get_dim("nO") == 64


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_a_batch_of_empty_documents_trains_and_predicts(lengths: list[int]) -> None:
    model = build()
    documents = make_documents(lengths)
    assert [output.shape for output in model.predict(documents)] == [(0, 8)] * len(lengths)
    outputs, backprop = model.begin_update(documents)
    assert [gradient.shape for gradient in backprop(outputs)] == [(0, 8)] * len(lengths)
    model.finish_update(lambda key, weights, gradient: pytest.fail("there is no gradient to apply"))  # type: ignore[arg-type]


def test_gradients_reach_the_input_in_the_callers_order() -> None:
    """Compare with finite differences of the summed output."""
    model = build(depth=2, cell="gru", layer_norm=False)
    documents = make_documents([2, 0, 3])
    outputs, backprop = model.begin_update(documents)
    gradients = backprop([numpy.ones_like(output) for output in outputs])
    for document, gradient in zip(documents, gradients, strict=True):
        assert gradient.shape == document.shape
    for i, row, column in ((0, 1, 3), (2, 0, 0), (2, 2, 7)):
        step = numpy.zeros_like(documents[i])
        step[row, column] = 1e-2
        sums = [
            sum(
                float(output.sum())
                for output in model.predict([d + sign * step if j == i else d for j, d in enumerate(documents)])
            )
            for sign in (1, -1)
        ]
        assert gradients[i][row, column] == pytest.approx((sums[0] - sums[1]) / 2e-2, abs=2e-3)


def test_training_dropout_reaches_the_layer_and_prediction_has_none() -> None:
    model = build("spacy-bilstm.BiLSTMEncoder.v1")
    documents = make_documents([6, 4])
    without = model.predict(documents)
    numpy.testing.assert_allclose(model.begin_update(documents)[0][0], without[0], rtol=0, atol=1e-5)
    set_dropout_rate(model, 0.5)
    dropped, _ = model.begin_update(documents)
    # Locked: the same features of a document at every step, others in another document.
    zeros = [output == 0 for output in dropped]
    assert 0 < zeros[0][0].sum() < 8
    assert (zeros[0] == zeros[0][0]).all()
    assert not numpy.array_equal(zeros[0][0], zeros[1][0])
    assert numpy.array_equal(model.predict(documents)[0], without[0])


@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_dropout_of_the_architecture_applies_in_training(kind: str) -> None:
    model = build(depth=2, **{kind: 0.5})
    documents = make_documents([6])
    assert numpy.array_equal(model.predict(documents)[0], model.predict(documents)[0])
    assert not numpy.allclose(model.begin_update(documents)[0][0], model.predict(documents)[0])


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: numpy.ascontiguousarray(rows[::-1])[::-1],
        lambda rows: numpy.asfortranarray(rows),
        lambda rows: numpy.repeat(rows, 2, axis=1)[:, ::2],
        lambda rows: rows.astype("float64"),
        lambda rows: rows.astype("float32").copy(),
    ],
    ids=["negative stride", "Fortran order", "strided", "float64", "C order"],
)
@pytest.mark.parametrize("writeable", [True, False])
def test_arrays_of_any_layout_give_the_same(make: Callable[[Any], Any], writeable: bool) -> None:
    model = build()
    (rows,) = make_documents([5])
    array = make(rows)
    array.flags.writeable = writeable
    assert numpy.allclose(model.predict([array])[0], model.predict([rows])[0], atol=1e-6)
    _, backprop = model.begin_update([array])
    assert numpy.isfinite(backprop([array])[0]).all()


def test_initialisation_draws_new_weights_and_a_seed_fixes_them() -> None:
    model = build()
    first = model.to_bytes()
    assert model.initialize().to_bytes() != first
    assert build().to_bytes() == first


def test_bytes_round_trip_into_a_fresh_model() -> None:
    model, other = build(depth=2), build(depth=2).initialize()
    assert other.to_bytes() != model.to_bytes()
    other.from_bytes(model.to_bytes())
    assert other.to_bytes() == model.to_bytes()


def test_a_copy_trains_by_itself() -> None:
    model = build()
    copied = model.copy()
    before = model.to_bytes()
    outputs, backprop = copied.begin_update(make_documents([4]))
    backprop(outputs)
    copied.finish_update(lambda key, weights, gradient: (weights - gradient, gradient))  # type: ignore[arg-type]
    assert model.to_bytes() == before
    assert copied.to_bytes() != before


@pytest.mark.parametrize("action", ["initialize", "predict", "begin_update"])
def test_rows_of_another_width_are_an_error_that_names_both(action: str) -> None:
    message = "takes rows of width 8, but the layer before it.*gives rows of width 6.*nI = 6"
    with pytest.raises(ValueError, match=message):
        getattr(build(), action)(make_documents([3], width=6))


def test_weights_of_another_shape_are_an_error_that_names_them() -> None:
    model = build(depth=1, nI=8)
    before = model.to_bytes()
    with pytest.raises(ValueError, match=r"'layers.1.rnn.weight_ih_l0' is not a weight of this model"):
        model.from_bytes(build(depth=2, nI=8).to_bytes())
    with pytest.raises(ValueError, match=r"'layers.0.rnn.weight_ih_l0' has the shape \(12, 8\)"):
        model.from_bytes(build(cell="gru").to_bytes())
    assert model.to_bytes() == before


def test_mixed_precision_is_of_no_effect_on_the_cpu() -> None:
    documents = make_documents([5])
    assert numpy.array_equal(build(mixed_precision=True).predict(documents)[0], build().predict(documents)[0])
