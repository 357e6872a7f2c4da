"""Character encoders, which read the characters of words, and the table of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .layout import PackedLayout, number_sequences
from .recurrent_layer import RecurrentLayer


class CharacterEncoder(nn.Module, ABC):
    """A module that reads the characters of a word and returns one vector for the word."""

    def __init__(self, input_width: int, width: int) -> None:
        """Make an encoder with newly initialised weights.

        input_width: width of the vectors of characters, >= 1.
        width: width of the vectors of words, >= 1.
        RAISES: ValueError if the encoder cannot have that width.
        """
        super().__init__()

    @abstractmethod
    def reset_parameters(self) -> None:
        """Initialise all weights from torch's random generator."""

    @abstractmethod
    def forward(self, embedded: Tensor, chars: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode words.

        embedded: vectors of the distinct characters. Shape `(n_distinct, input_width)`.
        chars: the characters of all words, word after word, as positions in `embedded`. Shape `(n_chars,)`, int64.
        lengths: number of characters of each word, each >= 0. They sum to n_chars.
        RETURNS: the vectors of the words. Shape `(n_words, width)`.
        """


class CharacterCNN(CharacterEncoder):
    """Applies a convolution over windows of three characters, and takes the maximum over the word.

    After Ma and Hovy (2016) and Chiu and Nichols (2016). Each end of a word has one zero vector of padding. A word
    without characters is one window of padding.
    """

    def __init__(self, input_width: int, width: int) -> None:
        """Make a newly initialised convolution."""
        super().__init__(input_width, width)
        self.convolution = nn.Conv1d(input_width, width, kernel_size=3)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the filters uniformly after Glorot and Bengio (2010), and the bias with zeros."""
        nn.init.xavier_uniform_(self.convolution.weight)
        nn.init.zeros_(cast(Tensor, self.convolution.bias))

    def forward(self, embedded: Tensor, chars: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode words."""
        # The bias is the same for all windows, so it is added after the maximum.
        bias = cast(Tensor, self.convolution.bias)
        if len(chars) == 0:
            return bias.expand(len(lengths), -1)
        # Each distinct character's products as the left, middle and right of a window are computed once.
        left, middle, right = torch.einsum("ci,oik->kco", embedded, self.convolution.weight)
        padding = middle.new_zeros((1, middle.shape[1]))
        word = number_sequences(lengths, chars.device)
        crosses_words = word[1:] != word[:-1]
        outside = torch.full_like(chars[:1], len(embedded))
        before = torch.cat((outside, chars[:-1].masked_fill(crosses_words, len(embedded))))
        after = torch.cat((chars[1:].masked_fill(crosses_words, len(embedded)), outside))
        windows = (
            torch.cat((left, padding)).index_select(0, before)
            + middle.index_select(0, chars)
            + torch.cat((right, padding)).index_select(0, after)
        )
        lowest: Tensor = windows.new_full((len(lengths), windows.shape[1]), -torch.inf)
        pooled = lowest.scatter_reduce(0, word[:, None].expand(windows.shape), windows, "amax")
        return pooled.masked_fill(pooled == -torch.inf, 0.0) + bias  # Words without characters have no maximum.


class CharacterBiLSTM(CharacterEncoder):
    """Runs a BiLSTM over the characters, and takes the last state of each direction (Lample et al. 2016).

    A word without characters has states of zero.
    """

    def __init__(self, input_width: int, width: int) -> None:
        """Make a newly initialised BiLSTM.

        input_width: width of the vectors of characters, >= 1.
        width: width of the vectors of words, both directions together, >= 2 and even.
        RAISES: ValueError for an odd width.
        """
        super().__init__(input_width, width)
        if width % 2:
            raise ValueError(
                f"Each direction of the character BiLSTM has half of char_width, so char_width must be even, but it is "
                f"{width}. Use {width - 1 or 2} or {width + 1}."
            )
        self.width = width
        self.layer = RecurrentLayer(input_width, width, cell="lstm", bidirectional=True, merge="concat")

    def reset_parameters(self) -> None:
        """Initialise the weights as for any `RecurrentLayer`."""
        self.layer.reset_parameters()

    def forward(self, embedded: Tensor, chars: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode words."""
        if len(chars) == 0:
            return embedded.new_zeros((len(lengths), self.width))
        layout = PackedLayout.from_lengths(lengths, chars.device)
        states = self.layer(embedded.index_select(0, chars[layout.to_packed]), layout.batch_sizes)
        # A row of zeros after the states of all characters is for words without characters.
        states = torch.cat((states, states.new_zeros((1, states.shape[1]))))
        rows = torch.cat((layout.from_packed, torch.full_like(chars[:1], len(chars))))
        n_chars = torch.as_tensor(lengths, dtype=torch.int64, device=chars.device)
        ends = n_chars.cumsum(0)
        last = rows[torch.where(n_chars > 0, ends - 1, len(chars))]
        first = rows[torch.where(n_chars > 0, ends - n_chars, len(chars))]
        forward, backward = states.chunk(2, dim=1)
        return torch.cat((forward.index_select(0, last), backward.index_select(0, first)), dim=1)


CHAR_ENCODERS: dict[str, type[CharacterEncoder]] = {"cnn": CharacterCNN, "bilstm": CharacterBiLSTM}
"""The character encoders by the names that configs use. To add one, write its class and list it here."""
