"""The recurrent encoders, which read rows in context. Lists of rows come in and go out."""

from ..bridge.model_types import EncoderModel
from ..bridge.rows import with_rows
from ..nn.recurrent import RecurrentEncoder


def build_bilstm_encoder_v1(width: int, depth: int = 1, merge: str = "concat", dropout: float = 0.0) -> EncoderModel:
    """Encode context with bidirectional LSTM layers; takes the place of `spacy.MaxoutWindowEncoder.v2`.

    Like that encoder it normalises its output.

    width: width of the input and of the output, >= 1; even for the merge `"concat"`.
    depth: number of layers, >= 1.
    merge: how two directions become one row: `"concat"`, `"sum"`, `"mean"` or `"mul"` (product).
    dropout: rate of locked dropout between layers, 0 <= rate < 1, on top of `[training] dropout`, which reaches the
        output of every layer.
    RETURNS: the encoder, from one array of shape `(length, width)` a document to another.
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
    """Encode context with recurrent layers of any cell, in one or two directions.

    width: width of the output, >= 1; even for two concatenated directions.
    depth: number of layers, >= 1.
    cell: `"rnn"` (Elman), `"gru"` or `"lstm"`.
    bidirectional: whether each layer reads the document in both directions.
    merge: how two directions become one row: `"concat"`, `"sum"`, `"mean"` or `"mul"` (product). Of no effect with one
        direction.
    dropout: rate of locked dropout between layers, 0 <= rate < 1, on top of `[training] dropout`, which reaches the
        output of every layer.
    recurrent_dropout: rate of dropout on the hidden-to-hidden weights, one mask a batch, 0 <= rate < 1.
    residual: whether the input of each layer from the second on is added to its output.
    layer_norm: whether the output is normalised.
    nI: width of the input, >= 1; that of the output if None.
    mixed_precision: whether to compute in half precision on CUDA.
    inference_precision: `"float32"`, `"bfloat16"` or `"int8"`: what the products with hidden states are computed in, at
        inference on CPU; the weights stay what they are. Less is faster where the CPU has instructions for it
        (AVX512-BF16, AMX, VNNI), and may round a document differently in different batches.
    RETURNS: the encoder, from one array of shape `(length, nI)` a document to one of shape `(length, width)`.
    RAISES: ValueError for an argument outside these ranges.
    """
    input_width = width if nI is None else nI
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
    return with_rows("recurrent_encoder", module, nI=input_width, nO=width, mixed_precision=mixed_precision)
