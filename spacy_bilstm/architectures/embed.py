"""The embedding of words by their own features. Docs come in, one row a token goes out."""

from spacy.attrs import IDS, intify_attr

from ..bridge.model_types import Tok2VecModel
from ..bridge.word_types import with_word_types
from ..nn.embed import WordEmbedding


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
    """Embed words by hashed attributes, characters and static vectors; takes the place of `spacy.MultiHashEmbed.v2`.

    The vectors of a word are concatenated and mixed by a layer-normalised maxout. They depend on the word alone, so
    each distinct word of a batch is embedded once, in training, too. `[training] dropout` drops features of the result,
    the same ones for all tokens of a doc.

    width: width of the output, >= 1.
    attrs: token attributes to embed, by name or id, such as `["NORM", "PREFIX", "SUFFIX", "SHAPE"]`; may be empty.
    rows: number of rows in the hash table of each attribute, as many as there are attributes, each >= 1.
    include_static_vectors: whether to include the vectors of the docs' vocab, which stay as they are, by a learned
        projection to `width`. A word without one has a learned vector instead.
    char_encoder: what reads the characters of a word: `"cnn"` (Ma and Hovy 2016), `"bilstm"` (Lample et al. 2016) or
        null for none.
    char_width: width of the vector that the characters give a word, >= 1; even for `"bilstm"`.
    char_embed_width: width of the vector of a character, >= 1.
    char_rows: number of rows in the hash table of characters, which are Unicode code points, >= 1.
    max_chars: number of characters of a word that are read, >= 1. A longer word is read as its first
        `max_chars - max_chars // 2` characters followed by its last `max_chars // 2`.
    attr_width: width of the vector of an attribute, >= 1; `width` if null.
    maxout_pieces: number of linear maps whose maximum mixes the vectors of a word, >= 1; 1 is a plain linear map.
    word_dropout: probability with which a token is read as a learned replacement in training, 0 <= rate < 1.
    identity_dropout: strength, >= 0, with which a token's word is taken for one never seen in training: for a word that
        training met between n different pairs of neighbours with the probability strength / (strength + n), as rare
        words are most like unseen ones (Kiperwasser and Goldberg 2016). Its ORTH, LOWER, NORM and LEMMA become those
        that all unseen words share, while its affixes, shape, characters and vector stay. The model learns what to do
        with words that it does not know, and keeps a filter of 128 KB of those that it does. With 0 there is no filter,
        and each unseen word keeps an identity that means nothing.
    mixed_precision: whether to compute in half precision on CUDA.
    hash_pooling: `"sum"` or `"mean"` of the rows that an attribute or character is hashed to. Sums start small and
        learn fast; means start with a variance of 1 and learn slowly, so that in many epochs fewer words are learned by
        heart.
    RETURNS: the embedding, from docs to one array of shape `(len(doc), width)` each.
    RAISES: ValueError for an argument outside these ranges or an unknown attribute, or where there is nothing to embed.
    """
    attr_ids = [_attr_id(attr) for attr in attrs]
    if len(rows) != len(attrs):
        raise ValueError(
            f"Each attribute of a word embedding has a table of its own, but there are {len(attrs)} attrs ({attrs}) "
            f"and {len(rows)} rows ({rows}). Give rows as many numbers as attrs has names."
        )
    if max_chars < 1:
        raise ValueError(
            f"A word embedding needs max_chars >= 1, but max_chars is {max_chars}. To read no characters, set "
            "char_encoder = null."
        )
    if identity_dropout < 0.0:
        raise ValueError(f"identity_dropout is a strength and must be at least 0, but it is {identity_dropout}.")
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


def _attr_id(attr: str | int) -> int:
    # A config may hand over an id as a string, as str comes first in the type.
    attr_id = int(attr) if str(attr).isdecimal() else intify_attr(attr)
    if not attr_id or attr_id not in IDS.values():
        names = ", ".join(name for name in IDS if name and not name.startswith("FLAG"))
        raise ValueError(f"Unknown attribute '{attr}' in the attrs of a word embedding. Use some of: {names}.")
    return attr_id
