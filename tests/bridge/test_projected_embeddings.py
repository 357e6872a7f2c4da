"""Embeddings of spaCy whose tables are multiplied in advance."""

from functools import cache
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_bilstm.bridge.embedding_vectors import EmbeddingVectors
from spacy_bilstm.bridge.projected_embeddings import ProjectedEmbeddings, can_project

ATTRS = ["NORM", "PREFIX", "SUFFIX", "SHAPE", "SPACY", "IS_SPACE"]


def make_config(attrs: list[str], rows: list[int], width: int, vectors: bool = False) -> dict[str, Any]:
    settings = {"width": width, "attrs": attrs, "rows": rows, "include_static_vectors": vectors}
    return {"@architectures": "spacy.MultiHashEmbed.v2", **settings}


@cache  # Making a vocab takes longer than all the rest of an example.
def make_vocab() -> Vocab:
    """Return the vocab of all tests, with vectors for some words."""
    vocab = spacy.blank("en").vocab
    table = numpy.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    table[-1] = numpy.nan  # Not used: a word without a vector must not get the last one.
    vocab.vectors = Vectors(strings=vocab.strings, data=table, keys=["a", "Leeds"])
    return vocab


def make_layer(config: dict[str, Any], seed: int) -> Model:
    """Return a layer with random weights, also where spaCy begins with zeros and ones."""
    layer: Model = spacy.registry.resolve({"model": config})["model"]
    layer.initialize(X=[Doc(make_vocab(), words=["Leeds"])])
    generator = numpy.random.default_rng(seed)
    for node in layer.walk():
        for name in node.param_names:
            node.set_param(name, generator.normal(size=node.get_param(name).shape).astype("float32"))
    return layer


@st.composite
def draw_configs(draw: st.DrawFn) -> list[dict[str, Any]]:
    width = draw(st.integers(1, 6))
    configs = []
    for _ in range(draw(st.integers(1, 3))):
        attrs = draw(st.lists(st.sampled_from(ATTRS), min_size=1, unique=True))
        rows = draw(st.lists(st.sampled_from([1, 7, 50]), min_size=len(attrs), max_size=len(attrs)))
        configs.append(make_config(attrs, rows, width, draw(st.booleans())))
    return configs


WORDS = st.lists(st.sampled_from(["a", "Leeds"]) | st.text(min_size=1), min_size=1, max_size=5)


@given(draw_configs(), WORDS)
def test_vectors_are_those_of_the_layers_side_by_side(configs: list[dict[str, Any]], words: list[str]) -> None:
    layers = [make_layer(config, seed) for seed, config in enumerate(configs)]
    doc = Doc(make_vocab(), words=words)
    expected = numpy.concatenate([layer.predict([doc])[0] for layer in layers], axis=1)
    assert can_project(configs)
    # Layer normalisation divides by a standard deviation, which can be small.
    numpy.testing.assert_allclose(ProjectedEmbeddings(layers).predict(doc), expected, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def embeddings() -> ProjectedEmbeddings:
    """Return an embedding that reads all attributes."""
    return ProjectedEmbeddings([make_layer(make_config(ATTRS, [50] * 6, 8), 0)])


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_a_vector_does_not_depend_on_the_other_words(embeddings: ProjectedEmbeddings, words: list[str]) -> None:
    vocab = make_vocab()
    together = embeddings.predict(Doc(vocab, words=words)).numpy()
    alone = [embeddings.predict(Doc(vocab, words=[word])).numpy() for word in words]
    numpy.testing.assert_array_equal(together, numpy.concatenate(alone))


@pytest.mark.parametrize(
    "other",
    [
        make_config(["NORM"], [50], 6),
        make_config(["NORM"], [50], 4) | {"@architectures": "spacy-bilstm.WordEmbed.v1"},
    ],
    ids=["another width", "another architecture"],
)
def test_other_layers_are_refused(other: dict[str, Any]) -> None:
    assert not can_project([make_config(["NORM"], [50], 4), other])


def test_embedding_vectors_of_layers_of_two_widths() -> None:
    configs = [make_config(["NORM", "SHAPE"], [50, 20], width) for width in (4, 6)]
    layers = [make_layer(config, 0) for config in configs]
    nlp = spacy.blank("en")
    vectors = EmbeddingVectors()
    vectors.set_layers(nlp, list(zip(configs, layers, strict=True)))
    doc = Doc(nlp.vocab, words=["Leeds", "unheard-of"])
    expected = numpy.concatenate([layer.predict([doc])[0] for layer in layers], axis=1)
    assert vectors.shape == (1, 10)
    numpy.testing.assert_allclose(vectors.get_batch(["Leeds", "unheard-of"]), expected, atol=1e-5)
