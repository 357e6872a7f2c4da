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

_ARCHITECTURE = "spacy.MultiHashEmbed.v2"
_EPSILON = 1e-8  # That of thinc's LayerNorm.


class ProjectedEmbeddings:
    """Layers of `spacy.MultiHashEmbed.v2` side by side, for prediction.

    The mixing layer of an embedding multiplies the concatenated rows of its tables by a matrix. The product is the sum
    of the products of the rows, so each row of a table is multiplied once, here, and a word takes no product. Layers
    with the same table sizes also share the hashing. A hundred words take an eighth of the time
    (`python -m spacy_bilstm.experiments.embedding_timings`).
    """

    def __init__(self, layers: Sequence[Tok2VecModel]) -> None:
        """Multiply the rows.

        layers: the initialised layers, at least one. `can_project` is true for their configs. They are not changed.
        """
        blocks: dict[tuple[int, int, int], Tensor] = {}
        for position, layer in enumerate(layers):
            maxout = _find(layer, "maxout")[0]
            weights = _get_tensor(maxout, "W").transpose(0, 1)
            n_pieces, width, _ = weights.shape
            attrs = [intify_attr(attr) for attr in _find(layer, "extract_features")[0].attrs["columns"]]
            for i, (attr, node) in enumerate(zip(attrs, _find(layer, "hashembed"), strict=True)):
                table = _get_tensor(node, "E")
                block = blocks.setdefault(
                    (attr, node.attrs["seed"], len(table)), torch.zeros(len(table), n_pieces, len(layers), width)
                )
                block[:, :, position] = torch.einsum("re,pwe->rpw", table, weights[..., i * width : (i + 1) * width])
        self._features = list(blocks)
        self._offsets = numpy.cumsum([0, *(rows for _, _, rows in blocks)])[:-1, None]
        # Pieces come first: the maximum of a few long rows is faster than that of many short ones.
        self._table = torch.cat(list(blocks.values())).flatten(1)
        biases = [_get_tensor(node, "b").T for layer in layers for node in _find(layer, "maxout")]
        self._bias = torch.stack(biases, dim=1)
        norms = [node for layer in layers for node in _find(layer, "layernorm")]
        self._gain = torch.stack([_get_tensor(node, "G") for node in norms])
        self._shift = torch.stack([_get_tensor(node, "b") for node in norms])

    def predict(self, doc: Doc) -> Tensor:
        """Return the vectors of a doc's words.

        doc: the doc, with at least one word.
        RETURNS: the vectors of all layers, on the CPU. Shape `(len(doc), n_layers * width)`.
        """
        values = read_features([doc], [attr for attr, _, _ in self._features]).T
        hashed = [hash_ids(ids, seed, rows) for ids, (_, seed, rows) in zip(values, self._features, strict=True)]
        rows = torch.from_numpy((numpy.stack(hashed, axis=1) + self._offsets).reshape(len(doc), -1))
        sums = nn.functional.embedding_bag(rows, self._table, mode="sum").view(-1, *self._bias.shape)
        best = (sums + self._bias).amax(1)
        normalized = nn.functional.layer_norm(best, best.shape[2:], eps=_EPSILON)
        return torch.addcmul(self._shift, normalized, self._gain).flatten(1)


def can_project(configs: Sequence[dict[str, Any]]) -> bool:
    """Return whether `ProjectedEmbeddings` can compute some layers.

    configs: their configs.
    """
    known = all(
        config["@architectures"] == _ARCHITECTURE and not config["include_static_vectors"] for config in configs
    )
    return known and len({config["width"] for config in configs}) == 1


def _find(layer: Tok2VecModel, name: str) -> list[Any]:
    return [node for node in layer.walk() if node.name == name]


def _get_tensor(node: Any, name: str) -> Tensor:
    return torch.from_numpy(node.ops.to_numpy(node.get_param(name)))
