"""The shim through which thinc trains, averages, copies, moves and stores a torch module."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from thinc.api import Model, get_current_ops, get_torch_default_device
from thinc.optimizers import Optimizer
from thinc.shims.pytorch_grad_scaler import PyTorchGradScaler
from thinc.shims.shim import Shim
from thinc.types import FloatsXd
from thinc.util import torch2xp
from torch import Tensor, nn

from .convert import array_to_tensor
from .fork import make_fork_safe
from .weights import check_weights, weights_from_bytes, weights_to_bytes

Gradients = list[Tensor]


class TorchShim(Shim):
    """Connects a torch module to thinc; replaces thinc's `PyTorchShim`.

    Unlike thinc's shim it keeps the memory of weights through updates, so cuDNN's flat buffer stays whole. It applies
    averages. A copy has an id of its own. Gradients passed to an optimizer keep their values, also for an optimizer
    that only collects them, as in `nlp.rehearse`. A prediction changes nothing about the module, so several threads
    can predict at once.
    """

    _model: nn.Module

    def __init__(self, module: nn.Module, mixed_precision: bool = False) -> None:
        """Wrap a module, and move it to the device of thinc's current operations.

        module: the module. Its output must depend on its arguments and weights only, not on `module.training`.
        mixed_precision: whether to compute in half precision, with scaled gradients, on CUDA.
        """
        super().__init__(module)
        self.mixed_precision = mixed_precision
        # Increases with every change of the weights that torch does not count, for the type cache.
        self.weights_version = 0
        self._grad_scaler = PyTorchGradScaler(mixed_precision)
        # Parameters, the copies of them that an optimizer has collected for a later update, and the copies' values.
        self._collected: list[tuple[nn.Parameter, FloatsXd, FloatsXd]] = []
        self._move(get_torch_default_device())

    @property
    def module(self) -> nn.Module:
        """The torch module."""
        self._take_late_updates()
        return self._model

    @property
    def device(self) -> torch.device:
        """The device of the module's weights."""
        return next(self._model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the module's weights."""
        return next(self._model.parameters()).dtype

    def predict(self, *args: Any, **kwargs: Any) -> Tensor:
        """Call the module without gradients.

        args, kwargs: arguments of the module's `forward`.
        RETURNS: the module's output, one tensor.
        """
        make_fork_safe()
        with torch.no_grad():
            return self._forward(*args, **kwargs)

    def begin_update(  # type: ignore[override]
        self, inputs: list[Tensor], *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Callable[[Tensor], Gradients]]:
        """Call the module, and prepare backpropagation.

        inputs: the first arguments of the module's `forward`, of a floating type. They get gradients.
        args, kwargs: further arguments of the module's `forward`. They get no gradients.
        RETURNS: the module's output, one tensor, and a callback. The callback takes the gradient of the output, adds
            the gradients of the weights to `parameter.grad`, and returns those of the inputs.
        """
        make_fork_safe()
        inputs = [tensor.detach().requires_grad_() for tensor in inputs]
        with torch.enable_grad():
            output = self._forward(*inputs, *args, **kwargs)

        def backprop(d_output: Tensor) -> Gradients:
            return self._backprop(inputs, output, d_output)

        return output.detach(), backprop

    def _backprop(self, inputs: list[Tensor], output: Tensor, d_output: Tensor) -> Gradients:
        if not output.requires_grad:  # No weight was used, as for a batch of empty documents.
            return [torch.zeros_like(tensor) for tensor in inputs]
        parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        scaled = self._is_scaling()
        if scaled:
            d_output = cast(Tensor, self._grad_scaler.scale(d_output))
        # A scalar needs no gradient. To check one, torch would import its symbolic shapes, which take 36 MB.
        projection = (output * d_output).sum()
        gradients = torch.autograd.grad(projection, [*inputs, *parameters], allow_unused=True)
        # Only new gradients: with gradient accumulation, those of earlier batches are unscaled already.
        if scaled and self._grad_scaler.unscale([gradient for gradient in gradients if gradient is not None]):
            return [torch.zeros_like(tensor) for tensor in inputs]
        for parameter, gradient in zip(parameters, gradients[len(inputs) :], strict=True):
            if gradient is not None:
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return [
            torch.zeros_like(tensor) if gradient is None else gradient
            for tensor, gradient in zip(inputs, gradients, strict=False)
        ]

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights with the gradients of the batches since the last update.

        optimizer: called with a key, the weights and the gradient of each parameter that has a gradient. The weights
            that it returns are copied into the parameter's memory.
        """
        self._take_late_updates()
        self._collected = []
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            weights = cast(FloatsXd, torch2xp(parameter.data))
            gradient = cast(FloatsXd, torch2xp(parameter.grad.contiguous()))
            updated = array_to_tensor(optimizer((self.id, name), weights, gradient)[0], parameter.device)
            # thinc's optimizers work in place, on memory shared with the parameter everywhere but on Apple's MPS.
            if updated.data_ptr() != parameter.data_ptr():
                if torch.equal(updated.view_as(parameter), parameter.data):
                    self._collected.append((parameter, weights, weights.copy()))
                parameter.data.copy_(updated.view_as(parameter))
            # Not zeroed: an optimizer that collects gradients, as in nlp.rehearse, still uses this memory.
            parameter.grad = None
        self.weights_version += 1
        if self._is_scaling():
            self._grad_scaler.update()

    @contextmanager
    def use_params(self, params: dict[Any, Any]) -> Iterator[None]:
        """Use other weights inside a `with` block, such as an optimizer's averages.

        params: arrays by key `(shim id, parameter name)`; other keys are ignored.
        """
        replaced = {name: parameter for name, parameter in self.module.named_parameters() if (self.id, name) in params}
        originals = {name: parameter.detach().clone() for name, parameter in replaced.items()}
        try:
            for name, parameter in replaced.items():
                weights = array_to_tensor(params[(self.id, name)], parameter.device)
                parameter.data.copy_(weights.view_as(parameter))
            self.weights_version += 1
            yield
        finally:
            for name, parameter in replaced.items():
                parameter.data.copy_(originals[name])
            self.weights_version += 1

    def copy(self) -> TorchShim:
        """Copy the shim and its module. The copy has an id of its own, because optimizers store their state by id."""
        self._take_late_updates()
        copied = copy.deepcopy(self)
        copied._collected = []
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        for module in copied.module.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # Copying splits cuDNN's flat buffer.
        return copied

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the module.

        device_type: `"cpu"` or `"gpu"`, as thinc's operations name it; for thinc's MPS operations `"cpu"` too.
        device_id: the number of the CUDA device.
        RAISES: ValueError for another device type.
        """
        if device_type == "gpu":
            self._move(torch.device("cuda", device_id))
        elif device_type == "cpu":
            is_mps = get_current_ops().name == "mps"
            self._move(torch.device("mps" if is_mps else "cpu"))
        else:
            raise ValueError(f"Can't move a torch module to the device type '{device_type}'. Use 'cpu' or 'gpu'.")

    def to_bytes(self) -> bytes:
        """Serialize the weights as safetensors.

        RAISES: ValueError if a weight is NaN or infinite.
        """
        return weights_to_bytes(self.module)

    def from_bytes(self, data: bytes) -> TorchShim:
        """Load weights that `to_bytes` returned, onto the module's device.

        data: the bytes of a safetensors file.
        RETURNS: the shim itself.
        RAISES: ValueError if the data is not valid weights of this module; the module then does not change.
        """
        weights_from_bytes(self._model, data)
        self._collected = []
        return self

    def check_bytes(self, data: bytes) -> None:
        """Check weights that `to_bytes` returned, without loading them.

        data: the bytes of a safetensors file.
        RAISES: ValueError if the data is not valid weights of this module.
        """
        check_weights(self._model, data)

    def _take_late_updates(self) -> None:
        """Copy weights that an optimizer has updated after it collected them, where it has copies, as on MPS."""
        if not self._collected:
            return
        waiting = []
        for parameter, weights, before in self._collected:
            if (weights == before).all():
                waiting.append((parameter, weights, before))
            else:
                parameter.data.copy_(array_to_tensor(weights, parameter.device).view_as(parameter))
                self.weights_version += 1
        self._collected = waiting

    def _move(self, device: torch.device) -> None:
        self.module.to(device)
        self._grad_scaler.to_(device)

    def _forward(self, *args: Any, **kwargs: Any) -> Tensor:
        if not self._is_scaling():
            return cast(Tensor, self.module(*args, **kwargs))
        with torch.autocast("cuda"):
            output = self.module(*args, **kwargs)
        return cast(Tensor, output.float())  # thinc's layers compute in single precision.

    def _is_scaling(self) -> bool:
        return self.mixed_precision and self.device.type == "cuda"


def get_shim(model: Model[Any, Any]) -> TorchShim:
    """Return the shim of a layer that wraps a torch module.

    model: a layer whose first shim is a `TorchShim`.
    RETURNS: that shim.
    """
    shim = model.shims[0]
    assert isinstance(shim, TorchShim)
    return shim
