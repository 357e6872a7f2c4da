"""Room architectures: an embedding and an encoder as one model. Docs come in, one row in context a token goes out."""

from spacy.tokens import Doc
from thinc.api import Model, chain
from thinc.types import Floats2d

from ..bridge.rows import RowsModel
from ..bridge.word_types import WordsModel


def build_tok2vec_v1(embed: WordsModel, encode: RowsModel) -> Model[list[Doc], list[Floats2d]]:
    """Join an embedding of words and an encoder of their context; takes the place of `spacy.Tok2Vec.v2`.

    embed: the embedding, from docs to one array of shape `(len(doc), embed width)` each.
    encode: the encoder, from such arrays to arrays of shape `(len(doc), nO)`.
    RETURNS: the model, from docs to one array of shape `(len(doc), nO)` each, with the references `embed` and `encode`.
    RAISES: ValueError if the encoder takes another width than the embedding gives.
    """
    if embed.has_dim("nO") and encode.has_dim("nI") and embed.get_dim("nO") != encode.get_dim("nI"):
        raise ValueError(
            f"The embedding '{embed.name}' gives rows of width {embed.get_dim('nO')}, but the encoder '{encode.name}' "
            f"takes rows of width {encode.get_dim('nI')}. Give both the same width, or tell the encoder the width of "
            f"its input with nI = {embed.get_dim('nO')} where it has that argument."
        )
    tok2vec: Model[list[Doc], list[Floats2d]] = chain(embed, encode)
    if encode.has_dim("nO"):
        tok2vec.set_dim("nO", encode.get_dim("nO"))
    tok2vec.set_ref("embed", embed)
    tok2vec.set_ref("encode", encode)
    return tok2vec
