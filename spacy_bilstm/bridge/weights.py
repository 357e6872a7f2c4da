"""A torch module's weights become safetensors bytes, and such bytes become its weights again.

No pickle is ever written or read, and nothing is assigned before every name, shape and type has been checked.
"""

from __future__ import annotations

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


def weights_to_bytes(module: nn.Module) -> bytes:
    """Write a module's weights as safetensors.

    module: the module, on any device.
    RETURNS: the bytes of a safetensors file.
    """
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()})


def weights_from_bytes(module: nn.Module, data: bytes) -> None:
    """Give a module the weights that a safetensors file holds. The module keeps its device.

    module: the module; unchanged if anything is wrong with the data.
    data: the bytes of a safetensors file.
    RAISES: ValueError that says what is wrong with the data and how to mend it.
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
        # Only now: the length that a safetensors file starts with may begin like a pickle, too.
        if data.startswith(_PICKLE_STARTS):
            raise ValueError(
                "Can't load the weights: the data is a pickle, as torch.save and thinc's own PyTorch layers write it. "
                "spacy-bilstm reads safetensors only, because loading a pickle can run any code. Train the pipeline "
                "again with this architecture, or load it with the package that wrote it."
            ) from error
        raise ValueError(
            f"Can't load the weights: the {len(data)} bytes are not a complete safetensors file ({error}). The model "
            "file is truncated, damaged or of another kind: copy it again from its source, or train it again."
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
            f"Can't load the weights, as they are those of another model: {'; '.join(sorted(problems))}. "
            "Load them with the config they were trained with: width, depth, cell, bidirectional and merge must agree."
        )
