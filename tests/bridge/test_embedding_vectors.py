"""Static vectors that the word embedding of another pipeline computes."""

import multiprocessing
import os
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model

from spacy_bilstm.bridge.embedding_vectors import EmbeddingVectors
from spacy_bilstm.bridge.format import FORMAT, FormatError

EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": 6,
    "attrs": ["NORM", "PREFIX", "SHAPE", "SPACY"],
    "rows": [50, 20, 20, 5],
    "include_static_vectors": False,
}
CONFIG = {"nlp": {"vectors": {"@vectors": "spacy-bilstm.EmbeddingVectors.v1"}}}
WORDS = ["Leeds", "Leeds", "unheard-of", "👩‍👩‍👧", "cafe\u0301", "\n"]


@pytest.fixture(scope="module")
def embedding() -> Model:
    """Return an initialised embedding."""
    layer: Model = spacy.registry.resolve({"model": EMBED})["model"]
    layer.initialize(X=[Doc(Vocab(), words=["Leeds"])])
    for node in layer.walk():
        if node.name == "hashembed":
            node.set_param("E", numpy.random.default_rng(0).normal(size=node.get_param("E").shape).astype("float32"))
    return layer


@pytest.fixture
def nlp(embedding: Model) -> Language:
    """Return a blank pipeline with vectors."""
    nlp = spacy.blank("en", config=CONFIG)
    nlp.vocab.vectors.set_layers(nlp, [(EMBED, embedding), (EMBED, embedding)])
    return nlp


def test_the_vectors_are_those_of_the_layers_side_by_side(nlp: Language, embedding: Model) -> None:
    expected = embedding.predict([Doc(nlp.vocab, words=WORDS)])[0]
    found = nlp.vocab.vectors.get_batch([nlp.vocab.strings.add(word) for word in WORDS])
    numpy.testing.assert_allclose(found, numpy.concatenate([expected, expected], axis=1), atol=1e-5)


@pytest.mark.parametrize("mode", ["default", "floret"])
def test_layers_that_read_static_vectors_keep_them(tmp_path: Path, mode: str) -> None:
    table = numpy.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    teacher = spacy.blank("en")
    if mode == "floret":
        settings = {"mode": "floret", "minn": 2, "maxn": 3, "hash_count": 2, "attr": "LOWER"}
        teacher.vocab.vectors = Vectors(strings=teacher.vocab.strings, data=table, **settings)
    else:
        teacher.vocab.vectors = Vectors(strings=teacher.vocab.strings, data=table, keys=["Leeds", "cafe\u0301", "\n"])
    config = EMBED | {"include_static_vectors": True}
    layer: Model = spacy.registry.resolve({"model": config})["model"]
    layer.initialize(X=[Doc(teacher.vocab, words=["Leeds"])])
    nlp = spacy.blank("en", config=CONFIG)
    nlp.vocab.vectors.set_layers(teacher, [(config, layer)])
    nlp.to_disk(tmp_path)
    expected = layer.predict([Doc(teacher.vocab, words=WORDS)])[0]
    table[:] = 0
    for vocab in (nlp.vocab, spacy.load(tmp_path).vocab, pickle.loads(pickle.dumps(nlp)).vocab):
        numpy.testing.assert_allclose(vocab.vectors.get_batch(WORDS), expected, atol=1e-5)


def test_words_have_a_vector_and_nothing_has_none(nlp: Language) -> None:
    doc = nlp("Leeds")
    assert doc[0].has_vector
    assert doc[0].vector.shape == (12,)
    assert not nlp.vocab.vectors.get_batch([0]).any()
    assert list(nlp.vocab.vectors) == list(nlp.vocab.vectors.keys())
    assert nlp.vocab.vectors.get_batch([]).shape == (0, 12)


@pytest.fixture(scope="module")
def vectors(embedding: Model) -> EmbeddingVectors:
    """Return vectors outside of a pipeline."""
    vectors = EmbeddingVectors()
    vectors.set_layers(spacy.blank("en"), [(EMBED, embedding)])
    return vectors


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_a_vector_depends_on_the_word_alone(vectors: EmbeddingVectors, words: list[str]) -> None:
    batch = vectors.get_batch(words)
    for word, vector in zip(words, batch, strict=True):
        numpy.testing.assert_allclose(vector, vectors.get_batch([word])[0], atol=1e-5)


def test_stored_copied_and_pickled_vectors_are_the_same(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    loaded = [
        spacy.load(tmp_path),
        spacy.blank("en", config=CONFIG).from_bytes(nlp.to_bytes()),
        pickle.loads(pickle.dumps(nlp)),
    ]
    for other in loaded:
        numpy.testing.assert_array_equal(other.vocab.vectors.get_batch(WORDS), nlp.vocab.vectors.get_batch(WORDS))


def test_memory_zones_free_the_words(nlp: Language) -> None:
    before = nlp.vocab.vectors.get_batch(["Leeds"])
    with nlp.memory_zone():
        nlp("Qzrwt")[0].vector  # noqa: B018
    assert "Qzrwt" not in nlp.vocab.strings
    numpy.testing.assert_array_equal(nlp.vocab.vectors.get_batch(["Leeds"]), before)


def test_docs_are_compared_by_their_vectors(nlp: Language) -> None:
    doc, other = nlp("Leeds and York"), nlp("Hull and Whitby")
    assert doc.similarity(doc) == pytest.approx(1.0)
    assert doc.similarity(other) < 0.999
    assert doc[0].vector_norm > 0


def test_vectors_are_equal_if_their_layers_are(nlp: Language, embedding: Model) -> None:
    same = EmbeddingVectors().from_bytes(nlp.vocab.vectors.to_bytes())
    assert same == nlp.vocab.vectors
    same.set_layers(nlp, [(EMBED, embedding)])
    assert same != nlp.vocab.vectors


def test_the_tokenizer_of_a_language_is_not_needed(embedding: Model) -> None:
    config = {"nlp": {"tokenizer": {"@tokenizers": "spacy.Tokenizer.v1"}}}  # Korean's own needs another package.
    vectors = EmbeddingVectors()
    vectors.set_layers(spacy.blank("ko", config=config), [(EMBED, embedding)])
    assert vectors.get_batch(["서울"]).any()


def test_threads_get_the_same_vectors(nlp: Language) -> None:
    words = [f"word{i}" for i in range(60)]
    expected = nlp.vocab.vectors.get_batch(words)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(nlp.vocab.vectors.get_batch, [words] * 40))
    finally:
        sys.setswitchinterval(interval)
    for vectors in found:
        numpy.testing.assert_array_equal(vectors, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_while_a_thread_computes_vectors_can_compute_them(nlp: Language) -> None:
    vectors = nlp.vocab.vectors
    computes = threading.Event()

    original = vectors._predict

    def predict_slowly(doc: Doc) -> Any:
        computes.set()
        time.sleep(0.3)
        return original(doc)

    vectors._predict = predict_slowly
    thread = threading.Thread(target=vectors.get_batch, args=(["Leeds"],))
    thread.start()
    assert computes.wait(10)
    process = multiprocessing.get_context("fork").Process(target=vectors.get_batch, args=(["York"],))
    process.start()
    thread.join()
    process.join(20)
    process.kill()
    assert process.exitcode == 0


def test_a_vocab_without_layers_has_no_vectors() -> None:
    nlp = spacy.blank("en", config=CONFIG)
    assert not nlp("Leeds")[0].has_vector
    assert nlp.vocab.vectors.shape == (0, 0)
    assert nlp.meta["vectors"]["width"] == 0


def test_damaged_vectors_and_those_of_a_newer_version_are_refused(nlp: Language, tmp_path: Path) -> None:
    vectors = nlp.vocab.vectors
    before = vectors.get_batch(WORDS)
    newer = srsly.msgpack_loads(vectors.to_bytes()) | {"format": FORMAT + 1}
    with pytest.raises(FormatError, match="reads formats up to"):
        vectors.from_bytes(srsly.msgpack_dumps(newer))
    with pytest.raises(ValueError, match="can't be read"):
        vectors.from_bytes(vectors.to_bytes()[:-100])
    numpy.testing.assert_array_equal(vectors.get_batch(WORDS), before)
    nlp.to_disk(tmp_path)
    (tmp_path / "vocab" / "embedding_vectors.msgpack").write_bytes(srsly.msgpack_dumps(newer))
    with pytest.raises(FormatError, match="Install a newer version"):
        spacy.load(tmp_path)
