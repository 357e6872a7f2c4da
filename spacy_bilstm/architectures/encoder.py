"""The architectures of recurrent encoders, which encode token vectors in their context."""

from ..bridge.arguments import check_numbers, check_whole_numbers
from ..bridge.encoder_layer import with_torch_encoder
from ..bridge.model_types import EncoderModel
from ..nn.recurrent_encoder import RecurrentEncoder
from .limits import check_number_of_weights

_MAX_DEPTH = 100


def build_bilstm_encoder_v1(width: int, depth: int = 1, merge: str = "concat", dropout: float = 0.0) -> EncoderModel:
    """Encode tokens in context with bidirectional LSTM layers; replaces `spacy.MaxoutWindowEncoder.v2`.

    Like that encoder, it normalises its output.

    width: width of the input and of the output, >= 1; even for the merge `"concat"`.
    depth: number of layers, 1 <= depth <= 100.
    merge: how to merge the two directions: `"concat"`, `"sum"`, `"mean"` or `"mul"` (product).
    dropout: rate of locked dropout between layers, 0 <= rate < 1, in addition to `[training] dropout`, which applies to
        the output of every layer.
    RETURNS: the encoder, from one array of shape `(length, width)` per document to another.
    RAISES: ValueError for an argument outside these ranges.
    """
    return build_recurrent_encoder_v1(width, depth=depth, merge=merge, dropout=dropout)


def build_recurrent_encoder_v1(
    width: int,
    depth: int = 1,
    cell: str = "lstm",
    bidirectional: bool = True,
    merge: str = "concat",
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    residual: bool = False,
    layer_norm: bool = True,
    nI: int | None = None,
    mixed_precision: bool = False,
    inference_precision: str = "float32",
) -> EncoderModel:
    """Encode tokens in context with recurrent layers of any cell, in one or two directions.

    width: width of the output, >= 1; even for two concatenated directions.
    depth: number of layers, 1 <= depth <= 100.
    cell: `"rnn"` (Elman), `"gru"` or `"lstm"`.
    bidirectional: whether each layer reads the document in both directions.
    merge: how to merge two directions: `"concat"`, `"sum"`, `"mean"` or `"mul"` (product). It has no effect with one
        direction.
    dropout: rate of locked dropout between layers, 0 <= rate < 1, in addition to `[training] dropout`, which applies to
        the output of every layer.
    recurrent_dropout: rate of dropout on the hidden-to-hidden weights, with one mask for each batch, 0 <= rate < 1.
    residual: whether to add the input of each layer from the second on to its output.
    layer_norm: whether to normalise the output.
    nI: width of the input, >= 1; `width` if None.
    mixed_precision: whether to compute in half precision on CUDA.
    inference_precision: precision of the products with hidden states at inference on CPU: `"float32"`, `"bfloat16"` or
        `"int8"`. The weights do not change. A lower precision is faster on a CPU that has instructions for it
        (AVX512-BF16, AMX, VNNI), and may round a document differently in different batches.
    RETURNS: the encoder, from one array of shape `(length, nI)` per document to one of shape `(length, width)`.
    RAISES: ValueError for an argument outside these ranges.
    """
    check_whole_numbers("a recurrent encoder", width=width, depth=depth, nI=nI)
    check_numbers("a recurrent encoder", dropout=dropout, recurrent_dropout=recurrent_dropout)
    input_width = width if nI is None else nI
    _check_size(input_width, width, depth)
    module = RecurrentEncoder(
        input_width,
        width,
        depth,
        cell,
        bidirectional,
        merge,
        dropout,
        recurrent_dropout,
        residual,
        layer_norm,
        inference_precision,
    )
    return with_torch_encoder("recurrent_encoder", module, nI=input_width, nO=width, mixed_precision=mixed_precision)


def _check_size(input_width: int, width: int, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"A recurrent encoder needs depth <= {_MAX_DEPTH}, but depth is {depth}.")
    n_weights = 8 * width * (input_width + (2 * depth - 1) * width)  # Two directions of an LSTM have eight gates.
    check_number_of_weights("A recurrent encoder", n_weights, f"nI = {input_width}, width = {width}, depth = {depth}")
