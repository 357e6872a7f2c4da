"""List all weights and gradients of a thinc model, those of torch modules included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from thinc.api import Model, Optimizer

from .shim import TorchShim

NamedArrays = Iterator[tuple[str, Any]]
"""Arrays and tensors, with the names that messages use for them."""


def list_weights(model: Model[Any, Any]) -> NamedArrays:
    """Yield all weights of a model that are set.

    model: the model.
    """
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                yield _describe(node, name), node.get_param(name)
        for shim in node.shims:
            if isinstance(shim, TorchShim):
                for name, tensor in shim.module.state_dict().items():
                    yield _describe(node, name), tensor


def list_gradients(model: Model[Any, Any]) -> NamedArrays:
    """Yield the gradients that a model holds for its next update.

    model: the model.
    """
    for node in model.walk():
        for name in node.param_names:
            if node.has_grad(name):
                yield _describe(node, name), node.get_grad(name)
        for shim in node.shims:
            if isinstance(shim, TorchShim):
                for name, parameter in shim.module.named_parameters():
                    if parameter.grad is not None:
                        yield _describe(node, name), parameter.grad


def clear_gradients(model: Model[Any, Any]) -> None:
    """Discard the gradients that a model holds for its next update.

    model: the model.
    """
    for node in model.walk():
        for name in node.param_names:
            if node.has_grad(name):
                node.get_grad(name).fill(0.0)
        for shim in node.shims:
            if isinstance(shim, TorchShim):
                shim.module.zero_grad(set_to_none=True)


def count_updates(model: Model[Any, Any], optimizer: Optimizer) -> int:
    """Return how many times an optimizer has updated a model.

    model: the model.
    optimizer: the optimizer, or a function that is called like one: then the number is 0.
    """
    ids = {node.id for node in model.walk()} | {shim.id for node in model.walk() for shim in node.shims}
    counts = getattr(optimizer, "nr_update", {})
    return max((count for (owner, _), count in counts.items() if owner in ids), default=0)


def _describe(node: Model[Any, Any], name: str) -> str:
    return f"'{name}' of the layer '{node.name}'"
