"""Count the weights of models."""

from typing import Any

from thinc.api import Model


def count_parameters(model: Model[Any, Any]) -> int:
    """Count the weights of a model and of all layers in it, including those of torch modules.

    model: the model.
    RETURNS: the number of weights.
    """
    in_thinc = sum(node.get_param(name).size for node in model.walk() for name in node.param_names)
    shims: list[Any] = [shim for node in model.walk() for shim in node.shims]
    in_torch = sum(parameter.numel() for shim in shims for parameter in shim.module.parameters())
    return int(in_thinc + in_torch)
