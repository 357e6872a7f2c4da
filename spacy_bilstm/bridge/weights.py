"""Store the weights of torch modules as safetensors, and load them.

No pickle is written or read. Loading checks every name, shape and type before it assigns anything.
"""

from __future__ import annotations

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


def weights_to_bytes(module: nn.Module) -> bytes:
    """Serialize a module's weights as safetensors.

    module: the module, on any device.
    RETURNS: the bytes of a safetensors file.
    """
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()})


def weights_from_bytes(module: nn.Module, data: bytes) -> None:
    """Load weights from safetensors into a module. The module stays on its device.

    module: the module. If the data is invalid, it does not change.
    data: the bytes of a safetensors file.
    RAISES: ValueError if the data is invalid; the message says why and how to fix it.
    """
    stored = _parse(data)
    expected = module.state_dict()
    _check(stored, expected)
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(stored[name])


def _parse(data: bytes) -> dict[str, Tensor]:
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        # Checked only after a failure: a valid safetensors file may begin with the same bytes as a pickle.
        if data.startswith(_PICKLE_STARTS):
            raise ValueError(
                "Can't load the weights: the data is a pickle, as torch.save and thinc's own PyTorch layers write it. "
                "spacy-bilstm reads safetensors only, because loading a pickle can run arbitrary code. Train the "
                "pipeline again with this architecture, or load it with the package that wrote it."
            ) from error
        raise ValueError(
            f"Can't load the weights: the {len(data)} bytes are not a complete safetensors file ({error}). The model "
            "file is truncated, damaged or of another kind. Copy it again from its source, or train the model again."
        ) from error


def _check(stored: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    problems = [f"'{name}' is missing" for name in expected if name not in stored]
    problems += [f"'{name}' is not a weight of this model" for name in stored if name not in expected]
    for name in expected.keys() & stored.keys():
        if stored[name].shape != expected[name].shape:
            problems.append(
                f"'{name}' has the shape {tuple(stored[name].shape)}, but the model's is {tuple(expected[name].shape)}"
            )
        elif stored[name].dtype != expected[name].dtype:
            problems.append(f"'{name}' is of type {stored[name].dtype}, but the model's is {expected[name].dtype}")
    if problems:
        raise ValueError(
            f"Can't load the weights, because they belong to another model: {'; '.join(sorted(problems))}. Use the "
            "config that they were trained with: width, depth, cell, bidirectional and merge must be the same."
        )
