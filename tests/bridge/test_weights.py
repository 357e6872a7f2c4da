"""Weights as safetensors: complete, checked before anything is assigned, and never a pickle."""

import io
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import nn

from spacy_bilstm.bridge.format import FORMAT, FormatError
from spacy_bilstm.bridge.weights import weights_from_bytes, weights_to_bytes


def make_module() -> nn.Module:
    torch.manual_seed(0)
    return nn.LSTM(3, 2, bidirectional=True)


def to_pickle(data: bytes) -> bytes:
    file = io.BytesIO()
    torch.save(load(data), file)
    return file.getvalue()


def remove(data: bytes, name: str) -> bytes:
    return save({key: tensor for key, tensor in load(data).items() if key != name})


def replace(data: bytes, name: str, tensor: torch.Tensor) -> bytes:
    return save({**load(data), name: tensor})


def test_loaded_weights_equal_the_stored_ones() -> None:
    module, other = make_module(), nn.LSTM(3, 2, bidirectional=True)
    data = weights_to_bytes(module)
    assert weights_to_bytes(other) != data
    weights_from_bytes(other, data)
    assert weights_to_bytes(other) == data
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


def test_stored_weights_have_the_names_of_the_state_dict() -> None:
    assert set(load(weights_to_bytes(make_module()))) == set(make_module().state_dict())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (to_pickle, "the data is a pickle.*safetensors only"),
        (lambda data: b"\x80\x04" + data, "the data is a pickle"),
        (lambda data: data[:-7], "not a complete safetensors file.*truncated"),
        (lambda data: data[:5], "not a complete safetensors file"),
        (lambda data: b"", "the 0 bytes are not a complete safetensors file"),
        (lambda data: b"a foreign file of some length", "not a complete safetensors file"),
        (lambda data: remove(data, "weight_hh_l0"), "'weight_hh_l0' is missing"),
        (lambda data: replace(data, "bias_zz", torch.ones(1)), "'bias_zz' is not a weight of this model"),
        (
            lambda data: replace(data, "weight_hh_l0", torch.ones(8, 3)),
            r"'weight_hh_l0' has the shape \(8, 3\), but the model's is \(8, 2\).*width, depth, cell",
        ),
        (
            lambda data: replace(data, "bias_hh_l0", torch.ones(8, dtype=torch.float16)),
            r"'bias_hh_l0' is of type torch.float16, but the model's is torch.float32",
        ),
    ],
)
def test_a_failed_load_says_why_and_changes_nothing(damage: Callable[[bytes], bytes], message: str) -> None:
    module = make_module()
    before = weights_to_bytes(module)
    with pytest.raises(ValueError, match=f"(?s)Can't load the weights.*{message}"):
        weights_from_bytes(module, damage(before))
    assert weights_to_bytes(module) == before


@pytest.mark.parametrize("n_weights", range(1, 33))
def test_a_header_of_any_length_loads(n_weights: int) -> None:
    """A file starts with the length of its header. Its bytes may be those that a pickle starts with."""
    module = nn.ParameterList(torch.ones(1) for _ in range(n_weights))
    weights_from_bytes(module, weights_to_bytes(module))


@given(st.integers(0, 500))
def test_truncated_weights_do_not_load(n_bytes: int) -> None:
    module = make_module()
    data = weights_to_bytes(module)
    with pytest.raises(ValueError, match="Can't load the weights"):
        weights_from_bytes(module, data[: min(n_bytes, len(data) - 1)])


def test_loading_keeps_the_memory_of_the_weights() -> None:
    module = make_module()
    before = [parameter.data_ptr() for parameter in module.parameters()]
    weights_from_bytes(module, weights_to_bytes(make_module()))
    assert [parameter.data_ptr() for parameter in module.parameters()] == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_do_not_load(value: float) -> None:
    module = make_module()
    before = weights_to_bytes(module)
    with pytest.raises(ValueError, match="Can't load the weights, because 'bias_hh_l0' are NaN or infinite"):
        weights_from_bytes(module, replace(before, "bias_hh_l0", torch.full((8,), value)))
    assert weights_to_bytes(module) == before


def test_weights_that_are_not_finite_are_not_saved() -> None:
    module = make_module()
    next(module.parameters()).data[0, 0] = float("nan")
    with pytest.raises(ValueError, match="Can't save the weights 'weight_ih_l0': they are NaN or infinite"):
        weights_to_bytes(module)


def test_large_weights_whose_squares_overflow_are_finite() -> None:
    module = make_module()
    next(module.parameters()).data[0, 0] = 1e30
    weights_from_bytes(make_module(), weights_to_bytes(module))


def test_weights_of_version_0_1_0_have_no_format_and_load() -> None:
    module, other = make_module(), nn.LSTM(3, 2, bidirectional=True)
    weights_from_bytes(other, save(dict(module.state_dict())))
    assert weights_to_bytes(other) == weights_to_bytes(module)


def test_weights_of_a_newer_format_do_not_load() -> None:
    data = save({"new": torch.ones(1)}, metadata={"spacy-bilstm.format": str(FORMAT + 1)})
    message = f"stored in format {FORMAT + 1}, but spacy-bilstm .* reads formats up to {FORMAT}. Install a newer"
    with pytest.raises(FormatError, match=message):
        weights_from_bytes(make_module(), data)


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", ""])
def test_a_format_that_is_no_number_of_a_format_is_an_error(number: str) -> None:
    data = save(dict(make_module().state_dict()), metadata={"spacy-bilstm.format": number})
    with pytest.raises(ValueError, match="the format must be a whole number of at least 1"):
        weights_from_bytes(make_module(), data)
