"""Compute spaCy's hash embeddings from tables that were multiplied by the weights of their mixing layers in advance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from torch import Tensor, nn

from .features import read_features
from .hashing import hash_ids
from .model_types import Tok2VecModel
from .static_vectors import get_key_attr, get_vectors, look_up_vectors

_ARCHITECTURE = "spacy.MultiHashEmbed.v2"
_EPSILON = 1e-8  # That of thinc's LayerNorm.
_CPU = torch.device("cpu")
_Feature = tuple[int, int, int]
"""An attribute, the seed that it is hashed with, and the number of rows of its table."""


class ProjectedEmbeddings:
    """Layers of `spacy.MultiHashEmbed.v2` side by side, for prediction.

    The mixing layer of an embedding multiplies the concatenated rows of its tables by a matrix. The product is the sum
    of the products of the rows, so each row of a table is multiplied once, here. A word takes a product for its static
    vector only. Layers with the same table sizes also share the hashing. A hundred words take an eighth of the time
    (`python -m spacy_bilstm.experiments.embedding_timings`).
    """

    def __init__(self, layers: Sequence[Tok2VecModel]) -> None:
        """Multiply the rows.

        layers: the initialised layers, at least one. `can_project` is true for their configs. They are not changed.
        """
        maxouts = [_find(layer, "maxout")[0] for layer in layers]
        norms = [_find(layer, "layernorm")[0] for layer in layers]
        # Shape (n_pieces, n_layers, width). The maximum of a few long rows is faster than that of many short ones.
        self._bias = torch.stack([_get_tensor(node, "b").T for node in maxouts], dim=1)
        self._gain = torch.stack([_get_tensor(node, "G") for node in norms])
        self._shift = torch.stack([_get_tensor(node, "b") for node in norms])
        tables = [_project_tables(layer) for layer in layers]
        features = list(dict.fromkeys(feature for of_layer in tables for feature in of_layer))
        self._features = features
        self._offsets = numpy.cumsum([0, *(rows for _, _, rows in features)])[:-1, None]
        self._table = torch.cat(
            [_put_side_by_side([of_layer.get(feature) for of_layer in tables]) for feature in features]
        )
        weights = [_project_vectors(layer) for layer in layers]
        self._vector_weights = None if all(part is None for part in weights) else _put_side_by_side(weights)

    def predict(self, doc: Doc) -> Tensor:
        """Return the vectors of a doc's words.

        doc: the doc, with at least one word.
        RETURNS: the vectors of all layers, on the CPU. Shape `(len(doc), n_layers * width)`.
        """
        sums = nn.functional.embedding_bag(self._find_rows(doc), self._table, mode="sum")
        if self._vector_weights is not None:
            sums += _read_static_vectors(doc) @ self._vector_weights
        best = (sums.view(-1, *self._bias.shape) + self._bias).amax(1)
        normalized = nn.functional.layer_norm(best, best.shape[2:], eps=_EPSILON)
        return torch.addcmul(self._shift, normalized, self._gain).flatten(1)

    def _find_rows(self, doc: Doc) -> Tensor:
        """Return the rows of each word in the table. Shape `(len(doc), 4 * n_features)`."""
        values = read_features([doc], [attr for attr, _, _ in self._features]).T
        hashed = [hash_ids(ids, seed, rows) for ids, (_, seed, rows) in zip(values, self._features, strict=True)]
        return torch.from_numpy((numpy.stack(hashed, axis=1) + self._offsets).reshape(len(doc), -1))


def can_project(configs: Sequence[dict[str, Any]]) -> bool:
    """Return whether `ProjectedEmbeddings` can compute some layers.

    configs: their configs.
    """
    known = all(config["@architectures"] == _ARCHITECTURE for config in configs)
    return known and len({config["width"] for config in configs}) == 1


def _project_tables(layer: Tok2VecModel) -> dict[_Feature, Tensor]:
    """Multiply the tables of a layer by their blocks of the mixing weights. Shape `(rows, n_pieces, width)` each."""
    attrs = [intify_attr(attr) for attr in _find(layer, "extract_features")[0].attrs["columns"]]
    projected = {}
    for attr, node, block in zip(attrs, _find(layer, "hashembed"), _split_mixing_weights(layer), strict=False):
        table = _get_tensor(node, "E")
        projected[attr, node.attrs["seed"], len(table)] = torch.einsum("re,pwe->rpw", table, block)
    return projected


def _project_vectors(layer: Tok2VecModel) -> Tensor | None:
    """Multiply the weights of static vectors by their block. Shape `(vector_width, n_pieces, width)`."""
    nodes = _find(layer, "static_vectors")
    if not nodes:
        return None
    return torch.einsum("ev,pwe->vpw", _get_tensor(nodes[0], "W"), _split_mixing_weights(layer)[-1])


def _split_mixing_weights(layer: Tok2VecModel) -> tuple[Tensor, ...]:
    """Return the weights of the mixing layer for each attribute, and for static vectors as the last ones.

    Shape `(n_pieces, width, width)` each.
    """
    weights = _get_tensor(_find(layer, "maxout")[0], "W").transpose(0, 1)
    return torch.split(weights, weights.shape[1], dim=2)


def _put_side_by_side(parts: Sequence[Tensor | None]) -> Tensor:
    """Join what belongs to each layer, with zeros for layers that lack it. Shape `(n, n_pieces * n_layers * width)`."""
    shape = next(part.shape for part in parts if part is not None)
    return torch.stack([torch.zeros(shape) if part is None else part for part in parts], dim=2).flatten(1)


def _read_static_vectors(doc: Doc) -> Tensor:
    """Return the static vector of each word, or zeros. Shape `(len(doc), vector_width)`."""
    vectors = get_vectors([doc], _ARCHITECTURE)
    keys = read_features([doc], [get_key_attr(vectors)])[:, 0]
    found, present = look_up_vectors(vectors, keys, _CPU, torch.float32)
    return torch.where(present[:, None], found, 0.0)


def _find(layer: Tok2VecModel, name: str) -> list[Any]:
    return [node for node in layer.walk() if node.name == name]


def _get_tensor(node: Any, name: str) -> Tensor:
    return torch.from_numpy(node.ops.to_numpy(node.get_param(name)))
