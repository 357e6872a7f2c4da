"""A thinc layer for torch modules that map the token vectors of several documents to new token vectors."""

from collections.abc import Callable

from thinc.api import Model
from thinc.types import Floats2d
from torch import nn

from .convert import array_to_tensor, concatenate_documents, split_documents, tensor_to_array
from .model_types import EncoderModel
from .shim import TorchShim, get_shim


def with_torch_encoder(
    name: str, module: nn.Module, *, nI: int, nO: int, mixed_precision: bool = False
) -> EncoderModel:
    """Wrap a torch module that encodes token vectors, such as `nn.recurrent_encoder.RecurrentEncoder`.

    The layer calls the module with the concatenated token vectors and the lengths of the documents, and in training
    also with True and the rate of dropout. It calls the module's `reset_parameters` to initialise the weights.

    name: the layer's name.
    module: the torch module.
    nI: width of the input.
    nO: width of the output.
    mixed_precision: whether to compute in half precision on CUDA.
    RETURNS: the layer. Its attribute `dropout_rate` receives `[training] dropout`.
    """
    return Model(
        name,
        forward,
        init=init,
        dims={"nI": nI, "nO": nO},
        attrs={"dropout_rate": 0.0},
        shims=[TorchShim(module, mixed_precision)],
    )


def init(model: EncoderModel, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Check the width of the sample, and initialise the module's weights.

    RAISES: ValueError if the sample's width is not the layer's `nI`.
    """
    if X is not None:
        _check_width(model, X)
    shim = get_shim(model)
    shim.module.reset_parameters()  # type: ignore[operator]


def forward(
    model: EncoderModel, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Call the module on the token vectors of all documents.

    RAISES: ValueError if a document's width is not the layer's `nI`.
    """
    _check_width(model, X)
    shim = get_shim(model)
    lengths = [len(document) for document in X]
    vectors = array_to_tensor(concatenate_documents(model.ops, X, model.get_dim("nI")), shim.device, shim.dtype)
    if is_train:
        output, torch_backprop = shim.begin_update([vectors], lengths, True, model.attrs["dropout_rate"])
    else:
        output = shim.predict(vectors, lengths)

    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        d_output = concatenate_documents(model.ops, dY, model.get_dim("nO"))
        (d_vectors,) = torch_backprop(array_to_tensor(d_output, shim.device, shim.dtype))
        return split_documents(tensor_to_array(d_vectors, model.ops), lengths)

    return split_documents(tensor_to_array(output, model.ops), lengths), backprop


def _check_width(model: EncoderModel, X: list[Floats2d]) -> None:
    nI = model.get_dim("nI")
    for document in X:
        width = document.shape[1]
        if width != nI:
            raise ValueError(
                f"The layer '{model.name}' takes vectors of width {nI}, but the layer before it, such as the "
                f"embedding, returns vectors of width {width}. Set both to the same width, or set nI = {width} in "
                "spacy-bilstm.RecurrentEncoder.v1."
            )
