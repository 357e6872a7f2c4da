"""Wrap a torch module that embeds word types as a thinc layer that embeds docs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from spacy.tokens import Doc
from thinc.api import Model, glorot_uniform_init
from thinc.types import ArrayXd, Floats2d
from torch import Tensor, nn

from .bloom_filter import make_bloom_filter
from .context_counts import ContextCounts
from .convert import array_to_tensor, concatenate_documents, split_documents, tensor_to_array
from .features import Indices
from .hashing import hash_attributes, hash_characters
from .model_types import Tok2VecModel
from .shim import TorchShim, get_shim
from .static_vectors import get_vectors, look_up_vectors
from .word_types import WordTypes, find_word_types


def with_word_types(
    name: str,
    module: nn.Module,
    *,
    nO: int,
    attrs: Sequence[int],
    rows: Sequence[int],
    char_rows: int | None,
    max_chars: int,
    static_vectors: bool,
    identity_dropout: float = 0.0,
    mixed_precision: bool = False,
) -> Tok2VecModel:
    """Wrap a torch module that embeds word types, such as `WordEmbedding`, as a layer that embeds docs.

    name: the layer's name.
    module: the torch module. Initialising the layer calls its `reset_parameters`.
    nO: width of the token vectors.
    attrs: ids of the token attributes to embed.
    rows: number of rows in the embedding table of each attribute.
    char_rows: number of rows in the embedding table of characters, or None to read no characters.
    max_chars: number of characters to read of a word, >= 1. A longer word is read as its start and its end.
    static_vectors: whether to include the vectors of the docs' vocab. Their projection is a parameter of the layer, not
        of the module, because its width `nM` is known only when the layer is initialised or loaded.
    identity_dropout: a token of a word with n contexts in training is treated as unseen with the probability
        identity_dropout / (identity_dropout + n), so it is no rate but a number of contexts, >= 0. Above 0, all unseen
        words share one identity in prediction too, and the attribute `seen` keeps a filter of the words seen in
        training. With 0, each unseen word keeps an identity of its own, which the model has learned nothing about.
    mixed_precision: whether to compute in half precision on CUDA.
    RETURNS: the layer. `[training] dropout` reaches it through its attribute `dropout_rate`.
    """
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": nO, "nM": None} if static_vectors else {"nO": nO},
        params={"W": None} if static_vectors else {},
        # Saved models contain these names. The context counts are None or not saved.
        attrs={
            "dropout_rate": 0.0,
            "attrs": list(attrs),
            "rows": list(rows),
            "char_rows": char_rows,
            "max_chars": max_chars,
            "static_vectors": static_vectors,
            "identity_dropout": identity_dropout,
            "seen": make_bloom_filter() if identity_dropout else None,
            "familiarity": ContextCounts() if identity_dropout else None,
        },
        shims=[TorchShim(module, mixed_precision)],
    )


def init(model: Tok2VecModel, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Initialise the weights. The sample's vocab determines the width of the static vectors.

    RAISES: ValueError if the layer includes static vectors and the sample's vocab has none, or there is no sample.
    """
    if model.attrs["static_vectors"]:
        if X:
            nM = get_vectors(X, model.name).shape[1]
            # A pipeline can be initialised again with other vectors. The width can change only without the parameter.
            model.set_param("W", None)
            model.set_dim("nM", nM, force=True)
        elif not model.has_dim("nM"):
            raise ValueError(
                f"Can't initialize the layer '{model.name}' without a sample of docs: it includes static vectors, and "
                "their width is taken from the docs' vocab. Pass docs to initialize, or set include_static_vectors to "
                "false."
            )
        model.set_param("W", glorot_uniform_init(model.ops, (model.get_dim("nO"), model.get_dim("nM"))))
    if model.attrs["seen"] is not None:
        model.attrs["seen"], model.attrs["familiarity"] = make_bloom_filter(), ContextCounts()
    get_shim(model).module.reset_parameters()  # type: ignore[operator]


def forward(
    model: Tok2VecModel, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Embed the word types of the docs, and return the vector of its type for each token.

    RAISES: ValueError if the layer includes static vectors, and the docs' vocab has none or some of another width.
    """
    return _run(model, X, model.attrs["dropout_rate"] if is_train else None)


def begin_pretraining(
    model: Tok2VecModel, X: list[Doc], counts: ContextCounts
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Embed docs of raw text as in training, but without dropout of features.

    model: the layer. Of the docs' words, it adds only those that pretraining knows well to those that it has seen.
    X: the docs.
    counts: the context counts of this pretraining. Those of the layer do not change.
    RETURNS: the vectors of the docs' tokens, and the callback of backpropagation.
    RAISES: ValueError as for the layer itself.
    """
    return _run(model, X, 0.0, counts)


def _run(
    model: Tok2VecModel, X: list[Doc], dropout: float | None, pretraining_counts: ContextCounts | None = None
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Embed docs, in training if there is a rate of dropout."""
    shim = get_shim(model)
    lengths = [len(doc) for doc in X]
    weights: list[Tensor] = []
    inputs: dict[str, Any] = {"lengths": lengths}
    if any(lengths):
        types, token_types = find_word_types(model, X, dropout is not None, pretraining_counts)
        weights, inputs = _get_projection(model), inputs | _get_inputs(model, types)
        inputs["token_types"] = _to_tensor(token_types, shim.device)
    else:
        inputs["token_types"] = torch.zeros(0, dtype=torch.int64, device=shim.device)
    if dropout is not None:
        output, torch_backprop = shim.begin_update(weights, output_dropout=dropout, **inputs)
    else:
        output = shim.predict(*weights, **inputs)

    def backprop(dY: list[Floats2d]) -> list[Doc]:
        d_output = concatenate_documents(model.ops, dY, model.get_dim("nO"))
        for d_projection in torch_backprop(array_to_tensor(d_output, shim.device, shim.dtype)):
            model.inc_grad("W", tensor_to_array(d_projection, model.ops))
        return []

    return split_documents(tensor_to_array(output, model.ops), lengths), backprop


def embed_types(model: Tok2VecModel, types: WordTypes) -> Tensor:
    """Embed word types, as at inference.

    model: the layer.
    types: the types, as `find_word_types` returns them for the layer.
    RETURNS: their vectors. Shape `(n_types, nO)`.
    """
    vectors: Tensor = get_shim(model).module.embed_types(  # type: ignore[operator]
        *_get_projection(model), **_get_inputs(model, types)
    )
    return vectors


def find_invalid_attribute(model: Tok2VecModel, stored: Mapping[str, Any]) -> str | None:
    """Find an attribute that was stored with other weights than this layer's, or that is damaged.

    model: the layer.
    stored: stored attributes by name. The layer keeps its own value of an attribute that is not stored.
    RETURNS: what is invalid, for a message, or None if all attributes fit.
    """
    own = model.attrs
    for name in ("attrs", "rows", "char_rows", "max_chars", "static_vectors"):
        if name in stored and (stored[name] != own[name] or type(stored[name]) is not type(own[name])):
            return f"the attribute '{name}' is {stored[name]!r}, but the model's is {own[name]!r}"
    strength = stored.get("identity_dropout", own["identity_dropout"])
    if not (isinstance(strength, (int, float)) and 0.0 <= strength < math.inf):
        return f"the attribute 'identity_dropout' is {strength!r}, but must be a number of at least 0"
    if bool(strength) != (own["seen"] is not None):
        return f"the attribute 'identity_dropout' is {strength}, but the model's is {own['identity_dropout']}"
    seen = stored.get("seen", own["seen"])
    if (seen is None) != (own["seen"] is None) or (
        seen is not None and (seen.dtype != own["seen"].dtype or seen.shape != own["seen"].shape)
    ):
        return "the attribute 'seen' is not the filter of the words seen in training"
    if stored.get("familiarity") is not None or ("familiarity" in stored and own["familiarity"] is not None):
        return "the attribute 'familiarity' can't be stored"
    unknown = [name for name in stored if name not in own]
    return f"the attribute '{unknown[0]}' is unknown" if unknown else None


def _get_projection(model: Tok2VecModel) -> list[Tensor]:
    """Return the projection of static vectors, if the layer includes them."""
    shim = get_shim(model)
    return [array_to_tensor(model.get_param("W"), shim.device, shim.dtype)] if model.attrs["static_vectors"] else []


def _get_inputs(model: Tok2VecModel, types: WordTypes) -> dict[str, Any]:
    """Return the arguments of the module that describe word types."""
    shim = get_shim(model)
    inputs: dict[str, Any] = {}
    if types.attrs:
        inputs["hashed_attrs"] = _to_tensor(hash_attributes(types.attrs, model.attrs["rows"]), shim.device)
    if types.orths is not None:
        hashed, chars, inputs["char_lengths"] = hash_characters(
            types.get_words(), model.attrs["max_chars"], model.attrs["char_rows"]
        )
        inputs["hashed_chars"], inputs["chars"] = (_to_tensor(array, shim.device) for array in (hashed, chars))
    if types.vectors is not None and types.vector_keys is not None:
        inputs["vectors"], inputs["has_vector"] = look_up_vectors(
            types.vectors, types.vector_keys, shim.device, shim.dtype
        )
    return inputs


def _to_tensor(array: Indices, device: torch.device) -> Tensor:
    return array_to_tensor(cast(ArrayXd, array), device)
