"""A linear model of the n-grams of docs, for text classifiers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from spacy.attrs import IS_SPACE, NORM
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .features import Features, Indices, hash_features, read_features
from .hashing import hash_ids
from .model_types import DocScoresModel

_NGRAM_SEED = 3
# The value of a boundary, where each doc starts and ends. It is not 0, so that the hash of an n-gram that starts with a
# boundary differs from the hash of its other words.
_BOUNDARY = 0x9E3779B97F4A7C15


def ngram_scores(nO: int | None, ngram_size: int, rows: int, scale: float = 1.0) -> DocScoresModel:
    """Score the classes of docs with a weight for each n-gram and class.

    The scores of a doc are the sums of the weights of its n-grams, divided by the square root of their number. An
    n-gram consists of the norms of adjacent words, or of the start or end of the doc and the words beside it.
    Whitespace is skipped.

    nO: number of classes, or None until the model is initialised.
    ngram_size: number of words in the longest n-grams, >= 1.
    rows: number of rows of the table of weights that n-grams are hashed to, >= 1.
    scale: factor of the sums, > 0. The weights learn at a rate that does not depend on it, so the scores learn faster
        with a larger one.
    RETURNS: the layer, from docs to scores of shape `(n_docs, nO)`.
    """
    return Model(
        "ngram_scores",
        forward,
        init=init,
        params={"W": None, "b": None},
        dims={"nO": nO, "rows": rows},
        attrs={"ngram_size": ngram_size, "scale": scale},
    )


def init(model: DocScoresModel, X: list[Doc] | None = None, Y: Floats2d | None = None) -> None:
    """Set all weights to zero.

    model: the layer.
    X: docs; they are not read.
    Y: scores whose width is the number of classes, or None if the layer has one.
    """
    if Y is not None and model.has_dim("nO") is None:
        model.set_dim("nO", Y.shape[1])
    nO = model.get_dim("nO")
    model.set_param("W", model.ops.alloc2f(model.get_dim("rows"), nO))
    model.set_param("b", model.ops.alloc1f(nO))


def forward(model: DocScoresModel, docs: list[Doc], is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], list[Doc]]]:
    """Score docs.

    model: the layer.
    docs: the docs.
    is_train: has no effect.
    RETURNS: the scores, shape `(n_docs, nO)`, and a callback that adds the gradients of the weights.
    """
    ops = model.ops
    W: Any = model.get_param("W")
    found, n_ngrams = find_ngrams(docs, model.attrs["ngram_size"], len(W))
    rows: Any = ops.xp.asarray(found, dtype="int32")
    lengths: Any = ops.xp.asarray(n_ngrams, dtype="int32")
    factors: Any = model.attrs["scale"] / numpy.sqrt(numpy.maximum(n_ngrams, 1))
    factors = ops.xp.asarray(factors, dtype="float32")[:, None]
    # thinc's reduction refuses an array without rows, as of an empty doc of which only single words are read.
    sums: Any = ops.reduce_sum(W[rows], lengths) if len(rows) else ops.alloc2f(len(docs), W.shape[1])
    scores = sums * factors + model.get_param("b")

    def backprop(d_scores: Floats2d) -> list[Doc]:
        d_weights: Any = ops.backprop_reduce_sum(d_scores * factors, lengths)
        dW = ops.alloc2f(*W.shape)
        ops.scatter_add(dW, rows, d_weights)
        model.inc_grad("W", dW)
        model.inc_grad("b", d_scores.sum(axis=0))
        return []

    return scores, backprop


def find_ngrams(docs: Sequence[Doc], ngram_size: int, rows: int) -> tuple[Indices, Indices]:
    """Hash the n-grams of docs to rows of a table.

    docs: the docs.
    ngram_size: number of words in the longest n-grams, >= 1.
    rows: number of rows of the table.
    RETURNS: the rows of all n-grams, one doc after the other, and the number of n-grams of each doc, shape `(n_docs,)`.
    """
    if not docs:
        return numpy.zeros(0, dtype="int64"), numpy.zeros(0, dtype="int64")
    features = read_features(docs, [NORM, IS_SPACE])
    is_word = features[:, 1] == 0
    document = numpy.repeat(numpy.arange(len(docs)), [len(doc) for doc in docs])[is_word]
    # Each doc starts and ends with a boundary.
    n_values = numpy.bincount(document, minlength=len(docs)) + 2
    positions = numpy.arange(len(document)) + 2 * document + 1
    values = numpy.full(n_values.sum(), _BOUNDARY, dtype="uint64")
    values[positions] = features[is_word, 0]
    document = numpy.repeat(numpy.arange(len(docs)), n_values)
    hashes: Features = numpy.zeros((len(values), ngram_size), dtype="uint64")
    is_ngram = numpy.zeros(hashes.shape, dtype=bool)
    hashes[:, 0] = values
    is_ngram[positions, 0] = True
    for n in range(2, min(ngram_size, len(values)) + 1):
        n_starts = len(values) - n + 1
        windows = numpy.stack([values[i : i + n_starts] for i in range(n)], axis=1)
        hashes[:n_starts, n - 1] = hash_features(windows)
        is_ngram[:n_starts, n - 1] = document[:n_starts] == document[n - 1 :]
    n_ngrams = numpy.bincount(document, weights=is_ngram.sum(axis=1), minlength=len(docs)).astype("int64")
    return hash_ids(hashes[is_ngram], _NGRAM_SEED, rows)[:, 0], n_ngrams


def add_classes(model: DocScoresModel, nO: int) -> DocScoresModel:
    """Return a layer with more classes. The weights of new classes are zero.

    It is a new layer, since the state of an optimizer would not fit the old one.

    model: the layer.
    nO: number of classes, not less than the layer has.
    RETURNS: the new layer.
    """
    attrs = model.attrs
    new = ngram_scores(nO, attrs["ngram_size"], model.get_dim("rows"), attrs["scale"])
    new.initialize()
    n_old = model.get_dim("nO")
    W: Any = new.get_param("W")
    W[:, :n_old] = model.get_param("W")
    b: Any = new.get_param("b")
    b[:n_old] = model.get_param("b")
    return new
