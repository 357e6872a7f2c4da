"""A torch module over the rows of several documents becomes a thinc layer over lists of arrays."""

from collections.abc import Callable

from thinc.api import Model
from thinc.types import Floats2d
from torch import nn

from .convert import array_to_tensor, concatenate_rows, split_rows, tensor_to_array
from .model_types import EncoderModel
from .shim import TorchShim, get_shim


def with_rows(name: str, module: nn.Module, *, nI: int, nO: int, mixed_precision: bool = False) -> EncoderModel:
    """Wrap a torch module that maps the rows of several documents to as many rows.

    The module is called with the concatenated rows and the documents' lengths, and in training with True and the rate
    of dropout, too. Its `reset_parameters` initialises its weights afresh when the layer is initialised.

    name: the layer's name.
    module: the torch module.
    nI: width of the rows that come in.
    nO: width of the rows that go out.
    mixed_precision: whether to compute in half precision on CUDA.
    RETURNS: the layer. `[training] dropout` reaches it through its attribute `dropout_rate`.
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
    """Initialise the module's weights, and check the width of the sample.

    RAISES: ValueError if the sample's width is not the layer's `nI`.
    """
    if X is not None:
        _check_width(model, X)
    shim = get_shim(model)
    shim.module.reset_parameters()  # type: ignore[operator]


def forward(
    model: EncoderModel, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Call the module on the documents' rows.

    RAISES: ValueError if a document's width is not the layer's `nI`.
    """
    _check_width(model, X)
    shim = get_shim(model)
    lengths = [len(document) for document in X]
    rows = array_to_tensor(concatenate_rows(model.ops, X, model.get_dim("nI")), shim.device, shim.dtype)
    if is_train:
        output, torch_backprop = shim.begin_update([rows], lengths, True, model.attrs["dropout_rate"])
    else:
        output = shim.predict(rows, lengths)

    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        d_rows = concatenate_rows(model.ops, dY, model.get_dim("nO"))
        (d_input,) = torch_backprop(array_to_tensor(d_rows, shim.device, shim.dtype))
        return split_rows(tensor_to_array(d_input, model.ops), lengths)

    return split_rows(tensor_to_array(output, model.ops), lengths), backprop


def _check_width(model: EncoderModel, X: list[Floats2d]) -> None:
    nI = model.get_dim("nI")
    for document in X:
        if document.shape[1] != nI:
            width = document.shape[1]
            raise ValueError(
                f"The layer '{model.name}' takes rows of width {nI}, but the layer before it, such as the embedding, "
                f"gives rows of width {width}. Give both the same width, or tell this layer its input's width with "
                f"nI = {width} in spacy-bilstm.RecurrentEncoder.v1."
            )
