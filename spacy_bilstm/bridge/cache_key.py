"""The fingerprint of a model: everything that a cached vector depends on besides the features of its word type."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from spacy.vectors import BaseVectors
from torch import Tensor

from .model_types import EncoderModel, Tok2VecModel
from .shim import get_shim

_SETTINGS = ("attrs", "rows", "char_rows", "max_chars")
_SAMPLE_STEP = 997


@dataclass(frozen=True, eq=False)
class ModelFingerprint:
    """The state of an embedding and an encoder. Two fingerprints are equal if nothing has changed between them.

    weights: all weights. While they are held here, their memory can't be reused for other weights.
    vectors: the static vectors or None; compared by identity, like their table.
    vector_table: the table of the static vectors or None.
    values: versions and a sample of the weights, settings, and sizes; compared by value.
    """

    weights: Sequence[Tensor]
    vectors: BaseVectors | None
    vector_table: object
    values: tuple[Any, ...]

    @classmethod
    def read(
        cls, embed: Tok2VecModel, encode: EncoderModel, weights: Sequence[Tensor], vectors: BaseVectors | None
    ) -> ModelFingerprint:
        """Read the present state.

        embed: the layer that embeds word types.
        encode: the layer that encodes token vectors.
        weights: all weights of both, as `get_weights` returns them.
        vectors: the static vectors that the embedding includes, or None.
        RETURNS: the fingerprint.
        """
        # torch counts its changes of a tensor, and the shim counts those that bypass torch. An optimizer may change
        # memory later still, when its step ends. A step changes all weights, so a sample of them shows it.
        versions = tuple((weight.data_ptr(), weight._version) for weight in weights)
        shim_versions = tuple(get_shim(layer).weights_version for layer in (embed, encode))
        sample = numpy.concatenate([weight.numpy().ravel()[::_SAMPLE_STEP] for weight in weights]).tobytes()
        settings = tuple(str(embed.attrs[name]) for name in _SETTINGS)
        values = (versions, shim_versions, sample, settings, _read_vector_values(embed, vectors))
        return cls(weights, vectors, getattr(vectors, "data", None), values)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ModelFingerprint)
            and self.values == other.values
            and self.vectors is other.vectors
            and self.vector_table is other.vector_table
        )


def get_weights(embed: Tok2VecModel, encode: EncoderModel) -> list[Tensor]:
    """Return all weights of the torch modules of two layers, without gradients."""
    return [weight.detach() for layer in (embed, encode) for weight in get_shim(layer).module.parameters()]


def can_track_changes(weights: Sequence[Tensor]) -> bool:
    """Return whether a fingerprint shows every change of weights. torch does not count those of inference tensors."""
    return all(weight.dtype is torch.float32 and not weight.is_inference() for weight in weights)


def _read_vector_values(embed: Tok2VecModel, vectors: BaseVectors | None) -> tuple[Any, ...]:
    if vectors is None:
        return ()
    projection = numpy.ascontiguousarray(embed.ops.to_numpy(embed.get_param("W")))
    n_keys, attr = getattr(vectors, "n_keys", 0), getattr(vectors, "attr", None)
    return (vectors.shape, n_keys, attr, zlib.crc32(projection.data))
