"""The architectures that classify docs by their pooled token vectors."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from thinc.api import (
    Linear,
    Logistic,
    Model,
    Softmax,
    add,
    chain,
    concatenate,
    list2ragged,
    reduce_first,
    reduce_last,
    reduce_max,
    reduce_mean,
    reduce_sum,
    zero_init,
)
from thinc.layers.parametricattention_v2 import ParametricAttention_v2
from thinc.layers.parametricattention_v2 import init as init_attention_layer
from thinc.types import Floats2d, Ragged

from ..bridge.arguments import check_numbers, check_whole_numbers
from ..bridge.model_types import DocScoresModel, EncoderModel, OutputLayer, PoolingModel, Tok2VecModel
from ..bridge.ngrams import add_classes, ngram_scores
from .limits import check_number_of_weights
from .output_layer import copy_outputs

_MAX_NGRAM_SIZE = 10
_MAX_NGRAM_ROWS = 2**24


def build_textcat_v1(
    tok2vec: Tok2VecModel, exclusive_classes: bool, pooling: str, nO: int | None = None
) -> DocScoresModel:
    """Classify docs by their pooled token vectors; replaces `spacy.TextCatReduce.v1`.

    An empty doc is pooled to zeros, so its scores depend on the bias of the classes alone.

    tok2vec: the model of token vectors, from docs to one array of shape `(len(doc), width)` each; may be a listener.
    exclusive_classes: whether each doc has exactly one class. If so, the scores of a doc sum to 1 (softmax). Otherwise
        each score is between 0 and 1 independently (logistic).
    pooling: how the token vectors of a doc are combined: `"max"`, the maximum of each feature (Conneau et al. 2017);
        `"mean"`, the mean; `"attention"`, a mean with the weights softmax(X q) for a learned vector q (Zhou et al.
        2016); `"last"`, the vectors of the last and the first token, where a forward and a backward direction have read
        the whole doc (Graves 2012).
    nO: number of classes; if None, the number of labels when the model is initialised.
    RETURNS: the model, from docs to scores of shape `(n_docs, nO)`, with the references `tok2vec` and `output_layer`.
        Its attribute `resize_output` is a function that adds classes.
    RAISES: ValueError for an unknown pooling, or a number of classes that is below 1 or too large.
    """
    pooled, pooled_width = _pool(tok2vec, [pooling])
    _check_number_of_classes(nO, pooled_width or 1)
    make_output_layer: Callable[[int | None, int | None], OutputLayer] = Softmax if exclusive_classes else Linear
    output_layer = make_output_layer(nO, pooled_width)
    model: DocScoresModel = (
        chain(pooled, output_layer) if exclusive_classes else chain(pooled, output_layer, Logistic())
    )
    if nO is not None:
        model.set_dim("nO", nO)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.attrs["multi_label"] = not exclusive_classes
    model.attrs["resize_output"] = resize_output
    return model


def build_textcat_v2(
    tok2vec: Tok2VecModel,
    exclusive_classes: bool,
    pooling: list[str],
    dropout: float = 0.5,
    ngram_size: int = 0,
    ngram_rows: int = 131072,
    ngram_scale: float = 3.0,
    nO: int | None = None,
) -> DocScoresModel:
    """Classify docs by their pooled token vectors and, optionally, by their n-grams; replaces
    `spacy.TextCatEnsemble.v2`.

    The encoder learns what a sentence says, the n-grams learn which phrases each class has (Wang and Manning 2012). The
    scores of both are added, then normalised.

    tok2vec: the model of token vectors, from docs to one array of shape `(len(doc), width)` each; may be a listener.
    exclusive_classes: whether each doc has exactly one class. If so, the scores of a doc sum to 1 (softmax). Otherwise
        each score is between 0 and 1 independently (logistic).
    pooling: how the token vectors of a doc are combined, one or more of those of `spacy-bilstm.TextCat.v1`, such as
        `["max", "mean"]`. Their results are concatenated.
    dropout: rate of dropout on the pooled vector, 0 <= rate < 1.
    ngram_size: number of words in the longest n-grams to read, at most 10; 0 for none. The start and the end of a doc
        count as words.
    ngram_rows: number of rows of the table of weights that n-grams are hashed to, from 1 to
        16,777,216.
    ngram_scale: factor of the scores of n-grams, > 0. They learn faster with a larger one, compared with the encoder.
    nO: number of classes; if None, the number of labels when the model is initialised.
    RETURNS: the model, from docs to scores of shape `(n_docs, nO)`, with the references `tok2vec`, `pooled`,
        `output_layer` and, if it reads n-grams, `ngram_layer`. Its attribute `resize_output` is a function that adds
        classes.
    RAISES: ValueError for an unknown pooling, no pooling, or a number that is outside its range or too large.
    """
    check_whole_numbers("a text classifier", ngram_size=ngram_size, ngram_rows=ngram_rows)
    check_numbers("a text classifier", dropout=dropout, ngram_scale=ngram_scale)
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout is a rate. Set it to at least 0 and below 1, not {dropout}.")
    if not 0.0 < ngram_scale < math.inf:
        raise ValueError(f"ngram_scale is {ngram_scale}. Set it to a factor above 0.")
    if not 0 <= ngram_size <= _MAX_NGRAM_SIZE:
        raise ValueError(
            f"ngram_size is {ngram_size}. Set it to at most {_MAX_NGRAM_SIZE} words, or to 0 to read no n-grams."
        )
    if not 1 <= ngram_rows <= _MAX_NGRAM_ROWS:
        raise ValueError(f"ngram_rows is {ngram_rows}. Set it to 1..{_MAX_NGRAM_ROWS}.")
    pooled, pooled_width = _pool(tok2vec, pooling)
    _check_number_of_classes(nO, pooled_width or 1)
    output_layer: OutputLayer = Linear(nO, pooled_width, init_W=zero_init)
    scores: DocScoresModel = chain(pooled, drop_features(dropout), output_layer)
    ngram_layer = None
    if ngram_size:
        check_number_of_weights("A text classifier", ngram_rows * (nO or 1), f"ngram_rows = {ngram_rows} and nO = {nO}")
        ngram_layer = ngram_scores(nO, ngram_size, ngram_rows, ngram_scale)
        scores = add(scores, ngram_layer)
    model: DocScoresModel = chain(scores, softmax_scores() if exclusive_classes else Logistic())
    if nO is not None:
        model.set_dim("nO", nO)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.set_ref("pooled", pooled)
    if ngram_layer is not None:
        model.set_ref("ngram_layer", ngram_layer)
    model.attrs["multi_label"] = not exclusive_classes
    model.attrs["resize_output"] = resize_scores
    return model


def _pool(tok2vec: Tok2VecModel, poolings: Sequence[str]) -> tuple[DocScoresModel, int | None]:
    """Return a model of pooled vectors and their width, or None if it is not known yet.

    The width is set here, so stored weights of another width are refused.
    """
    names = ", ".join(POOLINGS)
    if not poolings:
        raise ValueError(f"A text classifier has no pooling. Use at least one of: {names}.")
    for pooling in poolings:
        if pooling not in POOLINGS:
            raise ValueError(f"Unknown pooling '{pooling}' of a text classifier. Use one of: {names}.")
    width = tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else None
    layers = [POOLINGS[pooling].make(width) for pooling in poolings]
    pooling_layer = layers[0] if len(layers) == 1 else concatenate(*layers)
    n_vectors = sum(POOLINGS[pooling].n_vectors for pooling in poolings)
    pooled: DocScoresModel = chain(tok2vec, fill_empty(), list2ragged(), pooling_layer)
    return pooled, None if width is None else width * n_vectors


def drop_features(rate: float) -> OutputLayer:
    """Drop features in training. Unlike thinc's `Dropout`, `[training] dropout` does not set the rate.

    rate: probability of dropping a feature, 0 <= rate < 1.
    RETURNS: the layer, from vectors to vectors of the same shape.
    """
    return Model("drop_features", _drop_features, attrs={"rate": rate})


def _drop_features(
    model: OutputLayer, vectors: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    rate = model.attrs["rate"]
    if not is_train or rate == 0.0:
        return vectors, lambda d_vectors: d_vectors
    mask = model.ops.get_dropout_mask(vectors.shape, rate)
    return vectors * mask, lambda d_vectors: d_vectors * mask


def softmax_scores() -> OutputLayer:
    """Turn scores into probabilities. As in thinc's `Softmax`, the gradient is that of the scores before.

    RETURNS: the layer, from scores of shape `(n, n_classes)` to probabilities.
    """
    return Model("softmax_scores", _softmax_scores)


def _softmax_scores(
    model: OutputLayer, scores: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    return model.ops.softmax(scores), lambda d_scores: d_scores


def _check_number_of_classes(nO: int | None, width: int) -> None:
    check_whole_numbers("a text classifier", nO=nO)
    if nO is None:
        return
    if nO < 1:
        raise ValueError(f"A text classifier needs nO >= 1, but nO is {nO}. Set nO = null to use all labels.")
    check_number_of_weights("A text classifier", nO * width, f"nO = {nO}")


def _make_attention(width: int | None) -> PoolingModel:
    attention = ParametricAttention_v2(nO=width)
    attention.init = _init_attention
    return chain(attention, reduce_sum())


def _init_attention(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: object = None) -> None:
    # A chain infers missing widths from the classes, but the width of this layer is that of its input.
    init_attention_layer(model, X)


def _make_last(width: int | None) -> PoolingModel:
    return concatenate(reduce_last(), reduce_first())


class Pooling(NamedTuple):
    """A pooling.

    make: makes the layer, from the width of the token vectors or None if it is not known yet.
    n_vectors: width of the pooled vector, as a multiple of that width.
    """

    make: Callable[[int | None], PoolingModel]
    n_vectors: int = 1


POOLINGS = {
    "max": Pooling(lambda width: reduce_max()),
    "mean": Pooling(lambda width: reduce_mean()),
    "attention": Pooling(_make_attention),
    "last": Pooling(_make_last, n_vectors=2),
}
"""How the token vectors of a doc are combined into one vector."""


def fill_empty() -> EncoderModel:
    """Pad each empty doc with one vector of zeros, because thinc's reductions refuse empty sequences.

    RETURNS: the layer, from arrays of shape `(length, width)` to such arrays with length >= 1.
    """
    return Model("fill_empty", _fill_empty)


def _fill_empty(
    model: EncoderModel, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        return [d_vectors[: len(vectors)] for d_vectors, vectors in zip(dY, X, strict=True)]

    return [vectors if len(vectors) else model.ops.alloc2f(1, vectors.shape[1]) for vectors in X], backprop


def can_score_empty_docs(model: DocScoresModel) -> bool:
    """Return whether a model can score a batch of empty docs alone, as those of this package can.

    model: any model of docs.
    """
    return any(node._func is _fill_empty for node in model.walk())


def resize_output(model: DocScoresModel, new_nO: int) -> DocScoresModel:
    """Add classes after the existing ones.

    The weights of new classes are zero, and all other weights stay. The output layer is replaced, so it has a new id:
    an optimizer's state for the old layer would not fit.

    model: the model, as `build_textcat_v1` returns it.
    new_nO: number of classes, not less than the model has.
    RETURNS: the model itself.
    RAISES: ValueError if the model has more classes.
    """
    old: OutputLayer = model.get_ref("output_layer")
    if not old.has_param("W"):
        old.set_dim("nO", new_nO, force=True)
    else:
        make_layer = Linear if model.attrs["multi_label"] else Softmax
        model.replace_node(old, copy_outputs(old, make_layer(new_nO, old.get_dim("nI"))))
    model.set_dim("nO", new_nO, force=True)
    return model


def resize_scores(model: DocScoresModel, new_nO: int) -> DocScoresModel:
    """Add classes after the existing ones, as `resize_output` does, to both layers that score them.

    model: the model, as `build_textcat_v2` returns it.
    new_nO: number of classes, not less than the model has.
    RETURNS: the model itself.
    RAISES: ValueError if the model has more classes.
    """
    output_layer: OutputLayer = model.get_ref("output_layer")
    ngram_layer: DocScoresModel | None = model.get_ref("ngram_layer") if model.has_ref("ngram_layer") else None
    if output_layer.has_param("W"):
        model.replace_node(output_layer, copy_outputs(output_layer, Linear(new_nO, output_layer.get_dim("nI"))))
        if ngram_layer is not None:
            model.replace_node(ngram_layer, add_classes(ngram_layer, new_nO))
    else:
        output_layer.set_dim("nO", new_nO, force=True)
        if ngram_layer is not None:
            ngram_layer.set_dim("nO", new_nO, force=True)
    model.set_dim("nO", new_nO, force=True)
    return model
