"""Conversion between arrays and tensors, and between one array and one array a document."""

from collections.abc import Callable

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_bilstm.bridge.convert import array_to_tensor, concatenate_documents, split_documents, tensor_to_array

OPS = NumpyOps()
CPU = torch.device("cpu")


def make_vectors(n: int, width: int = 3) -> numpy.ndarray:
    return numpy.arange(n * width, dtype="float32").reshape(n, width).copy()


def test_an_array_and_its_tensor_share_memory() -> None:
    array = make_vectors(4)
    tensor = array_to_tensor(array, CPU)
    assert numpy.shares_memory(tensor.numpy(), array)
    assert numpy.shares_memory(tensor_to_array(tensor, OPS), array)


def make_read_only(array: numpy.ndarray) -> numpy.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("change", [make_read_only, lambda array: array[::-1]], ids=["read-only", "reversed"])
def test_memory_that_torch_does_not_support_is_copied(change: Callable[[numpy.ndarray], numpy.ndarray]) -> None:
    array = change(make_vectors(4))
    tensor = array_to_tensor(array, CPU)
    numpy.testing.assert_array_equal(tensor.numpy(), array)
    assert not numpy.shares_memory(tensor.numpy(), array)


def test_the_tensor_has_the_wanted_type() -> None:
    assert array_to_tensor(make_vectors(2), CPU, torch.float64).dtype == torch.float64


@given(st.lists(st.integers(100, 200) | st.just(0), min_size=1, max_size=6))
def test_split_documents_are_concatenated_without_a_copy(lengths: list[int]) -> None:
    vectors = make_vectors(sum(lengths))
    if sum(lengths) >= 40 * len(lengths):
        assert concatenate_documents(OPS, split_documents(vectors, lengths), 3) is vectors


@given(st.lists(st.integers(0, 90), min_size=1, max_size=6), st.randoms())
def test_documents_are_concatenated_in_their_order(lengths: list[int], random: object) -> None:
    documents = split_documents(make_vectors(sum(lengths)), lengths)
    random.shuffle(documents)  # type: ignore[attr-defined]
    expected = numpy.concatenate(documents)
    numpy.testing.assert_array_equal(concatenate_documents(OPS, documents, 3), expected)


def test_no_documents_have_the_given_width() -> None:
    assert concatenate_documents(OPS, [], 3).shape == (0, 3)


VIEWS: dict[str, Callable[[numpy.ndarray], list[numpy.ndarray]]] = {
    "fewer": lambda vectors: split_documents(vectors, [60, 120])[:1],
    "twice": lambda vectors: [split_documents(vectors, [60, 120])[0]] * 3,
    "columns": lambda vectors: [document[:, 90:] for document in split_documents(vectors, [60, 120])],
    "reversed": lambda vectors: [document[::-1] for document in split_documents(vectors, [60, 120])],
    "copy": lambda vectors: [vectors[:60], vectors[60:].copy()],
    "float64": lambda vectors: split_documents(vectors.astype("float64"), [60, 120]),
    "transposed": lambda vectors: split_documents(numpy.asfortranarray(vectors), [60, 120]),
}


@pytest.mark.parametrize("kind", VIEWS)
def test_other_views_are_copied(kind: str) -> None:
    vectors = make_vectors(180, 180)
    documents = VIEWS[kind](vectors)
    expected = numpy.concatenate(documents).astype("float32")
    result = concatenate_documents(OPS, documents, documents[0].shape[1])
    numpy.testing.assert_array_equal(result, expected)
    assert result.dtype == numpy.float32
    assert not numpy.shares_memory(result, vectors)
