"""Rows of documents in one array and apart."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_bilstm.bridge.convert import concatenate_rows, split_rows

OPS = NumpyOps()


def make_rows(n: int, width: int = 3) -> numpy.ndarray:
    return numpy.arange(n * width, dtype="float32").reshape(n, width).copy()


@given(st.lists(st.integers(100, 200) | st.just(0), min_size=1, max_size=6))
def test_what_was_split_is_put_together_without_a_copy(lengths: list[int]) -> None:
    rows = make_rows(sum(lengths))
    if sum(lengths) >= 40 * len(lengths):
        assert concatenate_rows(OPS, split_rows(rows, lengths), 3) is rows


@given(st.lists(st.integers(0, 90), min_size=1, max_size=6), st.randoms())
def test_any_order_is_kept(lengths: list[int], random: object) -> None:
    documents = split_rows(make_rows(sum(lengths)), lengths)
    random.shuffle(documents)  # type: ignore[attr-defined]
    expected = numpy.concatenate(documents)
    numpy.testing.assert_array_equal(concatenate_rows(OPS, documents, 3), expected)


@pytest.mark.parametrize("change", ["fewer", "twice", "columns", "reversed", "copy", "float64", "transposed"])
def test_other_views_are_copied(change: str) -> None:
    rows = make_rows(180, 180)
    documents = split_rows(rows, [60, 120])
    if change == "fewer":
        documents = documents[:1]
    elif change == "twice":
        documents = [documents[0], documents[0], documents[0]]
    elif change == "columns":
        documents = [document[:, 90:] for document in documents]
    elif change == "reversed":
        documents = [document[::-1] for document in documents]
    elif change == "copy":
        documents = [documents[0], documents[1].copy()]
    elif change == "float64":
        documents = split_rows(rows.astype("float64"), [60, 120])
    else:
        documents = split_rows(numpy.asfortranarray(rows), [60, 120])
    expected = numpy.concatenate(documents).astype("float32")
    result = concatenate_rows(OPS, documents, documents[0].shape[1])
    numpy.testing.assert_array_equal(result, expected)
    assert result.dtype == numpy.float32
    assert not numpy.shares_memory(result, rows)
