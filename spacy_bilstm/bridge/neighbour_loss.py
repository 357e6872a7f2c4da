"""A thinc layer that computes the losses of a language model that predicts the neighbours of each token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.tokens import Doc
from thinc.api import Model, Ops
from thinc.types import Floats1d, Floats2d
from torch import nn

from .cached_tok2vec import skips_whitespace
from .context_counts import ContextCounts
from .convert import array_to_tensor, concatenate_documents, split_documents, tensor_to_array
from .features import Features, read_features
from .hashing import hash_attributes
from .model_types import EncoderModel, Tok2VecModel
from .shim import TorchShim, get_shim
from .whitespace import find_words
from .word_embedding_layer import begin_pretraining

N_HASHES = 4
"""Number of hashes of a word, as many as thinc's hash function returns."""
_NO_WORD = 0  # the neighbour before the first token and after the last one

FindTargets = Callable[[Features, Sequence[int]], NDArray[numpy.int64]]
"""Makes the targets from the ORTH of all words and the number of words of each doc."""

LossModel = Model[list[Doc], Floats1d]
"""From docs to the losses of all words, which are the tokens that the tok2vec encodes. Shape `(n_words,)`."""


def with_neighbour_losses(tok2vec: Tok2VecModel, module: nn.Module, find_targets: FindTargets) -> LossModel:
    """Make the model that `spacy pretrain` trains.

    tok2vec: a model with the references `embed` and `encode`.
    module: the torch module, a language model that shares the layers of the encoder. The layer calls it with the
        vectors of all words, the number of words of each doc, and the targets; in training also with True and the rate
        of dropout. Initialising the layer calls its `reset_parameters`.
    find_targets: makes the targets.
    RETURNS: the model. Its attribute `loss` is `sum_losses`. Its reference `tok2vec` is the tok2vec, which `spacy
        pretrain` saves. The two share all weights except those on top of the encoder. The model leaves out whitespace
        if the tok2vec does.
    """
    encode: EncoderModel = tok2vec.get_ref("encode")
    return Model(
        "bidirectional_language_model",
        forward,
        init=init,
        layers=[tok2vec],
        shims=[TorchShim(module, get_shim(encode).mixed_precision)],
        refs={"tok2vec": tok2vec},
        attrs={"loss": sum_losses, "dropout_rate": 0.0, "find_targets": find_targets, "counts": ContextCounts()},
    )


def init(model: LossModel, X: list[Doc] | None = None, Y: Floats1d | None = None) -> None:
    """Initialise the weights on top of the encoder. `spacy pretrain` has initialised the tok2vec."""
    model.attrs["counts"] = ContextCounts()
    get_shim(model).module.reset_parameters()  # type: ignore[operator]


def forward(model: LossModel, X: list[Doc], is_train: bool) -> tuple[Floats1d, Callable[[Floats1d], list[Doc]]]:
    """Compute the losses of all words."""
    tok2vec: Tok2VecModel = model.get_ref("tok2vec")
    embed: Tok2VecModel = tok2vec.get_ref("embed")
    shim = get_shim(model)
    embedded, backprop_embed = _embed(embed, X, is_train, model.attrs["counts"])
    orths, lengths = read_features(X, [ORTH])[:, 0], [len(doc) for doc in X]
    words = find_words(X) if skips_whitespace(tok2vec) else None
    if words is not None:
        embedded, orths, lengths = words.select(embedded, model.ops), orths[words.is_word], words.lengths
    array = concatenate_documents(model.ops, embedded, embed.get_dim("nO"))
    vectors = array_to_tensor(array, shim.device, shim.dtype)
    targets = array_to_tensor(cast(Any, model.attrs["find_targets"](orths, lengths)), shim.device)
    if is_train:
        losses, torch_backprop = shim.begin_update([vectors], lengths, targets, True, model.attrs["dropout_rate"])
    else:
        losses = shim.predict(vectors, lengths, targets)

    def backprop(d_losses: Floats1d) -> list[Doc]:
        (d_vectors,) = torch_backprop(array_to_tensor(d_losses, shim.device, shim.dtype))
        d_embedded = split_documents(tensor_to_array(d_vectors, model.ops), lengths)
        return backprop_embed(d_embedded if words is None else words.restore(d_embedded, model.ops))

    return tensor_to_array(losses, model.ops), backprop


def sum_losses(ops: Ops, docs: list[Doc], losses: Floats1d) -> tuple[float, Floats1d]:
    """Sum the losses of a batch, as `spacy pretrain` reports them.

    ops: thinc's operations for the arrays.
    docs: the docs.
    losses: the losses of their words. Shape `(n_words,)`.
    RETURNS: the sum of the losses, and the gradient of their mean.
    """
    gradient = ops.alloc1f(len(losses))
    gradient += 1.0 / max(len(losses), 1)
    return float(ops.xp.sum(losses)), gradient


def find_buckets(words: Features, lengths: Sequence[int], n_buckets: int) -> NDArray[numpy.int64]:
    """Hash the neighbours of each word into buckets, in four independent ways.

    words: hashes of the words of documents, one document after the other. Shape `(n_words,)`.
    lengths: number of words of each document, each >= 0. They sum to n_words.
    n_buckets: number of buckets of each hash.
    RETURNS: the buckets of the next word and of the word before. Shape `(n_words, 2, 4)`.
    """
    length = numpy.asarray([n for n in lengths if n], dtype="int64")
    ends = length.cumsum()
    following, previous = numpy.roll(words, -1), numpy.roll(words, 1)
    following[ends - 1] = previous[ends - length] = _NO_WORD
    return hash_attributes([following, previous], [n_buckets, n_buckets])


def number_words(words: Features, lengths: Sequence[int]) -> NDArray[numpy.int64]:
    """Number the distinct words of a batch.

    words: hashes of the words of documents. Shape `(n_words,)`.
    lengths: not used.
    RETURNS: the number of each word, >= 0; equal words have equal numbers. Shape `(n_words,)`.
    """
    return numpy.unique(words, return_inverse=True)[1].astype("int64")


def _embed(
    embed: Tok2VecModel, docs: list[Doc], is_train: bool, counts: ContextCounts
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    # Dropout of features comes after the embedding: a candidate could be told from others by the features it lacks.
    if is_train and "familiarity" in embed.attrs:
        return begin_pretraining(embed, docs, counts)
    return embed(docs, is_train)
