"""The embedding of word types from hashed attributes, characters and static vectors.

A word type is a distinct combination of the lexical features that the embedding reads. Tokens with equal features share
it. The vector of a type depends on these features alone, so each type of a batch is embedded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .characters import CHAR_ENCODERS, CharacterEncoder
from .dropout import locked_dropout
from .hash_embed import HASH_POOLINGS, HashEmbed
from .layout import number_sequences


class WordEmbedding(nn.Module):
    """Embeds the word types of a batch, and returns for each token the vector of its type."""

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
        """Make an embedding with newly initialised weights.

        width: width of the token vectors, >= 1.
        rows: number of rows of each attribute's embedding table, each >= 1.
        attr_width: width of the vectors of attributes, >= 1; `width` if None.
        char_encoder: a key of `CHAR_ENCODERS`, or None to read no characters.
        char_rows: number of rows of the embedding table of characters, >= 1.
        char_embed_width: width of the vectors of characters, >= 1.
        char_width: width of the character encoder's vector of a word, >= 1; even for `"bilstm"`.
        static_vectors: whether to read static vectors.
        maxout_pieces: number of linear maps whose maximum mixes the vectors of a type (Goodfellow et al. 2013), >= 1. 1
            is a plain linear map.
        word_dropout: probability of reading a token as the learned replacement in training, 0 <= rate < 1.
        hash_pooling: a key of `HASH_POOLINGS`, for all tables.
        RAISES: ValueError for arguments outside these ranges, or if there is nothing to embed.
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
        self.char_encoder: CharacterEncoder | None = None
        self.unknown_vector: nn.Parameter | None = None
        if rows:
            # All attributes share one table, each with its own range of rows, so that one call embeds them.
            self.attributes = HashEmbed(sum(rows), attr_width, hash_pooling)
            starts = torch.tensor([0, *rows[:-1]]).cumsum(0)
            self.register_buffer("attribute_starts", starts[:, None], persistent=False)
        if char_encoder is not None:
            self.characters = HashEmbed(char_rows, char_embed_width, hash_pooling)
            self.char_encoder = CHAR_ENCODERS[char_encoder](char_embed_width, char_width)
        if static_vectors:
            self.unknown_vector = nn.Parameter(torch.empty(width))
        mixed_width = len(rows) * attr_width + (char_encoder is not None) * char_width + static_vectors * width
        self.mix = nn.Linear(mixed_width, maxout_pieces * width)
        self.norm = nn.LayerNorm(width)
        self.replacement = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise all weights from torch's random generator.

        The mixing weights are uniform after Glorot and Bengio (2010). The replacement of a dropped word, the vector of
        words without a static vector, and the biases are zero.
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

        projection, types: arguments of `embed_types`, which describe the types.
        token_types: the type of each token, document after document. Shape `(n_tokens,)`, int64.
        lengths: number of tokens of each document, each >= 0. They sum to n_tokens.
        output_dropout: rate of locked dropout on the token vectors, 0 <= rate < 1. All tokens of a document lose the
            same features, as the inputs of a recurrence should (Gal and Ghahramani 2016). A rate, even 0, means
            training, and the embedding's own `word_dropout` applies as well. None means inference.
        RETURNS: the token vectors. Shape `(n_tokens, width)`.
        """
        if len(token_types) == 0:
            return self.replacement.new_zeros((0, self.width))
        vectors = self.embed_types(projection, **types)
        if output_dropout is None:
            return vectors.index_select(0, token_types)
        if self.word_dropout:
            # Word dropout drops tokens, not types. A dropped token gets one more type, the replacement.
            dropped = torch.rand(token_types.shape, device=vectors.device) < self.word_dropout
            token_types = token_types.masked_fill(dropped, len(vectors))
            vectors = torch.cat((vectors, self.replacement[None]))
        tokens = vectors.index_select(0, token_types)
        return locked_dropout(tokens, number_sequences(lengths, tokens.device), len(lengths), output_dropout)

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
        """Embed types, without dropout. Arguments for parts that the embedding does not have stay None.

        projection: weights of the linear layer for static vectors. The caller holds them, as their shape depends on the
            vectors of the pipeline. Shape `(width, vector_width)`.
        hashed_attrs: the rows of each attribute in its table. Shape `(n_types, n_attrs, n_hashes)`, int64.
        hashed_chars: the rows of the distinct characters. Shape `(n_distinct, n_hashes)`, int64.
        chars: the characters of all types, type after type, as positions in `hashed_chars`. Shape `(n_chars,)`, int64.
        char_lengths: number of characters of each type, each >= 0. They sum to n_chars.
        vectors: static vectors, which receive no gradient. Shape `(n_types, vector_width)`.
        has_vector: whether each type has a static vector. Other types share a learned vector. Shape `(n_types,)`, bool.
        RETURNS: the vectors of the types. Shape `(n_types, width)`.
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
    """Check the arguments of `WordEmbedding`.

    RAISES: ValueError that names the argument, its value and a correct value.
    """
    if char_encoder is not None and char_encoder not in CHAR_ENCODERS:
        raise ValueError(
            f"Unknown char_encoder '{char_encoder}'. Use one of: {', '.join(CHAR_ENCODERS)}; or null to read no "
            "characters."
        )
    if not rows and char_encoder is None and not static_vectors:
        raise ValueError(
            "A word embedding has nothing to embed: attrs is empty, char_encoder is null and include_static_vectors is "
            'false. Set at least one of them, such as attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"].'
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
    if not 0.0 <= word_dropout < 1.0:
        raise ValueError(f"word_dropout is a rate and must be at least 0 and less than 1, but it is {word_dropout}.")
