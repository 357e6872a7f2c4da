"""The architecture that chains an embedding of words and an encoder of their context."""

from ..bridge.arguments import check_whole_numbers
from ..bridge.cached_tok2vec import with_type_cache
from ..bridge.model_types import EncoderModel, Tok2VecModel


def build_tok2vec_v1(
    embed: Tok2VecModel, encode: EncoderModel, table_bytes: int = 64 * 1024**2, skip_whitespace: bool = False
) -> Tok2VecModel:
    """Chain an embedding of words and an encoder of their context; replaces `spacy.Tok2Vec.v2`.

    embed: the embedding, from docs to one array of shape `(len(doc), embed width)` each.
    encode: the encoder, from such arrays to arrays of shape `(len(doc), nO)`.
    table_bytes: memory for the cache of word types that prediction on CPU uses, >= 0; 0 turns the cache off. The cache
        keeps the input gates of the encoder's first layer, if `embed` is `spacy-bilstm.WordEmbed.v1` and `encode` a
        recurrent encoder of this package. No result depends on it, and it is not saved with the model.
    skip_whitespace: whether the encoder reads only the words, so that a line break or a second space between two words
        changes no vector of a word. Whitespace tokens get a vector of zeros. It makes no difference for docs without
        whitespace tokens.
    RETURNS: the model, from docs to one array of shape `(len(doc), nO)` each, with the references `embed` and `encode`.
    RAISES: ValueError if the encoder's input width is not the embedding's width, or if table_bytes is negative.
    """
    check_whole_numbers("a tok2vec", table_bytes=table_bytes)
    if table_bytes < 0:
        raise ValueError(
            f"table_bytes is the memory for the cache of word types and can't be negative, but it is {table_bytes}. "
            "Set it to 0 to turn the cache off."
        )
    if embed.has_dim("nO") and encode.has_dim("nI") and embed.get_dim("nO") != encode.get_dim("nI"):
        raise ValueError(
            f"The embedding '{embed.name}' returns vectors of width {embed.get_dim('nO')}, but the encoder "
            f"'{encode.name}' takes vectors of width {encode.get_dim('nI')}. Set both to the same width, or set "
            f"nI = {embed.get_dim('nO')} in the encoder if it has that argument."
        )
    tok2vec = with_type_cache(embed, encode, table_bytes, skip_whitespace)
    if encode.has_dim("nO"):
        tok2vec.set_dim("nO", encode.get_dim("nO"))
    tok2vec.set_ref("embed", embed)
    tok2vec.set_ref("encode", encode)
    return tok2vec
