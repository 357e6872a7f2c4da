"""Check a stored thinc model before anything of it is assigned: names, dimensions, attributes, shapes and values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy
import srsly
from thinc.api import Model
from thinc.model import deserialize_attr
from thinc.util import is_xp_array

from .finite import is_finite
from .shim import TorchShim
from .word_embedding_layer import find_invalid_attribute

Shape = tuple[str, ...]
_PARTS = ("nodes", "attrs", "params", "shims")
_SQUARE: dict[str, Shape] = {"W": ("nO", "nI"), "b": ("nO",)}
_PARAMETERS: dict[str, dict[str, Shape]] = {
    "thinc.layers.linear": _SQUARE,
    "thinc.layers.softmax": _SQUARE,
    "thinc.layers.sigmoid": _SQUARE,
    "thinc.layers.relu": _SQUARE,
    "thinc.layers.mish": _SQUARE,
    "thinc.layers.maxout": {"W": ("nO", "nP", "nI"), "b": ("nO", "nP")},
    "thinc.layers.layernorm": {"G": ("nI",), "b": ("nI",)},
    "thinc.layers.embed": {"E": ("nV", "nO")},
    "thinc.layers.hashembed": {"E": ("nV", "nO")},
    "thinc.layers.parametricattention": {"Q": ("nO",)},
    "thinc.layers.parametricattention_v2": {"Q": ("nO",)},
    "spacy.ml.staticvectors": {"W": ("nO", "nM")},
    "spacy_bilstm.bridge.word_embedding_layer": {"W": ("nO", "nM")},
    "spacy_bilstm.bridge.crf.layer": {"transitions": ("nO", "nO"), "start": ("nO",), "end": ("nO",)},
}
"""Dimensions of the parameters of a layer, by the module of its `forward`."""
_ATTRIBUTES: dict[str, Callable[[Model[Any, Any], Mapping[str, Any]], str | None]] = {
    "spacy_bilstm.bridge.word_embedding_layer": find_invalid_attribute,
}
"""Checks of the attributes of a layer, by the module of its `forward`."""
_FIXED = ("column", "columns", "key_attr", "multi_label", "pad")
"""Attributes of layers of spaCy and thinc that the config determines. A hash's seed may be that of the first model."""
_OUTPUTS = ("output_layer", "softmax", "crf")
_PLAIN = (bool, int, float, str, bytes, list, tuple, dict, numpy.ndarray)


@dataclass(frozen=True)
class _StoredLayer:
    """A layer of a model and what is stored for it."""

    node: Model[Any, Any]
    info: Any
    attrs: Any
    params: Any
    shims: Any

    def refuse(self, problem: str) -> NoReturn:
        raise ValueError(f"in the layer '{self.node.name}', {problem}")

    @property
    def dims(self) -> dict[str, Any]:
        return dict(self.info["dims"])


def check_stored_model(model: Model[Any, Any], data: bytes) -> int | None:
    """Check that the bytes of a stored model fit a model. The model does not change.

    model: the model, initialised or not.
    data: the bytes that `Model.to_bytes` returned.
    RETURNS: the number of outputs of the stored model, or None if it has none or was not initialised.
    RAISES: ValueError that names the layer and what does not fit.
    """
    message = srsly.msgpack_loads(data)
    if not isinstance(message, dict) or not message.keys() >= set(_PARTS):
        raise ValueError("it is not a model of thinc, or one that was created with an incompatible version of thinc")
    nodes = list(model.walk())
    for part in _PARTS:
        if not isinstance(message[part], list) or len(message[part]) != len(nodes):
            raise ValueError(f"its part '{part}' is not a list of {len(nodes)} entries, one for each layer")
    layers = [_StoredLayer(*values) for values in zip(nodes, *(message[part] for part in _PARTS), strict=True)]
    for layer in layers:
        _check_info(layer, nodes)
    is_initialized = any(value is not None for layer in layers for value in _get_params(layer).values())
    for layer in layers:
        _check_dims(layer, model, layers[0].dims.get("nO"))
        _check_attrs(layer)
        _check_params(layer, is_initialized)
        _check_shims(layer)
    if not is_initialized:
        return None
    _check_outputs(model, layers)
    n_outputs: int | None = layers[0].dims.get("nO")
    return n_outputs


def adopt_number_of_outputs(model: Model[Any, Any], data: bytes) -> None:
    """Give a model without weights as many outputs as a stored one, which may have got labels since it was made.

    Loading needs it: thinc does not change a dimension that is set.

    model: the model.
    data: the bytes of the stored model. `check_stored_model` has accepted them for this model.
    """
    for node, info in zip(model.walk(), srsly.msgpack_loads(data)["nodes"], strict=True):
        nO = info["dims"].get("nO")
        if nO is not None and node.maybe_get_dim("nO") not in (None, nO):
            node.set_dim("nO", nO, force=True)


def _check_info(layer: _StoredLayer, nodes: Sequence[Model[Any, Any]]) -> None:
    info = layer.info
    if not isinstance(info, dict) or not isinstance(info.get("name"), str):
        layer.refuse("its name is not stored as a string")
    for field, known in (("dims", layer.node.dim_names), ("refs", layer.node.ref_names)):
        _check_names(layer, info.get(field), known, field)
    for name, index in info["refs"].items():
        own = layer.node.maybe_get_ref(name)
        indices = [i for i, node in enumerate(nodes) if own is None or node is own]
        # A reference that is not set yet may be stored, one that is set must be the same.
        if not (index in indices if type(index) is int else index is None and own is None):
            layer.refuse(f"the reference '{name}' is {index!r}, but the model's is {indices[0] if own else None}")


def _check_names(layer: _StoredLayer, values: Any, known: Sequence[str], field: str) -> None:
    if not isinstance(values, dict):
        layer.refuse(f"the field '{field}' is not a dictionary")
    unknown = [str(name) for name in values if name not in known]
    if unknown:
        layer.refuse(f"the field '{field}' has the name '{unknown[0]}', but may have: {', '.join(known) or 'none'}")


def _check_dims(layer: _StoredLayer, model: Model[Any, Any], n_outputs: Any) -> None:
    node, output_width = layer.node, model.maybe_get_dim("nO")
    is_empty = not any(part.has_param(name) for part in model.walk() for name in part.param_names)
    for name, value in layer.dims.items():
        if value is None:
            continue
        if type(value) is not int or value < 1:
            layer.refuse(f"the dimension '{name}' is {value!r}, but must be a whole number of at least 1")
        own = node.maybe_get_dim(name)
        # A model may get labels after its config was written. See `adopt_number_of_outputs`.
        may_change = name == "nO" and is_empty and own == output_width and value == n_outputs
        if own is not None and own != value and not may_change:
            layer.refuse(f"the dimension '{name}' is {value}, but the model's is {own}")


def _check_attrs(layer: _StoredLayer) -> None:
    node, loaded = layer.node, {}
    if not isinstance(layer.attrs, dict):
        layer.refuse("the attributes are not a dictionary")
    for name, value in layer.attrs.items():
        own = node.attrs.get(name)
        if own is not None and not isinstance(own, _PLAIN) and not _has_own_deserializer(own):
            layer.refuse(f"the attribute '{name}' can't be stored")
        try:
            loaded[name] = deserialize_attr(own, value, name, node)
        except Exception as error:
            layer.refuse(f"the attribute '{name}' can't be read ({error})")
        problem = _compare_attribute(own, loaded[name])
        if problem is None and name in _FIXED and not _is_same(own, loaded[name]):
            problem = f"is {loaded[name]!r}, but the model's is {own!r}"
        if problem is not None:
            layer.refuse(f"the attribute '{name}' {problem}")
    rate = loaded.get("dropout_rate", 0.0)
    if not (_is_number(rate) and 0.0 <= rate <= 1.0):
        layer.refuse(f"the attribute 'dropout_rate' is {rate!r}, but must be a rate from 0 to 1")
    seed = loaded.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < 2**32:
        layer.refuse(f"the attribute 'seed' is {seed!r}, but must be a whole number from 0 to 2**32 - 1")
    check = _ATTRIBUTES.get(_get_module(node))
    problem = None if check is None else check(node, loaded)
    if problem is not None:
        layer.refuse(problem)


def _has_own_deserializer(value: Any) -> bool:
    return deserialize_attr.dispatch(type(value)) is not deserialize_attr.dispatch(object)


def _compare_attribute(own: Any, stored: Any) -> str | None:
    """Return why a stored value can't replace the model's own one, or None if it can."""
    if isinstance(stored, float) and not math.isfinite(stored):
        return f"is {stored}"
    if own is None or stored is None or (_is_number(own) and _is_number(stored)):
        return None
    kinds = [(list, tuple) if isinstance(own, (list, tuple)) else type(own)]
    return None if isinstance(stored, kinds[0]) else f"is of type {type(stored).__name__}, not {type(own).__name__}"


def _is_same(own: Any, stored: Any) -> bool:
    """Return whether a stored value equals the model's own one. Storage turns tuples into lists."""
    own = list(own) if isinstance(own, tuple) else own
    return bool(srsly.msgpack_dumps(own) == srsly.msgpack_dumps(stored))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _get_params(layer: _StoredLayer) -> dict[str, Any]:
    _check_names(layer, layer.params, layer.node.param_names, "params")
    return dict(layer.params)


def _check_params(layer: _StoredLayer, is_initialized: bool) -> None:
    node, shapes = layer.node, _PARAMETERS.get(_get_module(layer.node), {})
    params = _get_params(layer)
    for name in node.param_names:
        value = params.get(name)
        if value is None:
            if is_initialized and name in shapes:
                layer.refuse(f"the parameter '{name}' is missing")
            continue
        if not is_xp_array(value) or value.dtype != "float32":
            layer.refuse(f"the parameter '{name}' is of type {getattr(value, 'dtype', type(value))}, not float32")
        expected = _get_shape(layer, name, shapes)
        if expected is not None and value.shape != expected:
            layer.refuse(f"the parameter '{name}' has the shape {value.shape}, but must have {expected}")
        if not is_finite(value):
            layer.refuse(f"the parameter '{name}' has values that are NaN or infinite")


def _get_shape(layer: _StoredLayer, name: str, shapes: Mapping[str, Shape]) -> tuple[int, ...] | None:
    """Return the shape that a parameter must have, or None if it is not known."""
    if name not in shapes:
        return layer.node.get_param(name).shape if layer.node.has_param(name) else None
    stored = layer.dims
    sizes = {dim: stored.get(dim) or layer.node.maybe_get_dim(dim) for dim in shapes[name]}
    for dim, size in sizes.items():
        if size is None:
            layer.refuse(f"the dimension '{dim}' is missing")
    return tuple(size for dim in shapes[name] if (size := sizes[dim]) is not None)


def _check_shims(layer: _StoredLayer) -> None:
    shims = layer.node.shims
    if not isinstance(layer.shims, list) or len(layer.shims) != len(shims):
        layer.refuse(f"the weights of {len(shims)} torch modules must be stored, but are not")
    for shim, data in zip(shims, layer.shims, strict=True):
        if not isinstance(data, bytes):
            layer.refuse(f"the weights of the torch module are of type {type(data).__name__}, not bytes")
        if isinstance(shim, TorchShim):
            try:
                shim.check_bytes(data)
            except ValueError as error:
                layer.refuse(f"the torch module refuses its weights. {error}")


def _check_outputs(model: Model[Any, Any], layers: Sequence[_StoredLayer]) -> None:
    """Check that all output layers have as many outputs as the model."""
    outputs = [model.get_ref(name) for name in _OUTPUTS if model.has_ref(name)]
    n_outputs = layers[0].dims.get("nO")
    for layer in layers:
        if any(layer.node is output for output in outputs) and layer.dims.get("nO") != n_outputs:
            layer.refuse(f"the dimension 'nO' is {layer.dims.get('nO')}, but that of the whole model is {n_outputs}")


def _get_module(node: Model[Any, Any]) -> str:
    module: str = getattr(node._func, "__module__", "")
    return module
