"""What inference remembers of types of words. Docs come in, and go out embedded and encoded.

Most types of a batch were in an earlier one. Their rows and the encoder's input gates for them, which do not depend on
their neighbours, are kept in a table of bounded size, so that they cost a look-up. What is kept is what would be
computed again: the table is emptied when anything changes that it depends on.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.layers.chain import forward as run_chain
from thinc.types import Floats2d
from torch import Tensor

from .convert import array_to_tensor, split_rows, tensor_to_array
from .fork import make_fork_safe
from .model_types import EncoderModel, Tok2VecModel
from .shim import TorchShim, get_shim
from .word_types import (
    describe_types,
    extract_features,
    find_types,
    get_vectors,
    hash_rows,
    identify_types,
    list_columns,
)

Features = NDArray[numpy.uint64]
Indices = NDArray[numpy.int64]

_TABLE = "type_table"
_MISSING = -1
_FIRST_ROWS = 256
_SAMPLED = 997


class TableStatistics(NamedTuple):
    """What a type table did since it was made.

    hits: types of batches that were in the table.
    misses: types of batches that were not.
    n_types: types that are in the table now.
    n_bytes: memory that the table takes now.
    max_bytes: memory that it may take.
    """

    hits: int
    misses: int
    n_types: int
    n_bytes: int
    max_bytes: int


def with_type_table(embed: Tok2VecModel, encode: EncoderModel, max_bytes: int) -> Tok2VecModel:
    """Chain a layer that embeds types and one that encodes rows, with a table of the types' rows for inference.

    The table is used on CPU, if `embed` is a layer as `with_word_types` makes it and the module of `encode` can start
    from input gates, as `nn.recurrent.RecurrentEncoder` can. Everything else is computed as by thinc's `chain`.

    embed: the layer from docs to rows.
    encode: the layer from rows to rows.
    max_bytes: memory that the table may take, >= 0; with 0 there is none. While it grows, a part of it is there twice.
    RETURNS: the layer.
    """
    plain: Tok2VecModel = chain(embed, encode)
    return Model(
        plain.name,
        forward,
        init=plain.init,
        dims={name: plain.maybe_get_dim(name) for name in plain.dim_names},
        layers=[embed, encode],
        attrs={_TABLE: TypeTable(max_bytes)},
    )


def get_table_statistics(model: Model[Any, Any]) -> TableStatistics:
    """Say what the type table of a model did since it was made.

    model: a model that has one, such as `spacy-bilstm.Tok2Vec.v1`, itself or below it.
    RETURNS: the numbers; those of the first table, if there are several.
    RAISES: ValueError if the model has no type table.
    """
    return _find_table(model).get_statistics()


def empty_table(model: Model[Any, Any]) -> None:
    """Let the type table of a model forget all types.

    It does so by itself when weights, vectors or settings change. It can't notice that memory of weights or of static
    vectors was written past torch and thinc, as by `nlp.vocab.vectors.data[row] = vector`: call this then.

    model: a model that has a type table, itself or below it.
    RAISES: ValueError if the model has none.
    """
    _find_table(model).clear()


def _find_table(model: Model[Any, Any]) -> TypeTable:
    for node in model.walk():
        if _TABLE in node.attrs:
            table: TypeTable = node.attrs[_TABLE]
            return table
    raise ValueError(f"The model '{model.name}' has no type table. spacy-bilstm.Tok2Vec.v1 makes models that have one.")


def forward(model: Tok2VecModel, X: list[Doc], is_train: bool) -> tuple[list[Floats2d], Callable[..., Any]]:
    """Embed and encode docs, from the table where that is faster."""
    embed, encode = model.layers
    lengths = [len(doc) for doc in X]
    table: TypeTable = model.attrs[_TABLE]
    if is_train or not table.max_bytes or not _can_use_table(embed, encode, lengths):
        return run_chain(model, X, is_train)
    weights = [weight.detach() for layer in (embed, encode) for weight in _get_module(layer).parameters()]
    # Inference tensors do not say when they change.
    if any(weight.dtype is not torch.float32 or weight.is_inference() for weight in weights):
        return run_chain(model, X, is_train)
    make_fork_safe()
    with torch.no_grad():
        contents, types, token_types = _find_types(embed, encode, table, X, weights)
        encoder, row_width = _get_module(encode), embed.get_dim("nO")
        if encoder.prefers_input_gates(lengths):
            gates = types[:, row_width:].unflatten(1, (encoder.n_directions, -1))
            output = encoder.forward_from_gates(contents.gate_weights, gates, token_types, lengths)
        else:
            output = encoder(types[:, :row_width].index_select(0, token_types), lengths)
    return split_rows(tensor_to_array(output, model.ops), lengths), _no_backprop


def _no_backprop(d_output: Any) -> Any:
    raise ValueError("A prediction can't be backpropagated. Call the model with is_train=True.")


def _can_use_table(embed: Tok2VecModel, encode: EncoderModel, lengths: list[int]) -> bool:
    embedder, encoder = _get_module(embed), _get_module(encode)
    if not hasattr(embedder, "embed_types") or not hasattr(encoder, "forward_from_gates"):
        return False
    return any(lengths) and all(get_shim(layer).device.type == "cpu" for layer in (embed, encode))


def _get_module(layer: Model[Any, Any]) -> Any:
    shim = layer.shims[0] if layer.shims else None
    return shim.module if isinstance(shim, TorchShim) else None


def _find_types(
    embed: Tok2VecModel, encode: EncoderModel, table: TypeTable, docs: list[Doc], weights: list[Tensor]
) -> tuple[_Contents, Tensor, Tensor]:
    """Give the table's contents, the rows of the docs' types with their gates behind, and the type of each token."""
    columns = list_columns(embed, docs)
    features = extract_features(docs, columns)
    representatives, token_types = find_types(features)
    values = dict(zip(columns, features[representatives].T, strict=True))
    state = _State.read(embed, encode, docs, weights)
    contents = table.open(state, _get_module(encode).prepare_input_gates)

    def compute(types: Indices) -> Tensor:
        some = {column: of_types[types] for column, of_types in values.items()}
        rows = _embed_types(embed, docs, some, representatives[types])
        if not _get_module(encode).supports_input_gates:
            return rows
        return torch.cat((rows, contents.gate_weights.compute_gates(rows).flatten(1)), 1)

    types = table.look_up(contents, identify_types(embed, docs, values), compute)
    return contents, types, torch.from_numpy(token_types)


def _embed_types(
    embed: Tok2VecModel, docs: list[Doc], values: dict[int | str, Features], representatives: Indices
) -> Tensor:
    shim = get_shim(embed)
    types = describe_types(embed, docs, values, representatives)
    if embed.attrs["static_vectors"]:
        types["projection"] = array_to_tensor(embed.get_param("W"), shim.device, shim.dtype)
    rows: Tensor = shim.module.embed_types(**types)  # type: ignore[operator]
    return rows


@dataclass(frozen=True)
class _State:
    """All that the table depends on besides the features of their types, as it was at some time.

    torch counts the changes of a tensor, and the shim those that it makes past torch. An optimizer may make them later,
    when its step ends; but a step changes all weights of the encoder, so a sample of them shows it. The memory of
    weights that are held here can't be taken for other weights.
    """

    weights: list[Tensor]
    stamp: tuple[Any, ...]

    @classmethod
    def read(cls, embed: Tok2VecModel, encode: EncoderModel, docs: list[Doc], weights: list[Tensor]) -> _State:
        versions: tuple[Any, ...] = tuple((weight.data_ptr(), weight._version) for weight in weights)
        versions += tuple(get_shim(layer).n_changes for layer in (embed, encode))
        versions += (numpy.concatenate([weight.numpy().ravel()[::_SAMPLED] for weight in weights]).tobytes(),)
        settings = tuple(str(embed.attrs[name]) for name in ("attrs", "rows", "char_rows", "max_chars"))
        return cls(weights, (versions, settings, cls._read_vectors(embed, docs)))

    @staticmethod
    def _read_vectors(embed: Tok2VecModel, docs: list[Doc]) -> tuple[Any, ...]:
        if not embed.attrs["static_vectors"]:
            return ()
        vectors = get_vectors(embed, docs)
        projection = numpy.ascontiguousarray(embed.ops.to_numpy(embed.get_param("W")))
        data = getattr(vectors, "data", None)
        return (
            _Same(vectors),
            _Same(data),
            vectors.shape,
            getattr(vectors, "n_keys", 0),
            getattr(vectors, "attr", None),
            zlib.crc32(projection.data),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _State) and self.stamp == other.stamp


@dataclass(frozen=True, eq=False)
class _Same:
    """Is equal where it is of the same object, which lives as long as this does."""

    held: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held


class _Contents:
    """The types that a table remembers, all for one state of the model.

    gate_weights: the encoder's weights, as its module prepared them for gates.
    keys: hashes of the types, sorted. Shape `(n_types,)`.
    slots: where each of them is in what follows. Shape `(n_types,)`.
    features: what identifies each type. Shape `(n_slots, n_features)`.
    last_used: number of the batch that had each type last. Shape `(n_slots,)`.
    rows: the types' embedded rows, each with its input gates behind it. Shape `(n_slots, row_width)`.
    """

    def __init__(self, state: _State | None, gate_weights: Any) -> None:
        self.state = state
        self.gate_weights = gate_weights
        self.keys: Features = numpy.empty(0, dtype="uint64")
        self.slots: Indices = numpy.empty(0, dtype="int64")
        self.features: Features = numpy.empty((0, 0), dtype="uint64")
        self.last_used: Indices = numpy.empty(0, dtype="int64")
        self.rows = torch.empty(0)
        self.n_batches = 0

    @property
    def n_bytes(self) -> int:
        arrays = (self.keys, self.slots, self.features, self.last_used, self.rows)
        return sum(array.nbytes for array in arrays)

    def find(self, keys: Features, features: Features) -> Indices:
        """Give the slots of types, `_MISSING` for those that are not here. Shape `(n,)`."""
        if not len(self.keys):
            return numpy.full(len(keys), _MISSING)
        places, has_key = self._search(keys)
        slots = self.slots[places]
        # Equal hashes tell equal types but for a chance of one in many billions, and that is looked at, too.
        is_found = has_key & (self.features[slots] == features).all(axis=1)
        return numpy.where(is_found, slots, _MISSING)

    def _search(self, keys: Features) -> tuple[Indices, NDArray[numpy.bool_]]:
        """Give a place in `self.keys` for each key, which must not be empty, and whether the key stands there."""
        places = numpy.minimum(numpy.searchsorted(self.keys, keys), len(self.keys) - 1)
        return places, self.keys[places] == keys

    def use(self, slots: Indices) -> Tensor:
        """Give the rows of types that are here."""
        self.n_batches += 1
        self.last_used[slots] = self.n_batches
        return self.rows.index_select(0, torch.from_numpy(slots))

    def insert(self, keys: Features, features: Features, rows: Tensor, max_bytes: int) -> None:
        """Remember types, and forget those that were used longest ago where there is no room."""
        # A type whose hash is that of another one is not remembered.
        keys, first = numpy.unique(keys, return_index=True)
        # NumPy's isin goes through the whole table, which for a text with one new word is most of the work.
        is_new = ~self._search(keys)[1] if len(self.keys) else numpy.ones(len(keys), dtype=bool)
        row_bytes = rows[0].nbytes + features[0].nbytes + 3 * 8
        capacity = max_bytes // row_bytes
        keys, first = keys[is_new][:capacity], first[is_new][:capacity]
        if not len(keys):
            return
        self._forget(len(self.keys) + len(keys) - capacity, capacity)
        self._grow(len(self.keys) + len(keys), capacity, features, rows)
        is_free = numpy.ones(len(self.last_used), dtype=bool)
        is_free[self.slots] = False
        free = numpy.flatnonzero(is_free)[: len(keys)]
        self.features[free] = features[first]
        self.last_used[free] = self.n_batches
        self.rows[torch.from_numpy(free)] = rows[torch.from_numpy(first)]
        places = numpy.searchsorted(self.keys, keys)
        self.keys = numpy.insert(self.keys, places, keys)
        self.slots = numpy.insert(self.slots, places, free)

    def _forget(self, n_types: int, capacity: int) -> None:
        if n_types <= 0:
            return
        # Some more than needed, as to find them costs something.
        n_kept = min(len(self.keys) - n_types, capacity - capacity // 4)
        newest = numpy.argsort(self.last_used[self.slots], kind="stable")[len(self.keys) - max(n_kept, 0) :]
        newest.sort()
        self.keys, self.slots = self.keys[newest], self.slots[newest]

    def _grow(self, n_types: int, capacity: int, features: Features, rows: Tensor) -> None:
        n_slots = len(self.last_used)
        if n_types <= n_slots:
            return
        size = min(capacity, max(n_types, 2 * n_slots, _FIRST_ROWS))
        old = self.features, self.last_used, self.rows
        self.features = numpy.empty((size, features.shape[1]), dtype="uint64")
        self.last_used = numpy.zeros(size, dtype="int64")
        self.rows = rows.new_empty((size, rows.shape[1]))
        if n_slots:
            arrays: tuple[Any, ...] = (self.features, self.last_used, self.rows)
            for array, old_array in zip(arrays, old, strict=True):
                array[:n_slots] = old_array


class TypeTable:
    """A bounded memory of types' rows. A copy of it, by any way, is empty; several threads may use it at once."""

    def __init__(self, max_bytes: int) -> None:
        """Make an empty table.

        max_bytes: memory that it may take, >= 0.
        """
        self.max_bytes = max_bytes
        self._hits = self._misses = 0
        self._contents = _Contents(None, None)
        self._lock, self._process = threading.Lock(), os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        return TypeTable, (self.max_bytes,)

    def open(self, state: _State, prepare_input_gates: Callable[[], Any]) -> _Contents:
        """Give what is remembered for a state of the model, and forget everything that was for another one."""
        with self._locked():
            if self._contents.state != state:
                self._contents = _Contents(state, prepare_input_gates())
            return self._contents

    def look_up(self, contents: _Contents, features: Features, compute: Callable[[Indices], Tensor]) -> Tensor:
        """Give the rows of types, and remember them.

        contents: what `open` gave.
        features: what identifies the types. Shape `(n_types, n_features)`.
        compute: gives the rows of some of the types, of which it gets the numbers.
        RETURNS: the rows, with their gates. Shape `(n_types, row_width)`.
        """
        keys = hash_rows(features)
        with self._locked():
            slots = contents.find(keys, features)
            known = numpy.flatnonzero(slots != _MISSING)
            known_rows = contents.use(slots[known])
            self._hits += len(known)
            self._misses += len(slots) - len(known)
        if len(known) == len(slots):
            return known_rows
        missing = numpy.flatnonzero(slots == _MISSING)
        new_rows = compute(missing)
        with self._locked():
            contents.insert(keys[missing], features[missing], new_rows, self.max_bytes)
        if not len(known):
            return new_rows
        rows = new_rows.new_empty((len(slots), new_rows.shape[1]))
        rows[torch.from_numpy(known)] = known_rows
        rows[torch.from_numpy(missing)] = new_rows
        return rows

    def clear(self) -> None:
        """Forget all types."""
        with self._locked():
            self._contents = _Contents(None, None)

    def get_statistics(self) -> TableStatistics:
        """Say what the table did since it was made."""
        with self._locked():
            contents = self._contents
            return TableStatistics(self._hits, self._misses, len(contents.keys), contents.n_bytes, self.max_bytes)

    def _locked(self) -> threading.Lock:
        if os.getpid() != self._process:
            # A forked process has the lock as some thread of its parent held it, but not the thread.
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock
