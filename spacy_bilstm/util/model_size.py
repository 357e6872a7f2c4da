"""Count the weights of models."""

from typing import Any

from thinc.api import Model
from torch import nn


def count_parameters(model: Model[Any, Any]) -> int:
    """Count the weights of a model and of all layers in it, including those of torch modules.

    model: the model.
    RETURNS: the number of weights.
    """
    in_thinc = sum(node.get_param(name).size for node in model.walk() for name in node.param_names)
    modules = [_get_module(shim) for node in model.walk() for shim in node.shims]
    in_torch = sum(weight.numel() for module in modules if module is not None for weight in module.parameters())
    return int(in_thinc + in_torch)


def _get_module(shim: Any) -> nn.Module | None:
    """Return the torch module of this package's shim or of thinc's, or None if it wraps something else."""
    module = getattr(shim, "module", getattr(shim, "_model", None))
    return module if isinstance(module, nn.Module) else None
