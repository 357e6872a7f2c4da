"""Chain an embedding of word types and an encoder, with a cache of the types for inference on CPU.

Most word types of a batch were in an earlier batch. Neither their vectors nor the encoder's input gates depend on
neighbouring tokens, so the cache keeps both. Results do not depend on the cache: it is emptied when anything changes
that its entries depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.layers.chain import forward as run_chain
from thinc.types import Floats2d
from torch import Tensor

from .cache_key import ModelFingerprint, can_track_changes, get_weights
from .checked_model import CheckedModel
from .convert import split_documents, tensor_to_array
from .features import Indices, hash_features
from .fork import make_fork_safe
from .model_types import EncoderModel, Tok2VecModel
from .shim import TorchShim, get_shim
from .type_cache import CacheStatistics, TypeCache
from .whitespace import Words, find_words
from .word_embedding_layer import embed_types
from .word_types import find_word_types

_CACHE = "type_cache"


class InputGates(Protocol):
    """Weights that an encoder has prepared to compute input gates from."""

    def compute_gates(self, vectors: Tensor) -> Tensor:
        """Return the input gates of token vectors. Shape `(n, n_directions, n_gates * hidden_width)`."""
        ...


class GateEncoder(Protocol):
    """A torch module that can start from the input gates of its first layer, such as `RecurrentEncoder`."""

    n_directions: int

    def prefers_input_gates(self, lengths: Sequence[int]) -> bool:
        """Return whether `forward_from_gates` is faster for documents of these lengths, if the gates are cached."""
        ...

    def prepare_input_gates(self) -> InputGates | None:
        """Return a copy of the present weights that computes input gates, or None if there is no use for the gates."""
        ...

    def forward_from_gates(
        self, prepared: InputGates, gates: Tensor, gate_index: Tensor, lengths: Sequence[int]
    ) -> Tensor:
        """Encode documents. `gate_index` has the index of each token in `gates`."""
        ...

    def __call__(self, vectors: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode documents from their concatenated token vectors."""
        ...


def with_type_cache(
    embed: Tok2VecModel, encode: EncoderModel, max_bytes: int, skip_whitespace: bool = False
) -> Tok2VecModel:
    """Chain a layer that embeds word types and one that encodes token vectors, with a type cache for inference.

    The cache is used on CPU, if `embed` is a layer of `with_word_types` and the torch module of `encode` is a
    `GateEncoder`. Otherwise the layer computes the same as thinc's `chain`.

    embed: the layer from docs to token vectors.
    encode: the layer from token vectors to token vectors.
    max_bytes: memory that the cache may take, >= 0; with 0 there is none. While it grows, part of it exists twice.
    skip_whitespace: whether `encode` reads only tokens that are not whitespace. The others get a vector of zeros.
    RETURNS: the layer.
    """
    plain: Tok2VecModel = chain(embed, encode)
    return CheckedModel(
        plain.name,
        forward_words if skip_whitespace else forward,
        init=plain.init,
        dims={name: plain.maybe_get_dim(name) for name in plain.dim_names},
        layers=[embed, encode],
        attrs={_CACHE: TypeCache(max_bytes)},
    )


def get_cache_statistics(model: Model[Any, Any]) -> CacheStatistics:
    """Return the hits, the misses and the size of a model's type cache.

    model: a model that has a type cache, such as `spacy-bilstm.Tok2Vec.v1`, itself or below it.
    RETURNS: the statistics; those of the first cache, if there are several.
    RAISES: ValueError if the model has no type cache.
    """
    return _find_cache(model).get_statistics()


def clear_cache(model: Model[Any, Any]) -> None:
    """Discard all entries of a model's type cache.

    The cache itself notices when weights, vectors or settings change. It can't notice that memory of weights or of
    static vectors is overwritten without torch and thinc, as by `nlp.vocab.vectors.data[row] = vector`: then call this.

    model: a model that has a type cache, itself or below it.
    RAISES: ValueError if the model has no type cache.
    """
    _find_cache(model).clear()


def skips_whitespace(model: Tok2VecModel) -> bool:
    """Return whether the encoder of a model reads only the tokens that are not whitespace.

    model: any model of docs, such as `spacy-bilstm.Tok2Vec.v1`.
    """
    return model._func is forward_words


def _find_cache(model: Model[Any, Any]) -> TypeCache:
    for node in model.walk():
        if _CACHE in node.attrs:
            cache: TypeCache = node.attrs[_CACHE]
            return cache
    raise ValueError(
        f"The model '{model.name}' has no type cache. Use a model of spacy-bilstm.Tok2Vec.v1, which has one."
    )


def forward(
    model: Tok2VecModel, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Embed and encode docs, with the cache if it can be used."""
    return _run(model, X, is_train, None)


def forward_words(
    model: Tok2VecModel, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Do the same as `forward`, but encode only the tokens that are not whitespace."""
    return _run(model, X, is_train, find_words(X))


def _run(
    model: Tok2VecModel, X: list[Doc], is_train: bool, words: Words | None
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    embed, encode = model.layers
    lengths = [len(doc) for doc in X] if words is None else words.lengths
    cache: TypeCache = model.attrs[_CACHE]
    if is_train or not cache.max_bytes or not any(lengths) or not _supports_cache(embed, encode):
        return _run_layers(model, X, is_train, words)
    weights = get_weights(embed, encode)
    if not can_track_changes(weights):
        return _run_layers(model, X, is_train, words)
    make_fork_safe()
    with torch.no_grad():
        output = _predict(embed, encode, cache, X, lengths, weights, words)
    vectors = split_documents(tensor_to_array(output, model.ops), lengths)
    if words is not None:
        vectors = words.restore(vectors, model.ops)
    return vectors, _refuse_backprop


def _run_layers(
    model: Tok2VecModel, X: list[Doc], is_train: bool, words: Words | None
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    if words is None:
        return run_chain(model, X, is_train)
    embed, encode = model.layers
    embedded, backprop_embed = embed(X, is_train)
    inputs = words.select(embedded, model.ops)
    if any(words.lengths) or not encode.has_dim("nO"):
        encoded, backprop_encode = encode(inputs, is_train)
    else:  # Not every encoder can read a batch without words.
        encoded, backprop_encode = [model.ops.alloc2f(0, encode.get_dim("nO"))] * len(inputs), lambda d_encoded: inputs

    def backprop(dY: list[Floats2d]) -> list[Doc]:
        d_embedded = backprop_encode(words.select(dY, model.ops))
        return cast(list[Doc], backprop_embed(words.restore(d_embedded, model.ops)))

    return words.restore(encoded, model.ops), backprop


def _refuse_backprop(dY: list[Floats2d]) -> list[Doc]:
    raise ValueError("A prediction can't be backpropagated. Call the model with is_train=True.")


def _supports_cache(embed: Tok2VecModel, encode: EncoderModel) -> bool:
    return _has_method_on_cpu(embed, "embed_types") and _has_method_on_cpu(encode, "forward_from_gates")


def _has_method_on_cpu(layer: Model[Any, Any], name: str) -> bool:
    shim = layer.shims[0] if layer.shims else None
    return isinstance(shim, TorchShim) and hasattr(shim.module, name) and shim.device.type == "cpu"


def _predict(
    embed: Tok2VecModel,
    encode: EncoderModel,
    cache: TypeCache,
    docs: Sequence[Doc],
    lengths: Sequence[int],
    weights: Sequence[Tensor],
    words: Words | None,
) -> Tensor:
    encoder = cast(GateEncoder, get_shim(encode).module)
    types, token_types = find_word_types(embed, docs)
    if words is not None:
        token_types = token_types[words.is_word]
    fingerprint = ModelFingerprint.read(embed, encode, weights, types.vectors)
    generation = cache.open(fingerprint, encoder.prepare_input_gates)
    prepared = generation.prepared

    def compute(misses: Indices) -> Tensor:
        vectors = embed_types(embed, types.select(misses))
        return vectors if prepared is None else torch.cat((vectors, prepared.compute_gates(vectors).flatten(1)), 1)

    features = types.get_features()
    cached = cache.get_or_compute(generation, hash_features(features), features, compute)
    width, index = embed.get_dim("nO"), torch.from_numpy(token_types)
    if prepared is not None and encoder.prefers_input_gates(lengths):
        gates = cached[:, width:].unflatten(1, (encoder.n_directions, -1))
        return encoder.forward_from_gates(prepared, gates, index, lengths)
    return encoder(cached[:, :width].index_select(0, index), lengths)
