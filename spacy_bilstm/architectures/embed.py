"""The architecture that embeds words by their own features: attributes, characters and static vectors."""

import math

from spacy.attrs import IDS, intify_attr

from ..bridge.arguments import check_numbers, check_whole_numbers
from ..bridge.model_types import Tok2VecModel
from ..bridge.word_embedding_layer import with_word_types
from ..nn.word_embedding import WordEmbedding
from .limits import check_number_of_weights


def build_word_embed_v1(
    width: int,
    attrs: list[str | int],
    rows: list[int],
    include_static_vectors: bool = False,
    char_encoder: str | None = None,
    char_width: int = 64,
    char_embed_width: int = 32,
    char_rows: int = 1000,
    max_chars: int = 32,
    attr_width: int | None = None,
    maxout_pieces: int = 3,
    word_dropout: float = 0.0,
    identity_dropout: float = 0.0,
    mixed_precision: bool = False,
    hash_pooling: str = "sum",
) -> Tok2VecModel:
    """Embed words by hashed attributes, characters and static vectors; replaces `spacy.MultiHashEmbed.v2`.

    A maxout layer with layer norm mixes the concatenated vectors of a word. They depend on the word alone, so each
    distinct word of a batch is embedded once, in training too. `[training] dropout` drops features of the result, the
    same ones for all tokens of a doc.

    width: width of the output, >= 1.
    attrs: token attributes to embed, by name or id, such as `["NORM", "PREFIX", "SUFFIX", "SHAPE"]`; may be empty.
    rows: number of rows in the embedding table of each attribute, one number for each attribute, each >= 1.
    include_static_vectors: whether to include the vectors of the docs' vocab. They do not change in training; a learned
        projection maps them to `width`. All words without a static vector share a learned vector.
    char_encoder: the encoder of a word's characters: `"cnn"` (Ma and Hovy 2016), `"bilstm"` (Lample et al. 2016) or
        null for none.
    char_width: width of the vector of a word's characters, >= 1; even for `"bilstm"`.
    char_embed_width: width of the vector of a character, >= 1.
    char_rows: number of rows in the embedding table of characters, which are Unicode code points, >= 1.
    max_chars: number of characters to read of a word, >= 1. A longer word is read as its first
        `max_chars - max_chars // 2` characters followed by its last `max_chars // 2`.
    attr_width: width of the vector of an attribute, >= 1; `width` if null.
    maxout_pieces: number of linear maps in the maxout layer, >= 1; 1 makes it a plain linear map.
    word_dropout: probability of reading a token as a learned replacement in training, 0 <= rate < 1.
    identity_dropout: strength of treating words as unseen in training, >= 0. A word that has appeared between n
        different pairs of neighbours is treated as unseen with the probability strength / (strength + n), because rare
        words are most like unseen ones (Kiperwasser and Goldberg 2016). An unseen word has the ORTH, LOWER, NORM and
        LEMMA that all unseen words share, but its own affixes, shape, characters and static vector. So the model learns
        to handle unseen words, and it keeps a filter of 128 KB to recognise the words seen in training. With 0 there is
        no filter, and each unseen word has an identity of its own, which the model has learned nothing about.
    mixed_precision: whether to compute in half precision on CUDA.
    hash_pooling: how the table rows that an attribute or character is hashed to are combined, `"sum"` or `"mean"`. Sums
        start small and learn fast. Means start with a variance of 1 and learn slowly, so the model memorises fewer
        words in many epochs.
    RETURNS: the embedding, from docs to one array of shape `(len(doc), width)` each.
    RAISES: ValueError for an argument outside these ranges, for an unknown attribute, or if there is nothing to embed.
    """
    check_whole_numbers(
        "a word embedding",
        width=width,
        char_width=char_width,
        char_embed_width=char_embed_width,
        char_rows=char_rows,
        max_chars=max_chars,
        attr_width=attr_width,
        maxout_pieces=maxout_pieces,
        **{f"rows[{i}]": number for i, number in enumerate(rows)},
    )
    check_numbers("a word embedding", word_dropout=word_dropout, identity_dropout=identity_dropout)
    attr_ids = [_get_attr_id(attr) for attr in attrs]
    if len(rows) != len(attrs):
        raise ValueError(
            f"Each attribute of a word embedding has its own embedding table, but there are {len(attrs)} attrs "
            f"({attrs}) and {len(rows)} rows ({rows}). Set rows to one number for each attribute."
        )
    if max_chars < 1:
        raise ValueError(
            f"A word embedding needs max_chars >= 1, but max_chars is {max_chars}. To read no characters, set "
            "char_encoder = null."
        )
    if not 0.0 <= identity_dropout < math.inf:
        raise ValueError(f"identity_dropout is a strength and must be at least 0, but it is {identity_dropout}.")
    char_sizes = (char_rows, char_embed_width, char_width) if char_encoder is not None else (0, 0, 0)
    _check_size(width, rows, width if attr_width is None else attr_width, maxout_pieces, *char_sizes)
    module = WordEmbedding(
        width,
        rows,
        attr_width=attr_width,
        char_encoder=char_encoder,
        char_rows=char_rows,
        char_embed_width=char_embed_width,
        char_width=char_width,
        static_vectors=include_static_vectors,
        maxout_pieces=maxout_pieces,
        word_dropout=word_dropout,
        hash_pooling=hash_pooling,
    )
    return with_word_types(
        "word_embed",
        module,
        nO=width,
        attrs=attr_ids,
        rows=rows,
        char_rows=None if char_encoder is None else char_rows,
        max_chars=max_chars,
        static_vectors=include_static_vectors,
        identity_dropout=identity_dropout,
        mixed_precision=mixed_precision,
    )


def _check_size(
    width: int,
    rows: list[int],
    attr_width: int,
    maxout_pieces: int,
    char_rows: int,
    char_embed_width: int,
    char_width: int,
) -> None:
    n_weights = sum(rows) * attr_width + (len(rows) * attr_width + char_width + width) * maxout_pieces * width
    n_weights += char_rows * char_embed_width + 4 * char_width * (char_embed_width + char_width)
    check_number_of_weights(
        "A word embedding",
        n_weights,
        f"width = {width}, rows = {rows}, attr_width = {attr_width}, maxout_pieces = {maxout_pieces}, char_rows = "
        f"{char_rows}, char_embed_width = {char_embed_width} and char_width = {char_width}",
    )


def _get_attr_id(attr: str | int) -> int:
    # The type of attrs lists str first, so a config may turn an id into a string.
    attr_id = int(attr) if str(attr).isdecimal() else intify_attr(attr)
    if not attr_id or attr_id not in IDS.values():
        names = ", ".join(name for name in IDS if name and not name.startswith("FLAG"))
        raise ValueError(f"Unknown attribute '{attr}' in the attrs of a word embedding. Use some of: {names}.")
    return attr_id
