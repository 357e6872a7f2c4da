"""The thinc layer that owns the parameters of a CRF: thinc stores, averages, copies and moves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thinc.api import Model
from thinc.types import Floats2d

from ..model_types import CRFLayer
from .module_types import LayoutT, MakeCRF, MakeLayout

PARAMETERS = {"transitions": "transitions", "start": "start_transitions", "end": "end_transitions"}
"""Name of each parameter in the torch module, by its name in the layer. Saved models hold the layer's names."""


def with_crf(
    name: str, make_crf: MakeCRF[LayoutT], make_layout: MakeLayout[LayoutT], nO: int | None = None
) -> CRFLayer:
    """Make a layer that owns the parameters of a CRF and passes emissions through.

    name: the layer's name.
    make_crf: makes a CRF for a number of tags.
    make_layout: makes the layout of a batch from the documents' lengths and a device.
    nO: number of tags, >= 1. If None, that of the sample when the layer is initialised.
    RETURNS: the layer. Its parameters are zero after initialisation: transitions `(nO, nO)`, start and end `(nO,)`.
    """
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": nO},
        params=dict.fromkeys(PARAMETERS),
        attrs={"make_crf": make_crf, "make_layout": make_layout},
    )


def init(model: CRFLayer, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Take an unknown number of tags from the sample, and set all parameters to zero."""
    sample = Y or X
    if sample and model.has_dim("nO") is None:
        model.set_dim("nO", sample[0].shape[1])
    n_tags = model.get_dim("nO")
    model.set_param("transitions", model.ops.alloc2f(n_tags, n_tags))
    model.set_param("start", model.ops.alloc1f(n_tags))
    model.set_param("end", model.ops.alloc1f(n_tags))


def forward(
    model: CRFLayer, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Pass the emissions through, and their gradient back."""

    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        return dY

    return X, backprop


def resize(model: CRFLayer, nO: int) -> CRFLayer:
    """Return a copy of an initialised layer with more tags.

    model: the layer.
    nO: number of tags, not less than before. The new ones come last, and their parameters are zero.
    RETURNS: a new layer, since the state of an optimizer would not fit the old one.
    """
    old = model.get_dim("nO")
    larger = with_crf(model.name, model.attrs["make_crf"], model.attrs["make_layout"], nO)
    larger.initialize()
    for name in PARAMETERS:
        weights: Any = larger.get_param(name)  # thinc types no assignment to a tuple of slices.
        weights[(slice(old),) * weights.ndim] = model.get_param(name)
        larger.set_param(name, weights)
    return larger
