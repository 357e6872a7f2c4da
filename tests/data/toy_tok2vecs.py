"""Small `spacy-bilstm.Tok2Vec.v1` models with a type cache, with static vectors or without."""

from typing import Any

import numpy
from spacy import registry
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import SGD, Model, fix_random_seed
from toy_embeddings import EMBED_WIDTH, make_embedding, make_word_docs

CACHE_WORDS = ["the", "The", "cat", "cats", "sat", "Zürich", "2024", "e\u0301", "東京", "a" * 50, " "]
CACHE_DOCUMENTS = [["the", "cat", "sat", "the"], [], ["The", "dog", "sat"], ["Zürich"], CACHE_WORDS]


def make_cache_docs(documents: list[list[str]] = CACHE_DOCUMENTS, vocab: Vocab | None = None) -> list[Doc]:
    """Return docs, by default with a vocab of their own that has static vectors of three words."""
    if vocab is None:
        vocab = Vocab()
        data = numpy.random.RandomState(0).randn(4, 5).astype("f")
        vocab.vectors = Vectors(strings=vocab.strings, data=data, keys=["the", "cat", "sat"])
    return make_word_docs(vocab, documents)


def make_cached_model(docs: list[Doc], table_bytes: int | None = None, vectors: bool = False, **encode: Any) -> Model:
    """Return an initialised model whose cache has the given size or the default one."""
    fix_random_seed(0)
    embed = make_embedding(char_encoder="cnn", char_rows=1000, include_static_vectors=vectors)
    encoder = registry.get("architectures", "spacy-bilstm.RecurrentEncoder.v1")(EMBED_WIDTH, **encode)
    size = {} if table_bytes is None else {"table_bytes": table_bytes}
    model = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(embed, encoder, **size)
    model.initialize(X=docs)
    return model


def train_once(model: Model, docs: list[Doc]) -> None:
    """Update all weights of a model."""
    output, backprop = model.begin_update(docs)
    backprop([numpy.ones_like(vectors) for vectors in output])
    model.finish_update(SGD(0.5))
