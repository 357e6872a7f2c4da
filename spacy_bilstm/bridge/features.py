"""Read the lexical features of tokens, and find the distinct combinations among them."""

from collections.abc import Sequence
from typing import cast

import numpy
from numpy.typing import NDArray
from spacy.tokens import Doc

Features = NDArray[numpy.uint64]
"""Values of features, such as spaCy's hashes of strings."""
Indices = NDArray[numpy.int64]

# Odd, so that multiplication modulo 2**64 loses no bit of an earlier feature. From Steele and Vigna (2021).
_HASH_MULTIPLIER = numpy.uint64(0xD1342543DE82EF95)


def read_features(docs: Sequence[Doc], attrs: Sequence[int]) -> Features:
    """Read attributes of all tokens.

    docs: the docs.
    attrs: ids of the attributes, at least one.
    RETURNS: the attributes' values, one row per token. Shape `(n_tokens, n_attrs)`.
    """
    features = numpy.concatenate([doc.to_array(list(attrs)) for doc in docs])
    return cast(Features, features.reshape(len(features), len(attrs)))


def find_distinct(features: Features) -> tuple[Indices, Indices]:
    """Find the distinct rows of a feature matrix.

    Rows are compared by a hash of 64 bits, which sorts several times faster than rows do. If two rows with one hash
    differ, the rows themselves are compared, so the result is exact.

    features: one row per token, with at least one column. Shape `(n_tokens, n_features)`.
    RETURNS: for each distinct row, the index of a token that has it, shape `(n_distinct,)`; and for each token, the
        index of its distinct row, shape `(n_tokens,)`.
    """
    distinct, inverse = numpy.unique(hash_features(features), return_inverse=True)
    examples = numpy.empty(len(distinct), dtype="int64")
    examples[inverse] = numpy.arange(len(features))
    if not numpy.array_equal(features[examples[inverse]], features):
        _, examples, inverse = numpy.unique(features, axis=0, return_index=True, return_inverse=True)
    return examples, inverse.reshape(-1)  # NumPy 2.0 alone returns a column.


def hash_features(features: Features) -> Features:
    """Hash each row of a feature matrix to 64 bits. Different rows rarely have equal hashes.

    features: the rows, with at least one column. Shape `(n, n_features)`.
    RETURNS: the hashes. Shape `(n,)`.
    """
    hashes = features[:, 0]
    for column in features.T[1:]:
        hashes = hashes * _HASH_MULTIPLIER + column
    return hashes
