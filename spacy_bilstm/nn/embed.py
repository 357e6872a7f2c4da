"""The embedding of word types, from hashed attributes, characters and static vectors.

Features of the distinct types of a batch come in, with the type of every token; one row a token goes out. A type's row
depends on that type's features alone, never on its neighbours or on the other types, so it is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layout import PackedLayout
from .recurrent import RecurrentLayer, locked_dropout

CHAR_ENCODERS = ("cnn", "bilstm")
"""How characters become a word's vector: a convolution with max pooling, or the last states of a BiLSTM."""


HASH_POOLINGS = ("sum", "mean")
"""How the rows that an id is hashed to become its vector."""


class HashEmbed(nn.Module):
    """Embeds ids by the table rows they are hashed to.

    With four rows an id, two ids seldom share all of them, so a small table serves any number of ids. These are the
    Bloom embeddings of Serrà and Karatzoglou (2017), as in thinc's `HashEmbed`. The hashing is the caller's.

    Their sum starts small, and moves by four times the learning rate in a step of Adam: it learns fast, and soon knows
    its ids by heart. Their mean starts with a variance of 1 and moves by the learning rate, as a table without hashing
    does in torch.
    """

    def __init__(self, rows: int, width: int, pooling: str = "sum") -> None:
        """Set up a freshly initialised table.

        rows: number of rows of the table, >= 1.
        width: width of the rows, >= 1.
        pooling: one of `HASH_POOLINGS`.
        """
        super().__init__()
        self.pooling = pooling
        self.weight = nn.Parameter(torch.empty(rows, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the table: for sums uniformly between -0.1 and 0.1, as thinc does."""
        if self.pooling == "sum":
            nn.init.uniform_(self.weight, -0.1, 0.1)
        else:
            nn.init.normal_(self.weight, std=2.0)  # The mean of four has a standard deviation of 1.

    def forward(self, hashed: Tensor) -> Tensor:
        """Embed ids.

        hashed: the rows each id is hashed to. Shape `(n_ids, n_hashes)`, int64.
        RETURNS: the sums or means of these rows. Shape `(n_ids, width)`.
        """
        return F.embedding_bag(hashed, self.weight, mode=self.pooling)


class CharacterCNN(nn.Module):
    """Reads a word's characters with a convolution over windows of three and takes the maximum over the word.

    After Ma and Hovy (2016) and Chiu and Nichols (2016). Both ends of a word are padded with one zero vector. A word
    without characters reads as one window of padding.
    """

    def __init__(self, input_width: int, width: int) -> None:
        """Set up a freshly initialised convolution.

        input_width: width of the characters' vectors, >= 1.
        width: number of filters, the width of the words' vectors, >= 1.
        """
        super().__init__()
        self.convolution = nn.Conv1d(input_width, width, kernel_size=3)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the filters uniformly after Glorot and Bengio (2010) and the bias with zeros."""
        nn.init.xavier_uniform_(self.convolution.weight)
        nn.init.zeros_(cast(Tensor, self.convolution.bias))

    def forward(self, embedded: Tensor, chars: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode words.

        embedded: vectors of the distinct characters. Shape `(n_distinct, input_width)`.
        chars: the words' characters, one word after the other, as rows of `embedded`. Shape `(n_chars,)`, int64.
        lengths: number of characters of each word, each >= 0; they sum to n_chars.
        RETURNS: the words' vectors. Shape `(n_words, width)`.
        """
        # The bias is the same for all windows, so it can wait until after the maximum.
        bias = cast(Tensor, self.convolution.bias)
        if len(chars) == 0:
            return bias.expand(len(lengths), -1)
        # What a distinct character adds to a window from its left, its middle and its right is computed once.
        left, middle, right = torch.einsum("ci,oik->kco", embedded, self.convolution.weight)
        padding = middle.new_zeros((1, middle.shape[1]))
        word = _repeat_index(lengths, chars.device)
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
        return pooled.masked_fill(pooled == -torch.inf, 0.0) + bias  # Words without characters are still the lowest.


class CharacterBiLSTM(nn.Module):
    """Reads a word's characters with a BiLSTM and takes the last state of each direction (Lample et al. 2016).

    A word without characters leaves the states at zero.
    """

    def __init__(self, input_width: int, width: int) -> None:
        """Set up a freshly initialised BiLSTM.

        input_width: width of the characters' vectors, >= 1.
        width: width of the words' vectors, both directions together, >= 2 and even.
        """
        super().__init__()
        self.layer = RecurrentLayer(input_width, width, cell="lstm", bidirectional=True, merge="concat")

    def reset_parameters(self) -> None:
        """Initialise the weights as those of any `RecurrentLayer`."""
        self.layer.reset_parameters()

    def forward(self, embedded: Tensor, chars: Tensor, lengths: Sequence[int]) -> Tensor:
        """Encode words; the arguments and the result are those of `CharacterCNN.forward`."""
        if len(chars) == 0:
            return embedded.new_zeros((len(lengths), 2 * self.layer.rnn.hidden_size))
        layout = PackedLayout.from_lengths(lengths, chars.device)
        states = self.layer(embedded.index_select(0, chars[layout.to_packed]), layout.batch_sizes)
        # A word without characters reads a row of zeros after those of all characters.
        states = torch.cat((states, states.new_zeros((1, states.shape[1]))))
        rows = torch.cat((layout.from_packed, torch.full_like(chars[:1], len(chars))))
        n_chars = torch.as_tensor(lengths, dtype=torch.int64, device=chars.device)
        ends = n_chars.cumsum(0)
        last = rows[torch.where(n_chars > 0, ends - 1, len(chars))]
        first = rows[torch.where(n_chars > 0, ends - n_chars, len(chars))]
        forward, backward = states.chunk(2, dim=1)
        return torch.cat((forward.index_select(0, last), backward.index_select(0, first)), dim=1)


class WordEmbedding(nn.Module):
    """Embeds the types of a batch and gives each token the row of its type."""

    def __init__(
        self,
        width: int,
        rows: Sequence[int] = (),
        attr_width: int | None = None,
        char_encoder: str | None = None,
        char_rows: int = 1000,
        char_embed_width: int = 32,
        char_width: int = 64,
        static_vectors: bool = False,
        maxout_pieces: int = 3,
        word_dropout: float = 0.0,
        hash_pooling: str = "sum",
    ) -> None:
        """Set up an embedding with freshly initialised weights.

        width: width of the rows that go out, >= 1.
        rows: number of rows of each attribute's table, each >= 1.
        attr_width: width of the attributes' vectors, >= 1; `width` if None.
        char_encoder: `"cnn"`, `"bilstm"` or None for no characters.
        char_rows: number of rows of the characters' table, >= 1.
        char_embed_width: width of the characters' vectors, >= 1.
        char_width: width of the vector that the characters give a word, >= 1; even for `"bilstm"`.
        static_vectors: whether types have static vectors.
        maxout_pieces: number of linear maps whose maximum mixes a type's vectors (Goodfellow et al. 2013), >= 1; 1 is
            a plain linear map.
        word_dropout: probability with which a token is read as the learned replacement in training, 0 <= rate < 1.
        hash_pooling: one of `HASH_POOLINGS`, of all tables.
        RAISES: ValueError for arguments outside these ranges, or where there is nothing to embed.
        """
        super().__init__()
        attr_width = width if attr_width is None else attr_width
        check_arguments(
            width,
            rows,
            attr_width,
            char_encoder,
            char_rows,
            char_embed_width,
            char_width,
            static_vectors,
            maxout_pieces,
            word_dropout,
            hash_pooling,
        )
        self.width = width
        self.word_dropout = word_dropout
        self.attributes: HashEmbed | None = None
        self.characters: HashEmbed | None = None
        self.char_encoder: CharacterCNN | CharacterBiLSTM | None = None
        self.unknown_vector: nn.Parameter | None = None
        if rows:
            # One table for all attributes, each with its own range of rows: embedded in one call.
            self.attributes = HashEmbed(sum(rows), attr_width, hash_pooling)
            starts = torch.tensor([0, *rows[:-1]]).cumsum(0)
            self.register_buffer("attribute_starts", starts[:, None], persistent=False)
        if char_encoder is not None:
            self.characters = HashEmbed(char_rows, char_embed_width, hash_pooling)
            encoder = CharacterCNN if char_encoder == "cnn" else CharacterBiLSTM
            self.char_encoder = encoder(char_embed_width, char_width)
        if static_vectors:
            self.unknown_vector = nn.Parameter(torch.empty(width))
        mixed_width = len(rows) * attr_width + (char_encoder is not None) * char_width + static_vectors * width
        self.mix = nn.Linear(mixed_width, maxout_pieces * width)
        self.norm = nn.LayerNorm(width)
        self.replacement = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all weights afresh from torch's random generator.

        The mixing weights are uniform after Glorot and Bengio (2010); the replacement of a dropped word, the vector of
        those without a static one, and the biases are zero, the mean of what they stand in for.
        """
        for part in (self.attributes, self.characters, self.char_encoder):
            if part is not None:
                part.reset_parameters()
        if self.unknown_vector is not None:
            nn.init.zeros_(self.unknown_vector)
        nn.init.xavier_uniform_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)
        self.norm.reset_parameters()
        nn.init.zeros_(self.replacement)

    def forward(
        self,
        projection: Tensor | None = None,
        *,
        token_types: Tensor,
        lengths: Sequence[int],
        output_dropout: float | None = None,
        **types: Any,
    ) -> Tensor:
        """Embed the tokens of several documents, each type once.

        projection, types: arguments of `embed_types`, which say what the types are.
        token_types: the type of each token, one document after the other. Shape `(n_tokens,)`, int64.
        lengths: number of tokens of each document, each >= 0; they sum to n_tokens.
        output_dropout: rate of locked dropout on the rows, 0 <= rate < 1: a document's tokens lose the same features,
            as the inputs of a recurrence should (Gal and Ghahramani 2016). With a rate the call is one of training, and
            the embedding's own `word_dropout` applies, too; None is inference.
        RETURNS: the rows of the tokens. Shape `(n_tokens, width)`.
        """
        if len(token_types) == 0:
            return self.replacement.new_zeros((0, self.width))
        rows = self.embed_types(projection, **types)
        if output_dropout is None:
            return rows.index_select(0, token_types)
        if self.word_dropout:
            # Tokens are dropped, not types. The replacement is one more type for them to have.
            dropped = torch.rand(token_types.shape, device=rows.device) < self.word_dropout
            token_types = token_types.masked_fill(dropped, len(rows))
            rows = torch.cat((rows, self.replacement[None]))
        tokens = rows.index_select(0, token_types)
        return locked_dropout(tokens, _repeat_index(lengths, tokens.device), len(lengths), output_dropout)

    def embed_types(
        self,
        projection: Tensor | None = None,
        *,
        hashed_attrs: Tensor | None = None,
        hashed_chars: Tensor | None = None,
        chars: Tensor | None = None,
        char_lengths: Sequence[int] | None = None,
        vectors: Tensor | None = None,
        has_vector: Tensor | None = None,
    ) -> Tensor:
        """Embed types, as at inference. What the embedding was not set up for is not given.

        projection: weights of the linear layer for static vectors. They are handed in, as only the vectors that a
            pipeline is trained with tell their width. Shape `(width, vector_width)`.
        hashed_attrs: the rows that each attribute is hashed to in its table. Shape `(n_types, n_attrs, n_hashes)`,
            int64.
        hashed_chars: the rows that the distinct characters are hashed to. Shape `(n_distinct, n_hashes)`, int64.
        chars: the types' characters, one type after the other, as rows of `hashed_chars`. Shape `(n_chars,)`, int64.
        char_lengths: number of characters of each type, each >= 0; they sum to n_chars.
        vectors: static vectors, which get no gradient. Shape `(n_types, vector_width)`.
        has_vector: whether a type is in the vectors' vocabulary; otherwise it gets a learned vector. Shape
            `(n_types,)`, bool.
        RETURNS: the types' rows. Shape `(n_types, width)`.
        """
        parts = []
        if self.attributes is not None:
            assert hashed_attrs is not None
            n_types, n_attrs, n_hashes = hashed_attrs.shape
            hashed = (hashed_attrs + cast(Tensor, self.attribute_starts)).view(n_types * n_attrs, n_hashes)
            parts.append(self.attributes(hashed).view(n_types, -1))
        if self.characters is not None and self.char_encoder is not None:
            assert hashed_chars is not None
            parts.append(self.char_encoder(self.characters(hashed_chars), chars, char_lengths))
        if self.unknown_vector is not None:
            assert projection is not None
            assert vectors is not None
            assert has_vector is not None
            parts.append(torch.where(has_vector[:, None], F.linear(vectors, projection), self.unknown_vector))
        mixed = self.mix(torch.cat(parts, dim=1)).view(len(parts[0]), -1, self.width).amax(1)
        return cast(Tensor, self.norm(mixed))


def _repeat_index(lengths: Sequence[int], device: torch.device) -> Tensor:
    """Give for each row of concatenated sequences the number of its sequence. Shape `(sum of lengths,)`, int64."""
    repeats = torch.as_tensor(lengths, dtype=torch.int64)
    return torch.repeat_interleave(torch.arange(len(repeats)), repeats).to(device)


def check_arguments(
    width: int,
    rows: Sequence[int],
    attr_width: int,
    char_encoder: str | None,
    char_rows: int,
    char_embed_width: int,
    char_width: int,
    static_vectors: bool,
    maxout_pieces: int,
    word_dropout: float,
    hash_pooling: str,
) -> None:
    """Check the arguments of `WordEmbedding`, which documents them.

    RAISES: ValueError that names the argument, its value and what would be right.
    """
    if char_encoder is not None and char_encoder not in CHAR_ENCODERS:
        raise ValueError(
            f"Unknown char_encoder '{char_encoder}'. Use one of: {', '.join(CHAR_ENCODERS)}; or null for no characters."
        )
    if not rows and char_encoder is None and not static_vectors:
        raise ValueError(
            "A word embedding has nothing to embed: attrs is empty, char_encoder is null and include_static_vectors is "
            'false. Give at least one of them, such as attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"].'
        )
    if hash_pooling not in HASH_POOLINGS:
        raise ValueError(f"Unknown hash_pooling '{hash_pooling}'. Use one of: {', '.join(HASH_POOLINGS)}.")
    sizes = [("width", width), ("attr_width", attr_width), ("maxout_pieces", maxout_pieces)]
    sizes += [(f"rows[{i}]", n_rows) for i, n_rows in enumerate(rows)]
    if char_encoder is not None:
        sizes += [("char_rows", char_rows), ("char_embed_width", char_embed_width), ("char_width", char_width)]
    for name, number in sizes:
        if number < 1:
            raise ValueError(f"A word embedding needs {name} >= 1, but {name} is {number}.")
    if char_encoder == "bilstm" and char_width % 2:
        raise ValueError(
            f"Both directions of the character BiLSTM share char_width in halves, so it must be even, but it is "
            f"{char_width}. Use {char_width - 1 or 2} or {char_width + 1}."
        )
    if not 0.0 <= word_dropout < 1.0:
        raise ValueError(f"word_dropout is a rate and must be at least 0 and less than 1, but it is {word_dropout}.")
