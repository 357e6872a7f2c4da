"""The size of models."""

from typing import Any

from thinc.api import Model


def count_parameters(model: Model[Any, Any]) -> int:
    """Count the weights of a layer and all below it, those of torch modules, too."""
    own = sum(node.get_param(name).size for node in model.walk() for name in node.param_names)
    shims: list[Any] = [shim for node in model.walk() for shim in node.shims]
    torch = sum(parameter.numel() for shim in shims for parameter in shim.module.parameters())
    return int(own + torch)
