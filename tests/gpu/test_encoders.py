"""Encoders and embeddings on a GPU: the same vectors and gradients as on a CPU, and no warning of cuDNN."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Adam, Model, fix_random_seed, get_current_ops, require_cpu, require_gpu
from toy_embeddings import PARTS, make_embedding, make_vocab, make_word_docs

WIDTH = 16
LENGTHS = [5, 0, 1, 9, 3]
CELLS = ["rnn", "gru", "lstm"]
Vectors = list[numpy.ndarray]
Step = tuple[Vectors, Vectors, dict[str, numpy.ndarray]]


def use(device: str) -> None:
    """Compute on a device."""
    (require_gpu if device == "gpu" else require_cpu)()


def to_numpy(arrays: list[Any]) -> Vectors:
    """Copy arrays to the CPU."""
    return [get_current_ops().to_numpy(array) for array in arrays]


def make_vectors() -> list[Any]:
    """Return random vectors of a few documents, one of them empty, on the current device."""
    random = numpy.random.default_rng(0)
    return [get_current_ops().asarray2f(random.normal(size=(length, WIDTH)).astype("f")) for length in LENGTHS]


def make_encoder(**arguments: Any) -> Model:
    """Return a new encoder on the current device."""
    fix_random_seed(0)
    model = registry.get("architectures", "spacy-bilstm.RecurrentEncoder.v1")(WIDTH, **arguments)
    model.initialize(X=make_vectors())
    return model


def take_step(model: Model, X: Any, to_input: Callable[[Any], Vectors]) -> Step:
    """Predict, then backpropagate ones. RETURNS: the vectors, the gradients of the inputs and those of the weights."""
    predicted = to_numpy(model.predict(X))
    output, backprop = model.begin_update(X)
    d_inputs = to_input(backprop([get_current_ops().xp.ones_like(vectors) for vectors in output]))
    gradients = {
        f"{i}.{name}": parameter.grad.cpu().numpy()
        for i, node in enumerate(model.walk())
        for shim in node.shims
        for name, parameter in shim.module.named_parameters()
        if parameter.grad is not None
    }
    return predicted, d_inputs, gradients


def assert_close(left: Step, right: Step) -> None:
    """Check that two devices computed the same."""
    for ours, theirs in zip(left[0] + left[1], right[0] + right[1], strict=True):
        assert_allclose(ours, theirs, atol=1e-3, rtol=1e-3)
    assert left[2].keys() == right[2].keys()
    for name, gradient in left[2].items():
        assert_allclose(gradient, right[2][name], atol=1e-3, rtol=1e-3, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("arguments", [{}, {"depth": 2, "residual": True}, {"bidirectional": False}], ids=str)
def test_a_gpu_computes_what_a_cpu_computes(device: str, cell: str, arguments: dict[str, Any]) -> None:
    use("cpu")
    on_cpu = make_encoder(cell=cell, **arguments)
    expected = take_step(on_cpu, make_vectors(), to_numpy)
    use(device)
    model = make_encoder(cell=cell, **arguments).from_bytes(on_cpu.to_bytes())
    assert_close(take_step(model, make_vectors(), to_numpy), expected)


@pytest.mark.parametrize("merge", ["sum", "mean", "mul"])
def test_a_gpu_merges_as_a_cpu(device: str, merge: str) -> None:
    use("cpu")
    on_cpu = make_encoder(merge=merge)
    expected = take_step(on_cpu, make_vectors(), to_numpy)
    use(device)
    model = make_encoder(merge=merge).from_bytes(on_cpu.to_bytes())
    assert_close(take_step(model, make_vectors(), to_numpy), expected)


@pytest.mark.parametrize("part", PARTS)
def test_a_gpu_embeds_as_a_cpu(device: str, part: str) -> None:
    def embed() -> Model:
        fix_random_seed(0)
        model = make_embedding(**PARTS[part])
        model.initialize(X=docs())
        return model

    def docs() -> list[Doc]:
        return make_word_docs(make_vocab())

    use("cpu")
    on_cpu = embed()
    expected = take_step(on_cpu, docs(), lambda _: [])
    use(device)
    vocab = make_vocab()
    vocab.vectors.to_ops(get_current_ops())
    model = embed().from_bytes(on_cpu.to_bytes())
    assert_close(take_step(model, make_word_docs(vocab), lambda _: []), expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("arguments", [{}, {"recurrent_dropout": 0.2}, {"mixed_precision": True}], ids=str)
def test_training_averaging_and_copying_cause_no_warning(device: str, cell: str, arguments: dict[str, Any]) -> None:
    """cuDNN warns when weights are not one contiguous chunk of memory. It would then copy them in every step."""
    optimizer = Adam(0.01, use_averages=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "This function is deprecated")  # CuPy, of a function that thinc calls.
        model = make_encoder(cell=cell, depth=2, **arguments)
        for _ in range(3):
            take_step(model, make_vectors(), to_numpy)
            model.finish_update(optimizer)
        with model.use_params(optimizer.averages):
            model.predict(make_vectors())
        model.copy().predict(make_vectors())
        make_encoder(cell=cell, depth=2, **arguments).from_bytes(model.to_bytes()).predict(make_vectors())
        model.predict(make_vectors())


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_gpu_ignores_the_precision_of_products_on_a_cpu(device: str, precision: str) -> None:
    model = make_encoder(inference_precision=precision)
    exact = make_encoder().from_bytes(model.to_bytes())
    for ours, theirs in zip(model.predict(make_vectors()), exact.predict(make_vectors()), strict=True):
        close = {"atol": 1e-5} if device == "gpu" else {"atol": 0.2}
        assert_allclose(*to_numpy([ours, theirs]), **close)
