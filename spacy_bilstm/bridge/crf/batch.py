"""The emissions of a batch, and all that torch needs to compute with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy
import torch
from numpy.typing import NDArray
from thinc.types import ArrayXd, Floats2d
from torch import Tensor, nn

from ..convert import array_to_tensor, concatenate_documents, get_device
from ..fork import make_fork_safe
from ..model_types import CRFLayer
from .layer import PARAMETERS
from .module_types import CRFModule, Layout

Mask = NDArray[numpy.bool_]
"""The tags that each token of a batch may have. Shape `(n_tokens, n_tags)`."""


class Emissions(NamedTuple):
    """The scores of tags for a batch of documents.

    scores: scores of each token's tags, document after document. Shape `(n_tokens, n_tags)`.
    lengths: number of tokens of each document.
    """

    scores: Floats2d
    lengths: list[int]

    @classmethod
    def concatenate(cls, model: CRFLayer, documents: list[Floats2d]) -> Emissions:
        """Concatenate the scores of documents.

        model: the CRF layer that the scores are for.
        documents: scores of tags, one array per document. Shape `(length, n_tags)` each.
        RETURNS: the emissions.
        """
        scores = concatenate_documents(model.ops, documents, model.get_dim("nO"))
        return cls(scores, [len(document) for document in documents])


@dataclass(frozen=True)
class Batch:
    """A CRF and the emissions of a batch in torch, on the same device.

    crf: the CRF, with the layer's parameters.
    emissions: scores of each token's tags, document after document. Shape `(n_tokens, n_tags)`.
    layout: the layout of the tokens.
    mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
    lengths: number of tokens of each document.
    """

    crf: CRFModule[Layout]
    emissions: Tensor
    layout: Layout
    mask: Tensor | None
    lengths: list[int]

    @classmethod
    def read(
        cls,
        model: CRFLayer,
        emissions: Emissions,
        mask: Mask | None = None,
        temperature: float = 1.0,
        dtype: torch.dtype | None = torch.float64,
    ) -> Batch:
        """Prepare a batch.

        model: the CRF layer.
        emissions: the emissions.
        mask: tags that each token may have, or None for all. Shape `(n_tokens, n_tags)`.
        temperature: all scores are divided by it, > 0.
        dtype: the type of the emissions, or None for that of the array. Results for documents have this type.
        RETURNS: the batch.
        """
        make_fork_safe()
        device = get_device(model.ops)
        return cls(
            _make_crf(model, device, temperature),
            _divide(array_to_tensor(emissions.scores, device, dtype), temperature),
            model.attrs["make_layout"](emissions.lengths, device),
            None if mask is None else array_to_tensor(cast(ArrayXd, mask), device),
            emissions.lengths,
        )

    @property
    def scores(self) -> list[Tensor]:
        """All scores that the score of a tag sequence is the sum of, those of the layer in the order of PARAMETERS."""
        return [self.emissions, *(getattr(self.crf, name) for name in PARAMETERS.values())]

    def to_device(self, array: NDArray[Any]) -> Tensor:
        """Return an array as a tensor on the device of the emissions."""
        return array_to_tensor(cast(ArrayXd, array), self.emissions.device)

    def in_callers_order(self, values: Tensor, empty: float) -> Tensor:
        """Return the values of all documents, from those of the documents that are not empty.

        values: the CRF's results for documents.
        empty: the value of empty documents.
        """
        full = values.new_full((len(self.lengths), *values.shape[1:]), empty)
        full[self.layout.order] = values
        return full


def _divide(scores: Tensor, temperature: float) -> Tensor:
    return scores if temperature == 1.0 else scores / temperature


def _make_crf(model: CRFLayer, device: torch.device, temperature: float) -> CRFModule[Layout]:
    crf: CRFModule[Layout] = model.attrs["make_crf"](model.get_dim("nO"))
    if device.type != "cpu":
        crf.to(device)
    for name, module_name in PARAMETERS.items():
        weights = array_to_tensor(model.get_param(name), device, torch.float64)
        setattr(crf, module_name, nn.Parameter(_divide(weights, temperature)))
    return crf
