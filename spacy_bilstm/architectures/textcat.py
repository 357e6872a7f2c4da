"""The text classifier. Docs come in, their rows in context are pooled, a score a class goes out."""

from collections.abc import Callable

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

from ..bridge.model_types import DocScoresModel, EncoderModel, OutputLayer, PoolingModel, Tok2VecModel
from .output_layer import copy_outputs


def build_textcat_v1(
    tok2vec: Tok2VecModel, exclusive_classes: bool, pooling: str, nO: int | None = None
) -> DocScoresModel:
    """Classify docs by their pooled rows in context; takes the place of `spacy.TextCatReduce.v1`.

    An empty doc is pooled to zeros, so its scores are what the classes have without any evidence.

    tok2vec: the embedding in context, from docs to one array of shape `(len(doc), width)` each; it may be a listener.
    exclusive_classes: whether just one class is true of a doc. Its scores then sum to 1 (softmax); otherwise each lies
        between 0 and 1 by itself (logistic).
    pooling: how the rows of a doc become one: `"max"`, the greatest value of each feature (Conneau et al. 2017);
        `"mean"`, their mean; `"attention"`, a mean weighted by softmax of the rows' products with a learned vector
        (Zhou et al. 2016); `"last"`, the rows of the last and of the first token, which are where a forward and a
        backward direction have read the whole doc (Graves 2012).
    nO: number of classes; that of the labels when the model is initialised, if None.
    RETURNS: the model, from docs to scores of shape `(n_docs, nO)`, with the references `tok2vec` and `output_layer`.
        Its attribute `resize_output` adds classes to it.
    RAISES: ValueError for another pooling.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"Unknown pooling '{pooling}' of a text classifier. Use one of: {', '.join(POOLINGS)}.")
    make_output_layer: Callable[[int | None], OutputLayer] = Softmax if exclusive_classes else Linear
    output_layer = make_output_layer(nO)
    pooled: DocScoresModel = chain(tok2vec, fill_empty(), list2ragged(), POOLINGS[pooling]())
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


def _make_attention() -> PoolingModel:
    attention = ParametricAttention_v2()
    attention.init = _init_attention
    return chain(attention, reduce_sum())


def _init_attention(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: object = None) -> None:
    # A chain hands the classes to each layer that lacks its width, but this one takes it from its input.
    init_attention_layer(model, X)


def _make_last() -> PoolingModel:
    return concatenate(reduce_last(), reduce_first())


POOLINGS: dict[str, Callable[[], PoolingModel]] = {
    "max": reduce_max,
    "mean": reduce_mean,
    "attention": _make_attention,
    "last": _make_last,
}
"""How the rows of a doc become one row."""


def fill_empty() -> EncoderModel:
    """Give each empty doc one row of zeros, as thinc's reductions refuse sequences without rows.

    RETURNS: the layer, from arrays of shape `(length, width)` to such arrays with length >= 1.
    """
    return Model("fill_empty", _fill_empty)


def _fill_empty(
    model: EncoderModel, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        return [d_rows[: len(rows)] for d_rows, rows in zip(dY, X, strict=True)]

    return [rows if len(rows) else model.ops.alloc2f(1, rows.shape[1]) for rows in X], backprop


def resize_output(model: DocScoresModel, new_nO: int) -> DocScoresModel:
    """Add classes after those that there are.

    The new classes' weights are zero, and all others stay as they are. The output layer is a new one, with an id of its
    own, as an optimizer's state for the old one would not fit.

    model: the model, as `build_textcat_v1` makes it.
    new_nO: number of classes, not less than there are.
    RETURNS: the model itself.
    RAISES: ValueError if there are more classes than that.
    """
    old: OutputLayer = model.get_ref("output_layer")
    if not old.has_param("W"):
        old.set_dim("nO", new_nO, force=True)
    else:
        make_layer = Linear if model.attrs["multi_label"] else Softmax
        model.replace_node(old, copy_outputs(old, make_layer(new_nO, old.get_dim("nI"))))
    model.set_dim("nO", new_nO, force=True)
    return model
