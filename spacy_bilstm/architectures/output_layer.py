"""Output layers that get new labels after training."""

from typing import Any

from ..bridge.model_types import OutputLayer


def copy_outputs(old: OutputLayer, new: OutputLayer) -> OutputLayer:
    """Copy the weights of an output layer to a larger one. The weights of its further outputs are zero.

    The larger layer is a new one, since the state of an optimizer would not fit the old one.

    old: the old layer, with the parameters W and b.
    new: the new layer, with the same inputs and at least as many outputs.
    RETURNS: the new layer.
    RAISES: ValueError if the new layer has fewer outputs.
    """
    nO, old_nO = new.get_dim("nO"), old.get_dim("nO")
    if nO < old_nO:
        raise ValueError(f"Can't remove outputs from a model: it has {old_nO}, but {nO} were asked for.")
    for name, shape in (("W", (nO, new.get_dim("nI"))), ("b", (nO,))):
        weights: Any = new.ops.alloc(shape)
        weights[:old_nO] = old.get_param(name)
        new.set_param(name, weights)
    return new
