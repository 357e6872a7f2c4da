"""SpaCy's docs become the types of a batch, and a torch module that embeds types becomes a thinc layer.

A type is a distinct row of the features that the embedding reads. Most tokens share theirs with others of the batch,
so whatever costs something is done once a type: hashing, reading characters, looking up vectors, and the torch part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, cast

import numpy
import torch
from numpy.typing import NDArray
from spacy.attrs import LEMMA, LOWER, NORM, ORTH
from spacy.tokens import Doc
from spacy.vectors import BaseVectors, Mode, Vectors
from thinc.api import Model, NumpyOps, glorot_uniform_init
from thinc.types import ArrayXd, Floats2d
from torch import Tensor, nn

from .convert import array_to_tensor, concatenate_rows, split_rows, tensor_to_array
from .familiarity import Familiarity, is_augmented
from .model_types import Tok2VecModel
from .seen_words import add_words, are_seen, make_filter
from .shim import TorchShim, get_shim

# Hashed on CPU wherever the module is: there are few types, and a model must find its rows on every device.
_HASHING = NumpyOps()
# The attributes that tell which word a token is, rather than what it looks like.
_IDENTITY_ATTRS = {ORTH, LOWER, NORM, LEMMA}
# The column of features that says of a token in training that its identity is dropped.
_DROPPED = "dropped"
# The identity that all words share which the model does not know; no string has this hash.
_UNSEEN = numpy.uint64(1)
_CHAR_SEED = 7
_FIRST_ATTR_SEED = 8
# Odd, so that no bit of an earlier feature is lost. From Steele and Vigna (2021), for multiplication modulo 2**64.
_KEY_MULTIPLIER = numpy.uint64(0xD1342543DE82EF95)


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
    """Wrap a torch module that embeds types, as `nn.embed.WordEmbedding` does, as a layer that embeds docs.

    name: the layer's name.
    module: the torch module. Its `reset_parameters` initialises its weights when the layer is initialised.
    nO: width of the rows that go out.
    attrs: ids of the token attributes to embed.
    rows: number of rows in the table of each attribute.
    char_rows: number of rows in the table of characters, or None for no characters.
    max_chars: number of characters of a word that are read, >= 1: all, or as many from its start as from its end.
    static_vectors: whether to read the vectors of the docs' vocab. Their projection is a parameter of the layer, not
        of the module, as its width `nM` is known only when the layer is initialised or loaded.
    identity_dropout: a token of a word that was met in n different contexts gets the identity of a word never seen in
        training with the probability rate / (rate + n), rate >= 0. With a rate all words that training has not met
        share one identity in prediction, too: the attribute `seen` keeps a filter of those that it has. Without one,
        each keeps its own, which training says nothing about.
    mixed_precision: whether to compute in half precision on CUDA.
    RETURNS: the layer. `[training] dropout` reaches it through its attribute `dropout_rate`.
    """
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": nO, "nM": None} if static_vectors else {"nO": nO},
        params={"W": None} if static_vectors else {},
        attrs={
            "dropout_rate": 0.0,
            "attrs": list(attrs),
            "rows": list(rows),
            "char_rows": char_rows,
            "max_chars": max_chars,
            "static_vectors": static_vectors,
            "identity_dropout": identity_dropout,
            "seen": make_filter() if identity_dropout else None,
            "familiarity": Familiarity() if identity_dropout else None,
        },
        shims=[TorchShim(module, mixed_precision)],
    )


def init(model: Tok2VecModel, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Initialise the weights, and take the width of the static vectors from the sample's vocab.

    RAISES: ValueError if static vectors are wanted and the sample's vocab has none.
    """
    if model.attrs["static_vectors"]:
        if X:
            nM = get_vectors(model, X).shape[1]
            # Without its parameter the width may change: a pipeline may be initialised again, with other vectors.
            model.set_param("W", None)
            model.set_dim("nM", nM, force=True)
        elif not model.has_dim("nM"):
            raise ValueError(
                f"Can't initialize the layer '{model.name}' without a sample of docs: it includes static vectors, and "
                "only the docs' vocab tells their width. Pass docs to initialize, or set include_static_vectors to "
                "false."
            )
        model.set_param("W", glorot_uniform_init(model.ops, (model.get_dim("nO"), model.get_dim("nM"))))
    if model.attrs["seen"] is not None:
        model.attrs["seen"], model.attrs["familiarity"] = make_filter(), Familiarity()
    get_shim(model).module.reset_parameters()  # type: ignore[operator]


def forward(
    model: Tok2VecModel, X: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Embed the types of the docs and give each token the row of its type.

    RAISES: ValueError if static vectors are wanted and the docs' vocab has none, or of another width.
    """
    shim = get_shim(model)
    lengths = [len(doc) for doc in X]
    inputs: list[Tensor] = []
    features: dict[str, Any]
    if sum(lengths):
        features = extract_types(model, X, is_train)
        if model.attrs["static_vectors"]:
            inputs.append(array_to_tensor(model.get_param("W"), shim.device, shim.dtype))
    else:
        features = {"token_types": torch.zeros(0, dtype=torch.int64, device=shim.device)}
    if is_train:
        output, torch_backprop = shim.begin_update(
            inputs, lengths=lengths, output_dropout=model.attrs["dropout_rate"], **features
        )
    else:
        output = shim.predict(*inputs, lengths=lengths, **features)

    def backprop(dY: list[Floats2d]) -> list[Doc]:
        d_rows = concatenate_rows(model.ops, dY, model.get_dim("nO"))
        for d_projection in torch_backprop(array_to_tensor(d_rows, shim.device, shim.dtype)):
            model.inc_grad("W", tensor_to_array(d_projection, model.ops))
        return []

    return split_rows(tensor_to_array(output, model.ops), lengths), backprop


def extract_types(model: Tok2VecModel, docs: list[Doc], is_train: bool = False) -> dict[str, Any]:
    """Reduce docs to their types.

    model: the layer. In training it gets to know the docs' words.
    docs: the docs, with at least one token.
    is_train: whether this is training, in which the identity of some tokens is dropped.
    RETURNS: arguments of the module's `forward` that describe the types and say which token has which.
    RAISES: ValueError if static vectors are wanted and the docs' vocab has none, or of another width.
    """
    columns = list_columns(model, docs)
    features = extract_features(docs, columns)
    identities = [i for i, column in enumerate(columns) if column in _IDENTITY_ATTRS]
    if is_train and model.attrs["identity_dropout"] and identities:
        is_dropped = _draw_dropped(model, features[:, identities[0]], docs)
        features = numpy.column_stack((features, is_dropped.astype("uint64")))
        columns.append(_DROPPED)
    representatives, token_types = find_types(features)
    values = dict(zip(columns, features[representatives].T, strict=True))
    if is_train:
        _get_to_know(model, values)
    types = describe_types(model, docs, values, representatives)
    return {"token_types": _to_tensor(token_types, get_shim(model).device), **types}


def list_columns(model: Tok2VecModel, docs: list[Doc]) -> list[int | str]:
    """Give the attributes that the layer reads of tokens.

    model: the layer.
    docs: the docs, at least one.
    RETURNS: ids of the attributes, each once.
    RAISES: ValueError if static vectors are wanted and the docs' vocab has none.
    """
    columns: list[int | str] = list(model.attrs["attrs"])
    if model.attrs["char_rows"] is not None:
        columns.append(ORTH)
    if model.attrs["static_vectors"]:
        columns.append(_key_attr(get_vectors(model, docs)))
    return list(dict.fromkeys(columns))


def identify_types(
    model: Tok2VecModel, docs: list[Doc], values: dict[int | str, NDArray[numpy.uint64]]
) -> NDArray[numpy.uint64]:
    """Give all that the types' rows depend on besides the layer's weights and the vectors of the vocab.

    model: the layer.
    docs: the docs that the types are from.
    values: the types' values of each attribute, by its id. Shape `(n_types,)` each.
    RETURNS: one row a type, which equals that of another type only where both are embedded alike. Shape
        `(n_types, n)`.
    """
    parts = [_identify(model, values, attr) for attr in model.attrs["attrs"]]
    if model.attrs["char_rows"] is not None:
        parts.append(values[ORTH])
    if model.attrs["static_vectors"]:
        parts.append(values[_key_attr(get_vectors(model, docs))])
    return numpy.stack(parts, axis=1)


def describe_types(
    model: Tok2VecModel,
    docs: list[Doc],
    values: dict[int | str, NDArray[numpy.uint64]],
    representatives: NDArray[numpy.int64],
) -> dict[str, Any]:
    """Hash the attributes of types, read their characters and look up their vectors.

    model: the layer.
    docs: the docs that the types are from.
    values: the types' values of each attribute, by its id. Shape `(n_types,)` each.
    representatives: for each type a token of the docs that has it. Shape `(n_types,)`.
    RETURNS: arguments of the module's `embed_types`.
    RAISES: ValueError if the vectors of the docs' vocab are of another width than those the layer was initialised with.
    """
    shim = get_shim(model)
    attrs, rows, char_rows = (model.attrs[name] for name in ("attrs", "rows", "char_rows"))
    types: dict[str, Any] = {}
    if attrs:
        hashed = hash_attributes([_identify(model, values, attr) for attr in attrs], rows)
        types["hashed_attrs"] = _to_tensor(hashed, shim.device)
    if char_rows is not None:
        words = _get_words(docs, values[ORTH], representatives)
        hashed_chars, chars, types["char_lengths"] = read_characters(words, model.attrs["max_chars"], char_rows)
        types["hashed_chars"] = _to_tensor(hashed_chars, shim.device)
        types["chars"] = _to_tensor(chars, shim.device)
    if model.attrs["static_vectors"]:
        vectors = get_vectors(model, docs)
        _check_width(model, vectors)
        keys = values[_key_attr(vectors)]
        types["vectors"], types["has_vector"] = look_up_vectors(vectors, keys, shim.device, shim.dtype)
    return types


def _get_to_know(model: Tok2VecModel, values: dict[int | str, NDArray[numpy.uint64]]) -> None:
    """Add the identities of types to those that training has met."""
    seen = model.attrs["seen"]
    if seen is None:
        return
    if not seen.flags.writeable:  # as loading leaves it
        seen = model.attrs["seen"] = seen.copy()
    for attr in _IDENTITY_ATTRS.intersection(model.attrs["attrs"]):
        add_words(seen, values[attr])


def _draw_dropped(model: Tok2VecModel, words: NDArray[numpy.uint64], docs: list[Doc]) -> NDArray[numpy.bool_]:
    """Say which tokens lose their identity: rather those of words that are rare in training."""
    familiarity: Familiarity = model.attrs["familiarity"]
    is_of_corpus = [not is_augmented(doc) for doc in docs]
    met = words[numpy.repeat(is_of_corpus, [len(doc) for doc in docs])]
    familiarity.meet(met, [len(doc) for doc in compress(docs, is_of_corpus)])
    rate = model.attrs["identity_dropout"]
    n_contexts = numpy.maximum(familiarity.count(words), 1)
    return cast(NDArray[numpy.bool_], numpy.random.random(len(words)) < rate / (rate + n_contexts))


def _identify(model: Tok2VecModel, values: dict[int | str, NDArray[numpy.uint64]], attr: int) -> NDArray[numpy.uint64]:
    """Give the types' values of an attribute, that of unseen words for an identity not met or dropped."""
    seen = model.attrs["seen"]
    if seen is None or attr not in _IDENTITY_ATTRS:
        return values[attr]
    is_known = are_seen(seen, values[attr])
    if _DROPPED in values:
        is_known &= values[_DROPPED] == 0
    return numpy.where(is_known, values[attr], _UNSEEN)


def extract_features(docs: list[Doc], columns: list[int | str]) -> NDArray[numpy.uint64]:
    """Give the attributes of all tokens.

    docs: the docs.
    columns: ids of the attributes, at least one.
    RETURNS: the attributes' values. Shape `(n_tokens, n_columns)`.
    """
    features = numpy.concatenate([doc.to_array(columns) for doc in docs])
    return cast(NDArray[numpy.uint64], features.reshape(len(features), len(columns)))


def find_types(features: NDArray[numpy.uint64]) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
    """Find the distinct rows of the tokens' features.

    Rows are told apart by a hash of 64 bits, which sorts several times faster than rows. That equal hashes meant equal
    rows is then checked, so the result is exact.

    features: one row a token, with at least one column. Shape `(n_tokens, n_columns)`.
    RETURNS: for each type a token that has it, and for each token its type. Shapes `(n_types,)` and `(n_tokens,)`.
    """
    distinct, token_types = numpy.unique(hash_rows(features), return_inverse=True)
    representatives = numpy.empty(len(distinct), dtype="int64")
    representatives[token_types] = numpy.arange(len(features))
    if not numpy.array_equal(features[representatives[token_types]], features):
        _, representatives, token_types = numpy.unique(features, axis=0, return_index=True, return_inverse=True)
    return representatives, token_types.reshape(-1)  # NumPy 2.0 alone gives a column.


def hash_rows(features: NDArray[numpy.uint64]) -> NDArray[numpy.uint64]:
    """Hash each row to 64 bits. Unequal rows seldom have equal hashes.

    features: the rows, with at least one column. Shape `(n, n_columns)`.
    RETURNS: the hashes. Shape `(n,)`.
    """
    hashes = features[:, 0]
    for column in features.T[1:]:
        hashes = hashes * _KEY_MULTIPLIER + column
    return hashes


def hash_attributes(values: Sequence[NDArray[numpy.uint64]], rows: Sequence[int]) -> NDArray[numpy.int64]:
    """Hash attributes to the rows of their tables, as spaCy's `MultiHashEmbed` does.

    values: the types' values of each attribute. Shape `(n_types,)` each.
    rows: number of rows of each attribute's table.
    RETURNS: four rows for each value. Shape `(n_types, n_attrs, 4)`.
    """
    hashed = [_hash(ids, _FIRST_ATTR_SEED + i, n) for i, (ids, n) in enumerate(zip(values, rows, strict=True))]
    return numpy.stack(hashed, axis=1)


def _hash(ids: NDArray[Any], seed: int, n_rows: int) -> NDArray[numpy.int64]:
    hashed = _HASHING.hash(numpy.ascontiguousarray(ids, dtype="uint64"), seed) % numpy.uint32(n_rows)
    return cast(NDArray[numpy.int64], hashed.astype("int64"))


def _get_words(docs: list[Doc], keys: NDArray[numpy.uint64], representatives: NDArray[numpy.int64]) -> list[str]:
    """Give the types' texts, each from the vocab of a doc that has it."""
    document = numpy.repeat(numpy.arange(len(docs)), [len(doc) for doc in docs])[representatives]
    stores = [doc.vocab.strings for doc in docs]
    return [stores[i][key] for i, key in zip(document.tolist(), keys.tolist(), strict=True)]


def read_characters(
    words: list[str], max_chars: int, n_rows: int
) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64], list[int]]:
    """Read words as the Unicode code points of their characters.

    words: the words; they may be empty.
    max_chars: number of characters of a word that are read, >= 1. A longer word is read as its first
        `max_chars - max_chars // 2` characters and its last `max_chars // 2`.
    n_rows: number of rows of the characters' table.
    RETURNS: the rows that the distinct characters are hashed to, shape `(n_distinct, 4)`; all words' characters as
        numbers of distinct ones, shape `(n_chars,)`; and the number of characters of each word.
    """
    n_end = max_chars // 2
    n_start = max_chars - n_end
    words = [word if len(word) <= max_chars else word[:n_start] + word[len(word) - n_end :] for word in words]
    code_points = numpy.frombuffer("".join(words).encode("utf-32-le"), dtype="<u4")
    distinct, chars = numpy.unique(code_points, return_inverse=True)
    return _hash(distinct, _CHAR_SEED, n_rows), chars, [len(word) for word in words]


def look_up_vectors(
    vectors: BaseVectors, keys: NDArray[numpy.uint64], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Look up static vectors.

    vectors: the vectors of a vocab, of any mode, on any device.
    keys: the words' keys. Shape `(n_words,)`.
    device: where the result is wanted.
    dtype: the type of the vectors in the result.
    RETURNS: the vectors, of any values for words that have none, and whether a word has one. Shapes
        `(n_words, vector_width)` and `(n_words,)`.
    """
    if isinstance(vectors, Vectors) and vectors.mode == Mode.default:
        rows = vectors.find(keys=keys.tolist())
        return array_to_tensor(vectors.data[rows], device, dtype), array_to_tensor(rows, device) >= 0
    # Subword vectors exist for every word but the empty one. Other tables have zeros for a word that they don't know.
    batch = array_to_tensor(vectors.get_batch(keys.tolist()), device, dtype)
    return batch, (batch != 0).any(dim=1)


def get_vectors(model: Tok2VecModel, docs: list[Doc]) -> BaseVectors:
    vectors = docs[0].vocab.vectors
    if 0 in vectors.shape:
        raise ValueError(
            f"The layer '{model.name}' includes static vectors, but the docs' vocab has none. Ensure that the vectors "
            "of the vocab are properly initialized, as with [initialize.vectors] or --paths.vectors, or set "
            "include_static_vectors to false."
        )
    return vectors


def _check_width(model: Tok2VecModel, vectors: BaseVectors) -> None:
    nM = model.get_dim("nM")
    if vectors.shape[1] != nM:
        raise ValueError(
            f"The layer '{model.name}' was initialized with static vectors of width {nM}, but those of the docs' vocab "
            f"have the width {vectors.shape[1]}. Give the vocab the vectors that the model was trained with, or "
            "initialize and train the model again."
        )


def _to_tensor(array: NDArray[Any], device: torch.device) -> Tensor:
    return array_to_tensor(cast(ArrayXd, array), device)


def _key_attr(vectors: BaseVectors) -> int:
    return cast(int, getattr(vectors, "attr", ORTH))  # Custom vectors may lack the attribute, as for spaCy.
