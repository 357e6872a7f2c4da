"""The output layers of models that get new labels after they were trained."""

from typing import Any

from ..bridge.model_types import OutputLayer


def copy_outputs(old: OutputLayer, new: OutputLayer) -> OutputLayer:
    """Give a new output layer the weights of an old one; those of the outputs that this lacks are zero.

    A layer of its own is needed, as an optimizer's state for the old one would not fit.

    old: the layer, with the parameters W and b.
    new: a layer with the same inputs and at least as many outputs.
    RETURNS: the new layer.
    RAISES: ValueError if it has fewer outputs.
    """
    nO, old_nO = new.get_dim("nO"), old.get_dim("nO")
    if nO < old_nO:
        raise ValueError(f"Can't take outputs away from a model: it has {old_nO}, but is to have {nO}.")
    for name, shape in (("W", (nO, new.get_dim("nI"))), ("b", (nO,))):
        weights: Any = new.ops.alloc(shape)
        weights[:old_nO] = old.get_param(name)
        new.set_param(name, weights)
    return new
