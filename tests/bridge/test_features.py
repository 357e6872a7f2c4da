"""Reading features of tokens, and finding distinct rows of them."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from spacy.attrs import LOWER, ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_bilstm.bridge import features
from spacy_bilstm.bridge.features import find_distinct, hash_features, read_features

matrices = arrays.arrays(
    "uint64",
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.integers(0, 3) | st.integers(0, 2**64 - 1),
)


def check_distinct(matrix: numpy.ndarray) -> None:
    examples, inverse = find_distinct(matrix)
    assert len(examples) == len({tuple(row) for row in matrix.tolist()})
    numpy.testing.assert_array_equal(matrix[examples][inverse], matrix)


@settings(deadline=None, derandomize=True)
@given(matrices)
def test_distinct_rows_are_found(matrix: numpy.ndarray) -> None:
    check_distinct(matrix)


@settings(deadline=None, derandomize=True)
@given(matrices)
def test_distinct_rows_are_found_if_their_hashes_are_equal(matrix: numpy.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_HASH_MULTIPLIER", numpy.uint64(0))  # The hash then depends on the last column alone.
        check_distinct(matrix)


def test_the_hash_depends_on_every_column_and_their_order() -> None:
    matrix = numpy.array([[1, 2, 3], [4, 2, 3], [1, 4, 3], [1, 2, 4], [3, 2, 1]], dtype="uint64")
    assert len(set(hash_features(matrix).tolist())) == len(matrix)


@pytest.mark.parametrize("attrs", [[ORTH], [ORTH, LOWER]])
def test_features_are_read_in_order(attrs: list[int]) -> None:
    docs = [Doc(Vocab(), words=words) for words in (["a", "B"], [], ["c"])]
    matrix = read_features(docs, attrs)
    assert matrix.shape == (3, len(attrs))
    assert matrix[:, 0].tolist() == [token.orth for doc in docs for token in doc]
