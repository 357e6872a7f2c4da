"""An embedding and an encoder as one model. Docs come in, one row in context a token goes out."""

from ..bridge.model_types import EncoderModel, Tok2VecModel
from ..bridge.type_table import with_type_table


def build_tok2vec_v1(embed: Tok2VecModel, encode: EncoderModel, table_bytes: int = 64 * 1024**2) -> Tok2VecModel:
    """Join an embedding of words and an encoder of their context; takes the place of `spacy.Tok2Vec.v2`.

    embed: the embedding, from docs to one array of shape `(len(doc), embed width)` each.
    encode: the encoder, from such arrays to arrays of shape `(len(doc), nO)`.
    table_bytes: memory that prediction on CPU may take to remember words that it met before, >= 0; with 0 it remembers
        none. What is kept are the gates of the encoder's first layer, if `embed` is `spacy-bilstm.WordEmbed.v1` and
        `encode` a recurrent encoder of this package. No result depends on it, and it is not saved with the model.
    RETURNS: the model, from docs to one array of shape `(len(doc), nO)` each, with the references `embed` and `encode`.
    RAISES: ValueError if the encoder takes another width than the embedding gives, or table_bytes is negative.
    """
    if table_bytes < 0:
        raise ValueError(
            f"table_bytes is the memory for words met before and can't be negative, but it is {table_bytes}. Set it to "
            "0 to remember none."
        )
    if embed.has_dim("nO") and encode.has_dim("nI") and embed.get_dim("nO") != encode.get_dim("nI"):
        raise ValueError(
            f"The embedding '{embed.name}' gives rows of width {embed.get_dim('nO')}, but the encoder '{encode.name}' "
            f"takes rows of width {encode.get_dim('nI')}. Give both the same width, or tell the encoder the width of "
            f"its input with nI = {embed.get_dim('nO')} where it has that argument."
        )
    tok2vec = with_type_table(embed, encode, table_bytes)
    if encode.has_dim("nO"):
        tok2vec.set_dim("nO", encode.get_dim("nO"))
    tok2vec.set_ref("embed", embed)
    tok2vec.set_ref("encode", encode)
    return tok2vec
