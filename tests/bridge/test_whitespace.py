"""Whitespace tokens that an encoder does not read."""

from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps, fix_random_seed, set_current_ops
from toy_embeddings import EMBED_WIDTH, make_embedding, make_word_docs, take_gradients

from spacy_bilstm.bridge.cached_tok2vec import get_cache_statistics

VOCAB = spacy.blank("en").vocab
WIDTH = 2 * EMBED_WIDTH
documents = st.lists(
    st.lists(st.sampled_from(["the", "cat", "New", "York", "\n", "\xa0", "\t", "  "]), max_size=8), max_size=4
)


@pytest.fixture(autouse=True)
def _on_cpu() -> None:
    set_current_ops(NumpyOps())


def make_docs(texts: list[list[str]]) -> list[Doc]:
    return [Doc(VOCAB, words=words) for words in texts]


def strip(texts: list[list[str]]) -> list[Doc]:
    return make_docs([[word for word in words if not word.isspace()] for words in texts])


def make_model(skip_whitespace: bool = True, **arguments: Any) -> Model:
    fix_random_seed(0)
    encode = registry.get("architectures", "spacy-bilstm.RecurrentEncoder.v1")(WIDTH, nI=EMBED_WIDTH)
    build = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")
    model: Model = build(make_embedding(), encode, skip_whitespace=skip_whitespace, **arguments)
    model.initialize(X=make_word_docs(VOCAB))
    return model


def check(outputs: list[Any], docs: list[Doc], expected: list[Any]) -> None:
    """Check that words have the expected vectors, and whitespace has zeros."""
    assert [output.shape for output in outputs] == [(len(doc), WIDTH) for doc in docs]
    for output, doc, other in zip(outputs, docs, expected, strict=True):
        is_word = numpy.array([not token.is_space for token in doc], dtype=bool)
        numpy.testing.assert_allclose(output[is_word], other, rtol=0, atol=1e-5)
        assert not output[~is_word].any()


MODELS = {table_bytes: make_model(table_bytes=table_bytes) for table_bytes in (0, 64 * 1024**2)}


@settings(max_examples=60, deadline=None)
@given(documents, st.sampled_from(list(MODELS)))
def test_whitespace_changes_no_vector_of_a_word(texts: list[list[str]], table_bytes: int) -> None:
    model, docs = MODELS[table_bytes], make_docs(texts)
    check(model.predict(docs), docs, model.predict(strip(texts)))
    check(model(docs, is_train=True)[0], docs, model.predict(strip(texts)))


def backpropagate_ones(model: Model, docs: list[Doc]) -> dict[str, numpy.ndarray]:
    """Return the gradients of all weights, and remove them from the model."""
    _, backprop = model(docs, is_train=True)
    backprop([numpy.ones((len(doc), WIDTH), dtype="float32") for doc in docs])
    return {f"{layer.name}.{name}": value for layer in model.layers for name, value in take_gradients(layer).items()}


@settings(max_examples=30, deadline=None)
@given(documents.filter(lambda texts: any(map(len, strip(texts)))))
def test_gradients_are_those_of_the_words_alone(texts: list[list[str]]) -> None:
    model = MODELS[0]
    gradients, expected = (backpropagate_ones(model, docs) for docs in (make_docs(texts), strip(texts)))
    assert gradients
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        numpy.testing.assert_allclose(gradient, expected[name], rtol=1e-3, atol=1e-4)


def test_without_whitespace_it_makes_no_difference() -> None:
    docs = make_docs([["the", "cat", "sat"], [], ["New", "York"]])
    for output, expected in zip(make_model().predict(docs), make_model(False).predict(docs), strict=True):
        numpy.testing.assert_array_equal(output, expected)


def test_docs_of_whitespace_alone_have_zeros() -> None:
    for docs in (make_docs([["\n"]]), make_docs([["\n"], [], [" ", "\t"]])):
        check(make_model().predict(docs), docs, [numpy.zeros((0, WIDTH))] * len(docs))


def test_whitespace_is_read_by_default() -> None:
    (output,) = make_model(False).predict(make_docs([["the", "\n", "cat"]]))
    assert output[1].any()


def test_the_type_cache_is_used() -> None:
    model = make_model()
    docs = make_docs([["the", "\n", "cat"]])
    model.predict(docs)
    model.predict(docs)
    assert get_cache_statistics(model)[0] > 0


@pytest.mark.parametrize("name", ["spacy.MaxoutWindowEncoder.v2", "spacy.TorchBiLSTMEncoder.v1"])
def test_the_encoder_can_be_spacys(name: str) -> None:
    arguments = (1, 2, 2) if "Maxout" in name else (1, 0.0)
    encode = registry.get("architectures", name)(EMBED_WIDTH, *arguments)
    embed = registry.get("architectures", "spacy.MultiHashEmbed.v2")(EMBED_WIDTH, ["NORM"], [50], False)
    model = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(embed, encode, skip_whitespace=True)
    model.initialize(X=make_word_docs(VOCAB))
    (output,), (expected,) = (model.predict(make_docs([words])) for words in (["the", "\n", "cat"], ["the", "cat"]))
    numpy.testing.assert_allclose(output[[0, 2]], expected, rtol=0, atol=1e-5)
    assert not output[1].any()


def test_an_encoder_of_spacy_is_trained_with_a_batch_of_whitespace_alone() -> None:
    """It can't read a batch without words."""
    encode = registry.get("architectures", "spacy.MaxoutWindowEncoder.v2")(EMBED_WIDTH, 1, 2, 2)
    model = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(make_embedding(), encode, skip_whitespace=True)
    model.initialize(X=make_word_docs(VOCAB))
    docs = make_docs([["\n", " "], [], ["\t"]])
    outputs, backprop = model(docs, is_train=True)
    assert [output.shape for output in outputs] == [(len(doc), EMBED_WIDTH) for doc in docs]
    assert not any(output.any() for output in outputs)
    backprop([numpy.ones_like(output) for output in outputs])
    assert not any(gradient.any() for gradient in take_gradients(model.layers[0]).values())


def test_a_loaded_model_skips_whitespace() -> None:
    model = make_model()
    docs = make_docs([["the", "\n", "cat"]])
    loaded = make_model().from_bytes(model.to_bytes())
    numpy.testing.assert_array_equal(loaded.predict(docs)[0], model.predict(docs)[0])
    numpy.testing.assert_array_equal(model.copy().predict(docs)[0], model.predict(docs)[0])
