"""A torch encoder as a thinc layer: batches, gradients, dropout, arrays of any memory layout, copies and bytes."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from thinc.api import Model, set_dropout_rate

from spacy_bilstm.bridge.encoder_layer import with_torch_encoder
from spacy_bilstm.nn.recurrent_encoder import RecurrentEncoder

Layer = Model[list[Any], list[Any]]


def make_layer(input_width: int = 8, mixed_precision: bool = False, **arguments: Any) -> Layer:
    torch.manual_seed(0)
    module = RecurrentEncoder(input_width, 8, **arguments)
    layer: Layer = with_torch_encoder("encoder", module, nI=input_width, nO=8, mixed_precision=mixed_precision)
    return layer.initialize()


def make_documents(lengths: list[int], width: int = 8) -> list[Any]:
    random = numpy.random.default_rng(0)
    return [random.normal(size=(length, width)).astype("float32") for length in lengths]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_a_batch_of_empty_documents_predicts(lengths: list[int]) -> None:
    assert [output.shape for output in make_layer().predict(make_documents(lengths))] == [(0, 8)] * len(lengths)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_a_batch_of_empty_documents_trains(lengths: list[int]) -> None:
    layer = make_layer()
    outputs, backprop = layer.begin_update(make_documents(lengths))
    assert [gradient.shape for gradient in backprop(outputs)] == [(0, 8)] * len(lengths)

    def apply(key: Any, weights: Any, gradient: Any) -> Any:
        pytest.fail("There is no gradient to apply.")

    layer.finish_update(apply)  # type: ignore[arg-type]


def test_gradients_have_the_shapes_of_the_documents() -> None:
    documents = make_documents([2, 0, 3])
    outputs, backprop = make_layer().begin_update(documents)
    assert [gradient.shape for gradient in backprop(outputs)] == [document.shape for document in documents]


@pytest.mark.parametrize(("document", "row", "column"), [(0, 1, 3), (2, 0, 0), (2, 2, 7)])
def test_gradients_of_the_input_are_finite_differences_of_the_output(document: int, row: int, column: int) -> None:
    layer = make_layer(depth=2, cell="gru", layer_norm=False)
    documents = make_documents([2, 0, 3])
    outputs, backprop = layer.begin_update(documents)
    gradient = backprop([numpy.ones_like(output) for output in outputs])[document][row, column]
    sums = []
    for step in (1e-2, -1e-2):
        moved = [array.copy() for array in documents]
        moved[document][row, column] += step
        sums.append(sum(float(output.sum()) for output in layer.predict(moved)))
    assert gradient == pytest.approx((sums[0] - sums[1]) / 2e-2, abs=2e-3)


def test_the_dropout_rate_of_training_is_locked_within_a_document() -> None:
    layer = make_layer()
    set_dropout_rate(layer, 0.5)
    dropped, _ = layer.begin_update(make_documents([6, 4]))
    zeros = [output == 0 for output in dropped]
    assert 0 < zeros[0][0].sum() < 8
    assert (zeros[0] == zeros[0][0]).all()
    assert not numpy.array_equal(zeros[0][0], zeros[1][0])


def test_the_dropout_rate_of_training_does_not_apply_in_prediction() -> None:
    layer, documents = make_layer(), make_documents([6, 4])
    without = layer.predict(documents)
    set_dropout_rate(layer, 0.5)
    assert numpy.array_equal(layer.predict(documents)[0], without[0])


def test_training_without_dropout_gives_the_output_of_prediction() -> None:
    layer, documents = make_layer(), make_documents([6, 4])
    trained, predicted = layer.begin_update(documents)[0], layer.predict(documents)
    numpy.testing.assert_allclose(trained[0], predicted[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_dropout_of_the_module_applies_in_training_only(kind: str) -> None:
    layer, documents = make_layer(depth=2, **{kind: 0.5}), make_documents([6])
    assert numpy.array_equal(layer.predict(documents)[0], layer.predict(documents)[0])
    assert not numpy.allclose(layer.begin_update(documents)[0][0], layer.predict(documents)[0])


ARRAYS = pytest.mark.parametrize(
    "make",
    [
        lambda array: numpy.ascontiguousarray(array[::-1])[::-1],
        lambda array: numpy.asfortranarray(array),
        lambda array: numpy.repeat(array, 2, axis=1)[:, ::2],
        lambda array: array.astype("float64"),
        lambda array: array.astype("float32").copy(),
    ],
    ids=["negative stride", "Fortran order", "strided", "float64", "C order"],
)


@pytest.mark.parametrize("writeable", [True, False])
@ARRAYS
def test_arrays_of_any_memory_layout_give_the_same_output(make: Callable[[Any], Any], writeable: bool) -> None:
    layer, (document,) = make_layer(), make_documents([5])
    array = make(document)
    array.flags.writeable = writeable
    assert numpy.allclose(layer.predict([array])[0], layer.predict([document])[0], atol=1e-6)


@pytest.mark.parametrize("writeable", [True, False])
@ARRAYS
def test_gradients_of_any_memory_layout_are_accepted(make: Callable[[Any], Any], writeable: bool) -> None:
    layer, (document,) = make_layer(), make_documents([5])
    array = make(document)
    array.flags.writeable = writeable
    _, backprop = layer.begin_update([array])
    assert numpy.isfinite(backprop([array])[0]).all()


def test_initialisation_draws_new_weights() -> None:
    layer = make_layer()
    before = layer.to_bytes()
    assert layer.initialize().to_bytes() != before


def test_the_same_seed_draws_the_same_weights() -> None:
    assert make_layer().to_bytes() == make_layer().to_bytes()


def test_bytes_restore_the_weights() -> None:
    layer, other = make_layer(depth=2), make_layer(depth=2).initialize()
    assert other.to_bytes() != layer.to_bytes()
    other.from_bytes(layer.to_bytes())
    assert other.to_bytes() == layer.to_bytes()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"depth": 2}, r"'layers.1.rnn.weight_ih_l0' is not a weight of this model"),
        ({"cell": "gru"}, r"'layers.0.rnn.weight_ih_l0' has the shape \(12, 8\)"),
    ],
)
def test_weights_of_another_shape_are_an_error_that_names_them(other: dict[str, Any], message: str) -> None:
    layer = make_layer()
    before = layer.to_bytes()
    with pytest.raises(ValueError, match=message):
        layer.from_bytes(make_layer(**other).to_bytes())
    assert layer.to_bytes() == before


def test_a_copy_trains_separately() -> None:
    layer = make_layer()
    copied = layer.copy()
    before = layer.to_bytes()
    outputs, backprop = copied.begin_update(make_documents([4]))
    backprop(outputs)
    copied.finish_update(lambda key, weights, gradient: (weights - gradient, gradient))  # type: ignore[arg-type]
    assert layer.to_bytes() == before
    assert copied.to_bytes() != before


@pytest.mark.parametrize("action", ["initialize", "predict", "begin_update"])
def test_vectors_of_another_width_are_an_error_that_names_both_widths(action: str) -> None:
    message = "takes vectors of width 8, but the layer before it.*returns vectors of width 6.*nI = 6"
    with pytest.raises(ValueError, match=message):
        getattr(make_layer(), action)(make_documents([3], width=6))


def test_mixed_precision_has_no_effect_on_cpu() -> None:
    documents = make_documents([5])
    mixed, plain = (make_layer(mixed_precision=mixed).predict(documents)[0] for mixed in (True, False))
    assert numpy.array_equal(mixed, plain)
