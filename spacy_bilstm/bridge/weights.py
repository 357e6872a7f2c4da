"""Store the weights of torch modules as safetensors, and load them.

No pickle is written or read. Loading checks every name, shape, type and value before it assigns anything.
"""

from __future__ import annotations

import json

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from .finite import find_not_finite
from .format import FIRST_FORMAT, FORMAT, check_format

# The only metadata: safetensors writes several in any order, and equal weights must have equal bytes.
_FORMAT_KEY = "spacy-bilstm.format"
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


def weights_to_bytes(module: nn.Module) -> bytes:
    """Serialize a module's weights as safetensors.

    module: the module, on any device.
    RETURNS: the bytes of a safetensors file.
    RAISES: ValueError if a weight is NaN or infinite.
    """
    not_finite = find_not_finite(module.state_dict().items())
    if not_finite:
        raise ValueError(
            f"Can't save the weights {', '.join(map(repr, not_finite))}: they are NaN or infinite. Training diverged. "
            "Train again from the last model that was saved, with a lower learning rate."
        )
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    return save(weights, metadata={_FORMAT_KEY: str(FORMAT)})


def weights_from_bytes(module: nn.Module, data: bytes) -> None:
    """Load weights from safetensors into a module. The module stays on its device.

    module: the module. If the data is invalid, it does not change.
    data: the bytes of a safetensors file.
    RAISES: ValueError if the data is invalid; the message says why and how to fix it.
    """
    expected, stored = module.state_dict(), check_weights(module, data)
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(stored[name])


def check_weights(module: nn.Module, data: bytes) -> dict[str, Tensor]:
    """Read weights from safetensors, and check that they fit a module. The module does not change.

    module: the module.
    data: the bytes of a safetensors file.
    RETURNS: the weights by name.
    RAISES: ValueError if the data is invalid; the message says why and how to fix it.
    """
    stored = _parse(data)
    check_format(_read_format(data))
    _check(stored, module.state_dict())
    return stored


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


def _read_format(data: bytes) -> object:
    """Return the format of a complete safetensors file. It begins with the length of its header, which is JSON."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    number = metadata.get(_FORMAT_KEY, str(FIRST_FORMAT))
    return int(number) if number.isdecimal() else number


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
    not_finite = find_not_finite(stored.items())
    if not_finite:
        raise ValueError(
            f"Can't load the weights, because {', '.join(map(repr, not_finite))} are NaN or infinite. The training "
            "diverged before it saved them, or the file is damaged. Copy it again, or train again."
        )
