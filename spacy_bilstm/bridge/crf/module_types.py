"""The torch modules that the CRF layer works with. They are in `nn`, which `bridge` does not import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn


class Layout(Protocol):
    """How a CRF lays out the tokens of a batch, such as `nn.layout.PackedLayout`."""

    @property
    def order(self) -> Tensor:
        """The documents with at least one token, in the order of the CRF's results for documents."""
        ...


LayoutT = TypeVar("LayoutT", bound=Layout)
_LayoutT = TypeVar("_LayoutT", bound=Layout, contravariant=True)


class CRFModule(Protocol[_LayoutT]):
    """A linear-chain CRF, such as `nn.crf.LinearChainCRF`, which documents all methods."""

    transitions: nn.Parameter
    start_transitions: nn.Parameter
    end_transitions: nn.Parameter

    def to(self, device: torch.device) -> object: ...

    def log_partition(self, emissions: Tensor, layout: _LayoutT, mask: Tensor | None = None) -> Tensor: ...

    def log_likelihood(
        self, emissions: Tensor, layout: _LayoutT, gold_mask: Tensor, mask: Tensor | None = None
    ) -> Tensor: ...

    def viterbi(self, emissions: Tensor, layout: _LayoutT, mask: Tensor | None = None) -> tuple[Tensor, Tensor]: ...

    def k_best(
        self, emissions: Tensor, layout: _LayoutT, k: int, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]: ...

    def tag_pairs(
        self, emissions: Tensor, layout: _LayoutT, min_probability: float, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]: ...

    def span_log_probability(
        self,
        emissions: Tensor,
        layout: _LayoutT,
        span_starts: Tensor,
        span_ends: Tensor,
        span_labels: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor: ...

    def find_probable_spans(
        self, emissions: Tensor, layout: _LayoutT, threshold: float, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]: ...


MakeCRF = Callable[[int], CRFModule[LayoutT]]
"""Makes a CRF for a number of tags."""

MakeLayout = Callable[[Sequence[int], torch.device], LayoutT]
"""Makes the layout of a batch from the documents' lengths and a device."""
