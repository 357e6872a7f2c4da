"""The architecture that classifies docs by their pooled token vectors."""

from collections.abc import Callable
from typing import NamedTuple

from thinc.api import (
    Linear,
    Logistic,
    Model,
    Softmax,
    chain,
    concatenate,
    list2ragged,
    reduce_first,
    reduce_last,
    reduce_max,
    reduce_mean,
    reduce_sum,
)
from thinc.layers.parametricattention_v2 import ParametricAttention_v2
from thinc.layers.parametricattention_v2 import init as init_attention_layer
from thinc.types import Floats2d, Ragged

from ..bridge.arguments import check_whole_numbers
from ..bridge.model_types import DocScoresModel, EncoderModel, OutputLayer, PoolingModel, Tok2VecModel
from .limits import check_number_of_weights
from .output_layer import copy_outputs


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
    if pooling not in POOLINGS:
        raise ValueError(f"Unknown pooling '{pooling}' of a text classifier. Use one of: {', '.join(POOLINGS)}.")
    width = tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else None
    make_pooling, n_vectors = POOLINGS[pooling]
    # The widths are set here, so stored weights of another width are refused.
    pooled_width = None if width is None else width * n_vectors
    _check_number_of_classes(nO, pooled_width or 1)
    make_output_layer: Callable[[int | None, int | None], OutputLayer] = Softmax if exclusive_classes else Linear
    output_layer = make_output_layer(nO, pooled_width)
    pooled: DocScoresModel = chain(tok2vec, fill_empty(), list2ragged(), make_pooling(width))
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
