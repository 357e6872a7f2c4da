"""The state of a pipeline and its optimizer in training: weights, moments, averages and counts, exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy
import srsly
from spacy.language import Language
from spacy.pipeline._edit_tree_internals.edit_trees import EditTrees
from spacy.pipeline.edit_tree_lemmatizer import EditTreeLemmatizer
from thinc.api import Model, Optimizer, get_current_ops
from thinc.shims.shim import Shim
from thinc.util import is_xp_array

from ..bridge.context_counts import ContextCounts
from .optimizers import Key

_SEPARATOR = "\t"
_EXCLUDED = ["vocab", "model"]


def get_trained_models(nlp: Language, frozen: Sequence[str]) -> dict[str, Model[Any, Any]]:
    """Return the models that training updates, by the name of their component.

    nlp: the pipeline.
    frozen: names of components that are not updated.
    """
    return {
        name: model
        for name, component in nlp.pipeline
        if name not in frozen and isinstance(model := getattr(component, "model", None), Model)
    }


def get_components_state(nlp: Language, names: Iterable[str]) -> dict[str, bytes]:
    """Return the state of components without their models, such as the trees that a lemmatizer adds in training.

    nlp: the pipeline.
    names: the names of the components.
    RETURNS: the state of each, as it is serialized.
    """
    return {name: _get_component(nlp, name).to_bytes(exclude=_EXCLUDED) for name in names}


def set_components_state(nlp: Language, state: dict[str, bytes]) -> None:
    """Set the state of components that were initialised from the same config, where it differs.

    nlp: the pipeline.
    state: what `get_components_state` returned.
    """
    for name, before in state.items():
        component = _get_component(nlp, name)
        if component.to_bytes(exclude=_EXCLUDED) != before:
            if isinstance(component, EditTreeLemmatizer):
                component.trees = EditTrees(nlp.vocab.strings)  # Loading adds trees to those that are there.
            component.from_bytes(before, exclude=_EXCLUDED)


def _get_component(nlp: Language, name: str) -> Any:
    return nlp.get_pipe(name)


def find_parameters(models: dict[str, Model[Any, Any]]) -> Iterator[tuple[str, str, Key, Any]]:
    """Find the parameters of models.

    models: the models by the name of their component.
    RETURNS: for each parameter the component, a name that is unique in the component and the same in each process, the
        key by which the optimizer knows it in this process, and the weights.
    """
    for component, model in models.items():
        for i, node in enumerate(model.walk()):
            for name in node.param_names:
                if node.has_param(name):
                    yield component, f"{i}.{node.name}.{name}", (node.id, name), node.get_param(name)
            for shim in node.shims:
                module = getattr(shim, "module", None) or shim._model
                for name, weights in module.named_parameters() if hasattr(module, "named_parameters") else ():
                    yield component, f"{i}.{node.name}.{name}", (shim.id, name), weights.data


def get_models_state(models: dict[str, Model[Any, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the state of models: parameters, attributes, torch modules, and the scales of mixed precision.

    models: the models by the name of their component.
    RETURNS: for each model the states of its layers, in a form that msgpack can store.
    """
    return {component: [_get_layer_state(node) for node in model.walk()] for component, model in models.items()}


def set_models_state(models: dict[str, Model[Any, Any]], state: dict[str, list[dict[str, Any]]]) -> None:
    """Set the state of models that were initialised from the same config.

    models: the models by the name of their component.
    state: what `get_models_state` returned.
    RAISES: ValueError if the state is of other models.
    """
    if list(state) != list(models):
        raise ValueError(f"The checkpoint is of the components {list(state)}, not of {list(models)}.")
    for component, model in models.items():
        nodes = list(model.walk())
        if [node.name for node in nodes] != [layer["name"] for layer in state[component]]:
            raise ValueError(f"The checkpoint has other layers than the model of '{component}'.")
        for node, layer in zip(nodes, state[component], strict=True):
            _set_layer_state(node, layer)


def _get_layer_state(node: Model[Any, Any]) -> dict[str, Any]:
    return {
        "name": node.name,
        "params": {name: node.ops.to_numpy(node.get_param(name)) for name in node.param_names if node.has_param(name)},
        "attrs": {name: _encode(value) for name, value in node.attrs.items()},
        "shims": [shim.to_bytes() for shim in node.shims],
        "scales": [_get_scale(shim) for shim in node.shims],
    }


def _set_layer_state(node: Model[Any, Any], layer: dict[str, Any]) -> None:
    for name, stored in layer["params"].items():
        weights: Any = node.ops.asarray(stored)
        if node.has_param(name) and node.get_param(name).shape == weights.shape:
            current: Any = node.get_param(name)
            current[...] = weights
        else:
            node.set_param(name, weights.copy())
    for name, encoded in layer["attrs"].items():
        if encoded is not None and encoded != _encode(node.attrs[name]):
            _set_attribute(node, name, srsly.msgpack_loads(encoded))
    for shim, weights, scale in zip(node.shims, layer["shims"], layer["scales"], strict=True):
        shim.from_bytes(weights)
        _set_scale(shim, scale)


def _encode(value: Any) -> bytes | None:
    """Return an attribute's value as bytes, or None for a function, which training does not change."""
    if isinstance(value, ContextCounts):
        value = value.get_state()
    elif isinstance(value, set):
        value = sorted(value)
    try:
        encoded: bytes = srsly.msgpack_dumps(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return encoded


def _set_attribute(node: Model[Any, Any], name: str, value: Any) -> None:
    current = node.attrs[name]
    if isinstance(current, ContextCounts):
        current.set_state(value)
    elif isinstance(current, set):
        current.clear()
        current.update(value)
    else:
        node.attrs[name] = value.copy() if isinstance(value, numpy.ndarray) else value


def _get_scale(shim: Shim) -> list[Any] | None:
    scaler = getattr(shim, "_grad_scaler", None)
    if scaler is None or not scaler._enabled:
        return None
    return [float(scaler._scale), int(scaler._growth_tracker)]


def _set_scale(shim: Shim, scale: list[Any] | None) -> None:
    if scale is not None:
        scaler: Any = shim._grad_scaler  # type: ignore[attr-defined]
        scaler._scale.fill_(scale[0])
        scaler._growth_tracker.fill_(scale[1])


def get_optimizer_state(optimizer: Optimizer, models: dict[str, Model[Any, Any]]) -> dict[str, Any]:
    """Return the state of an optimizer between two steps, without its schedules.

    optimizer: thinc's optimizer or a subclass.
    models: the models that it updates, by the name of their component.
    RETURNS: the state, in a form that msgpack can store. Parameters have names that are the same in each process.
    RAISES: ValueError if the optimizer updates a parameter that is not in the models.
    """
    names = {key: component + _SEPARATOR + name for component, name, key, _ in find_parameters(models)}
    return {name: _store(value, names) for name, value in _get_attributes(optimizer).items()}


def set_optimizer_state(optimizer: Optimizer, models: dict[str, Model[Any, Any]], state: dict[str, Any]) -> None:
    """Set the state of an optimizer that was made from the same config.

    optimizer, models: as for `get_optimizer_state`.
    state: what it returned.
    """
    keys = {component + _SEPARATOR + name: key for component, name, key, _ in find_parameters(models)}
    for name, current in _get_attributes(optimizer).items():
        stored = state[name]
        if isinstance(current, dict):
            current.clear()
            current.update({keys[address]: _load(value) for address, value in stored.items()})
        else:
            setattr(optimizer, name, stored)


def _get_attributes(optimizer: Optimizer) -> dict[str, Any]:
    slots = [slot for cls in type(optimizer).__mro__ for slot in getattr(cls, "__slots__", ())]
    names = [*slots, *getattr(optimizer, "__dict__", {})]
    return {name: getattr(optimizer, name) for name in names if name not in ("schedules", "__dict__", "__weakref__")}


def _store(value: Any, names: dict[Key, str]) -> Any:
    if not isinstance(value, dict):
        return value
    unknown = [key for key in value if key not in names]
    if unknown:
        raise ValueError(
            f"The optimizer updates the parameter {unknown[0]}, which is in no model of the pipeline, so the training "
            "can't be continued from a checkpoint. Train with `spacy train`."
        )
    ops = get_current_ops()
    return {names[key]: ops.to_numpy(one) if is_xp_array(one) else one for key, one in value.items()}


def _load(value: Any) -> Any:
    ops: Any = get_current_ops()
    return ops.asarray(value).copy() if isinstance(value, numpy.ndarray) else value
