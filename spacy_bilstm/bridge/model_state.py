"""Remember the state of a thinc model, and return to it after a failed load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thinc.api import Model
from thinc.shims.shim import Shim

from .shim import TorchShim


@dataclass(frozen=True)
class _LayerState:
    """The state of a layer. Loading replaces arrays of thinc, but overwrites the weights of torch modules."""

    node: Model[Any, Any]
    name: str
    dims: dict[str, int | None]
    refs: dict[str, Model[Any, Any] | None]
    attrs: dict[str, Any]
    params: dict[str, Any]
    shims: list[Any]


class ModelState:
    """The state of a model, with dimensions that are not set, which `Model.from_bytes` can't unset."""

    def __init__(self, model: Model[Any, Any]) -> None:
        """Remember the present state.

        model: the model.
        """
        self._layers = [
            _LayerState(
                node,
                node.name,
                dict(node._dims),
                dict(node._refs),
                dict(node.attrs),
                {name: node.get_param(name) if node.has_param(name) else None for name in node.param_names},
                [_copy_weights(shim) for shim in node.shims],
            )
            for node in model.walk()
        ]

    def restore(self) -> None:
        """Return the model to the remembered state."""
        for layer in self._layers:
            node = layer.node
            node.name = layer.name
            node._dims, node._refs = dict(layer.dims), dict(layer.refs)
            node.attrs.clear()
            node.attrs.update(layer.attrs)
            for name, value in layer.params.items():
                node.set_param(name, value)
            for shim, weights in zip(node.shims, layer.shims, strict=True):
                _restore_weights(shim, weights)


def _copy_weights(shim: Shim) -> Any:
    if isinstance(shim, TorchShim):
        return {name: tensor.clone() for name, tensor in shim.module.state_dict().items()}
    return shim.to_bytes()


def _restore_weights(shim: Shim, weights: Any) -> None:
    if isinstance(shim, TorchShim):
        shim.module.load_state_dict(weights)
    else:
        shim.from_bytes(weights)
