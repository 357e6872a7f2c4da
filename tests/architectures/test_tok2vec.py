"""`spacy-bilstm.Tok2Vec.v1`: an embedding and an encoder as one model."""

from typing import Any

import numpy
import pytest
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Model
from toy_embeddings import EMBED_WIDTH, make_embedding, make_vocab, make_word_docs

WIDTH = 2 * EMBED_WIDTH


@pytest.fixture
def docs() -> list[Doc]:
    return make_word_docs(make_vocab())


def make_tok2vec(embed: Model, **arguments: Any) -> Model:
    encode = registry.get("architectures", "spacy-bilstm.RecurrentEncoder.v1")(WIDTH, nI=EMBED_WIDTH)
    return registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(embed, encode, **arguments)


def test_it_has_the_width_of_the_encoder_and_references_to_both_layers() -> None:
    embed = make_embedding()
    tok2vec = make_tok2vec(embed)
    assert tok2vec.get_dim("nO") == WIDTH
    assert tok2vec.get_ref("embed") is embed
    assert tok2vec.get_ref("encode").name == "recurrent_encoder"


def test_the_encoder_reads_the_embedding(docs: list[Doc]) -> None:
    tok2vec = make_tok2vec(make_embedding())
    tok2vec.initialize(X=docs)
    outputs = tok2vec.predict(docs)
    assert [output.shape for output in outputs] == [(len(doc), WIDTH) for doc in docs]
    embedded = tok2vec.get_ref("embed").predict(docs)
    for output, expected in zip(outputs, tok2vec.get_ref("encode").predict(embedded), strict=True):
        numpy.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stock", ["embed", "encode"])
def test_one_layer_can_be_spacys(docs: list[Doc], stock: str) -> None:
    embed = make_embedding()
    encode = registry.get("architectures", "spacy-bilstm.BiLSTMEncoder.v1")(EMBED_WIDTH)
    if stock == "embed":
        embed = registry.get("architectures", "spacy.MultiHashEmbed.v2")(EMBED_WIDTH, ["NORM"], [50], False)
    else:
        encode = registry.get("architectures", "spacy.MaxoutWindowEncoder.v2")(EMBED_WIDTH, 1, 2, 2)
    model = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(embed, encode)
    model.initialize(X=docs)
    assert model.get_dim("nO") == EMBED_WIDTH
    assert model.predict(docs)[0].shape == (4, EMBED_WIDTH)


def test_different_widths_are_an_error_that_names_both_and_the_fix() -> None:
    with pytest.raises(ValueError, match=r"width 9.*width 8.*nI = 9"):
        make_tok2vec(make_embedding(width=9))


def test_negative_table_bytes_are_an_error_that_names_the_fix() -> None:
    with pytest.raises(ValueError, match=r"table_bytes is the memory .* but it is -1. Set it to 0"):
        make_tok2vec(make_embedding(), table_bytes=-1)
