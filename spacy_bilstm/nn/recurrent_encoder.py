"""The recurrent encoder: a stack of recurrent layers over several documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .cells import CELLS
from .merges import MERGES
from .recurrence import TimeStepLoop, Workload, find_strategy
from .recurrence.products import PRODUCTS
from .recurrence.time_steps import TimeStepWeights
from .recurrent_layer import RecurrentLayer

_CPU = torch.device("cpu")


class RecurrentEncoder(nn.Module):
    """A stack of recurrent layers over the token vectors of several documents.

    No strategy pads the documents, so the output of a document does not depend on the others.
    """

    def __init__(
        self,
        input_width: int,
        width: int,
        depth: int = 1,
        cell: str = "lstm",
        bidirectional: bool = True,
        merge: str = "concat",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        residual: bool = False,
        layer_norm: bool = True,
        inference_precision: str = "float32",
    ) -> None:
        """Make an encoder with newly initialised weights.

        input_width: width of the input, >= 1.
        width: width of the output of each layer, >= 1.
        depth: number of layers, >= 1.
        cell: a key of `CELLS`.
        bidirectional: whether each layer reads in both directions.
        merge: how to merge two directions, a key of `MERGES`.
        dropout: rate of locked dropout between layers in training, 0 <= rate < 1.
        recurrent_dropout: rate of dropout on the hidden-to-hidden weights in training, 0 <= rate < 1.
        residual: whether to add the input of each layer from the second on to its output.
        layer_norm: whether to normalise the output (Ba et al. 2016). Without it the output is small at first, and the
            layers that read it learn slowly.
        inference_precision: a key of `PRODUCTS`, for products with hidden states at inference on CPU. Below
            `"float32"`, rounding may make a document depend slightly on its batch.
        RAISES: ValueError for arguments outside these ranges, or an odd width with two concatenated directions.
        """
        super().__init__()
        check_arguments(input_width, width, depth, cell, bidirectional, merge, dropout, recurrent_dropout)
        if inference_precision not in PRODUCTS:
            raise ValueError(f"Unknown inference_precision '{inference_precision}'. Use one of: {', '.join(PRODUCTS)}.")
        self.cell, self.n_directions = CELLS[cell], 1 + bidirectional
        self.inference_precision = inference_precision
        self.width = width
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        self.residual = residual
        self.layers = nn.ModuleList(
            RecurrentLayer(input_width if i == 0 else width, width, cell, bidirectional, merge) for i in range(depth)
        )
        self.norm = nn.LayerNorm(width) if layer_norm else nn.Identity()

    def reset_parameters(self) -> None:
        """Initialise all weights from torch's random generator."""
        for layer in self.layers:
            cast(RecurrentLayer, layer).reset_parameters()
        if isinstance(self.norm, nn.LayerNorm):
            self.norm.reset_parameters()

    def forward(
        self, vectors: Tensor, lengths: Sequence[int], training: bool = False, output_dropout: float = 0.0
    ) -> Tensor:
        """Encode the token vectors of several documents.

        vectors: token vectors, document after document. Shape `(n_tokens, input_width)`.
        lengths: number of tokens of each document, each >= 0. They sum to n_tokens.
        training: whether to apply dropout: `output_dropout` and the encoder's own `dropout` and `recurrent_dropout`.
        output_dropout: rate of locked dropout on the output of every layer, 0 <= rate < 1.
        RETURNS: the encoded tokens, in the order of `vectors`. Shape `(n_tokens, width)`.
        RAISES: ValueError if the lengths do not sum to the number of token vectors.
        """
        n_tokens = vectors.shape[0]
        if sum(lengths) != n_tokens:
            raise ValueError(
                f"The lengths of the documents sum to {sum(lengths)}, but there are {n_tokens} token vectors."
            )
        if n_tokens == 0:
            return vectors.new_zeros((0, self.width))
        return self._run_layers(vectors, lengths, 0, training, output_dropout)

    def prefers_input_gates(self, lengths: Sequence[int]) -> bool:
        """Return whether `forward_from_gates` is faster than `forward` if the input gates are cached.

        lengths: number of tokens of each document, not all 0.
        """
        workload = Workload(self.cell, self.n_directions, self.inference_precision, lengths, _CPU, has_input_gates=True)
        return find_strategy(workload) is TimeStepLoop

    def prepare_input_gates(self) -> TimeStepWeights | None:
        """Return a copy of the first layer's weights, whose `compute_gates` returns gates for `forward_from_gates`.

        RETURNS: the weights, or None if `forward_from_gates` is never faster than `forward`.
        """
        if not TimeStepLoop.supports_input_gates(self.cell, self.inference_precision):
            return None
        return TimeStepWeights.from_layer(self._first_layer, self.inference_precision)

    def forward_from_gates(
        self, prepared: TimeStepWeights, gates: Tensor, gate_index: Tensor, lengths: Sequence[int]
    ) -> Tensor:
        """Encode tokens from their input gates of the first layer, at inference on CPU.

        prepared: the result of `prepare_input_gates` for the current weights.
        gates: gates that `prepared.compute_gates` returned. Shape `(n, n_directions, n_gates * hidden_width)`.
        gate_index: position of each token's gates in `gates`. Shape `(n_tokens,)`, int64, n_tokens >= 1.
        lengths: number of tokens of each document, each >= 0. They sum to n_tokens.
        RETURNS: the encoded tokens, in the order of `gate_index`. Shape `(n_tokens, width)`.
        """
        workload = Workload(self.cell, self.n_directions, self.inference_precision, lengths, gates.device)
        vectors = TimeStepLoop(workload).run_from_gates(self._first_layer, prepared, gates, gate_index)
        if len(self.layers) == 1:
            return cast(Tensor, self.norm(vectors))
        return self._run_layers(vectors, lengths, 1)

    @property
    def _first_layer(self) -> RecurrentLayer:
        return cast(RecurrentLayer, self.layers[0])

    def _run_layers(
        self, vectors: Tensor, lengths: Sequence[int], first: int, training: bool = False, output_dropout: float = 0.0
    ) -> Tensor:
        """Run the layers from the given one on with the strategy for the workload."""
        workload = Workload(
            self.cell,
            self.n_directions,
            self.inference_precision,
            lengths,
            vectors.device,
            needs_gradient=training or torch.is_grad_enabled(),
            recurrent_dropout=self.recurrent_dropout if training else 0.0,
        )
        strategy = find_strategy(workload)(workload)
        # Two dropouts in a row are one: the product of the probabilities of keeping a feature.
        between = 1.0 - (1.0 - output_dropout) * (1.0 - self.dropout) if training else 0.0
        vectors = strategy.arrange(vectors)
        layers = list(self.layers)
        for i, layer in enumerate(layers[first:], first):
            output = strategy.run_layer(cast(RecurrentLayer, layer), vectors)
            if i < len(layers) - 1:
                output = strategy.drop(output, between)
            vectors = vectors + output if self.residual and i > 0 else output
        vectors = self.norm(vectors)
        return strategy.restore(strategy.drop(vectors, output_dropout if training else 0.0))


def check_arguments(
    input_width: int,
    width: int,
    depth: int,
    cell: str,
    bidirectional: bool,
    merge: str,
    dropout: float,
    recurrent_dropout: float,
) -> None:
    """Check the arguments of `RecurrentEncoder`.

    RAISES: ValueError that names the argument, its value and a correct value.
    """
    for name, number in (("width", width), ("nI", input_width), ("depth", depth)):
        if number < 1:
            raise ValueError(f"A recurrent encoder needs {name} >= 1, but {name} is {number}.")
    if cell not in CELLS:
        raise ValueError(f"Unknown cell '{cell}'. Use one of: {', '.join(CELLS)}.")
    if merge not in MERGES:
        raise ValueError(f"Unknown merge '{merge}'. Use one of: {', '.join(MERGES)}.")
    if bidirectional and MERGES[merge].concatenates and width % 2:
        any_width = ", ".join(name for name in MERGES if not MERGES[name].concatenates)
        raise ValueError(
            "Each of two concatenated directions has half of the output width, so width must be even, but it is "
            f"{width}. Use {width + 1}, or a merge that allows any width: {any_width}."
        )
    for name, rate in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"{name} is a rate and must be at least 0 and less than 1, but it is {rate}.")
