"""The type cache in a tok2vec: predictions are those without a cache, whatever changes."""

import copy
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy import registry
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model, NumpyOps, fix_random_seed, set_current_ops
from toy_embeddings import EMBED_WIDTH
from toy_tok2vecs import CACHE_DOCUMENTS, CACHE_WORDS, make_cache_docs, make_cached_model, train_once

from spacy_bilstm.bridge.cached_tok2vec import clear_cache, get_cache_statistics

# Bytes of an entry for the LSTMs here, at least: gates of two directions, features, and three numbers.
ENTRY_BYTES = 2 * 4 * (EMBED_WIDTH // 2) * 4 + 4 * 8 + 24
texts = st.lists(st.lists(st.sampled_from(CACHE_WORDS) | st.text(min_size=1, max_size=9), max_size=8), max_size=5)


@pytest.fixture(autouse=True)
def _on_cpu() -> None:
    """The cache is used on CPU only."""
    set_current_ops(NumpyOps())


@pytest.fixture
def docs() -> list[Doc]:
    return make_cache_docs()


def predict_without_cache(model: Model, docs: list[Doc]) -> list[Any]:
    vectors = docs
    for layer in model.layers:
        vectors = layer.predict(vectors)
    return vectors


def check(model: Model, docs: list[Doc]) -> None:
    """Check predictions against those without a cache, when it may be empty and when it is filled."""
    expected = predict_without_cache(model, docs)
    for _ in range(2):
        for output, other in zip(model.predict(docs), expected, strict=True):
            numpy.testing.assert_allclose(output, other, rtol=0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5), st.integers(0, 12), st.sampled_from(["rnn", "gru", "lstm"]))
def test_predictions_do_not_depend_on_the_size_of_the_cache(
    batches: list[list[list[str]]], n_types: int, cell: str
) -> None:
    docs = make_cache_docs()
    max_bytes = n_types * ENTRY_BYTES
    model = make_cached_model(docs, max_bytes, cell=cell)
    for documents in batches:
        check(model, make_cache_docs(documents, docs[0].vocab))
        statistics = get_cache_statistics(model)
        assert statistics.n_bytes <= max_bytes
        assert cell != "lstm" or statistics.n_types <= n_types


def test_a_type_is_computed_once(docs: list[Doc], monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_cached_model(docs)
    model.predict(docs)
    n_types = len({word for words in CACHE_DOCUMENTS for word in words})
    assert get_cache_statistics(model)[:3] == (0, n_types, n_types)
    module = model.get_ref("embed").shims[0].module
    monkeypatch.setattr(module, "embed_types", lambda *_, **__: pytest.fail("all types are in the cache"))
    model.predict(docs)
    assert get_cache_statistics(model)[:3] == (n_types, n_types, n_types)


def test_an_encoder_that_reads_no_gates_has_smaller_entries(docs: list[Doc]) -> None:
    sizes = {}
    for precision in ("float32", "bfloat16"):
        model = make_cached_model(docs, inference_precision=precision)
        model.predict(docs)
        sizes[precision] = get_cache_statistics(model).n_bytes
    assert sizes["bfloat16"] < sizes["float32"] / 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_filled_cache_returns_exactly_the_same(docs: list[Doc], precision: str) -> None:
    model = make_cached_model(docs, inference_precision=precision)
    first = model.predict(docs)
    for output, other in zip(model.predict(docs), first, strict=True):
        numpy.testing.assert_array_equal(output, other)
    statistics = get_cache_statistics(model)
    assert statistics.hits == statistics.n_types


# Changes that the cache must notice


def train_with_a_late_step(model: Model, docs: list[Doc]) -> None:
    """Train with an optimizer that changes weights when its step ends, after a prediction."""
    optimizer = registry.get("optimizers", "spacy-bilstm.Adam.v1")(0.1)
    output, backprop = model.begin_update(docs)
    backprop([numpy.ones_like(vectors) for vectors in output])
    model.finish_update(optimizer)
    check(model, docs)
    optimizer.step_schedules()


def change_in_place(model: Model, docs: list[Doc]) -> None:
    with torch.no_grad():
        next(iter(model.get_ref("encode").shims[0].module.parameters())).mul_(2.0)


def change_memory_twice(model: Model, docs: list[Doc]) -> None:
    """Replace the memory of weights. The second time torch may reuse the memory that the first time has freed."""
    for parameter in model.get_ref("encode").shims[0].module.parameters():
        for _ in range(2):
            parameter.data = parameter.data * 2.0


def load(model: Model, docs: list[Doc]) -> None:
    other = make_cached_model(docs, vectors=True)
    train_once(other, docs)
    model.from_bytes(other.to_bytes())


def initialize(model: Model, docs: list[Doc]) -> None:
    fix_random_seed(7)
    model.initialize(X=docs)


def set_projection(model: Model, docs: list[Doc]) -> None:
    embed = model.get_ref("embed")
    embed.set_param("W", embed.get_param("W") * 2)


def replace_vectors(model: Model, docs: list[Doc]) -> None:
    vocab = docs[0].vocab
    vocab.vectors = Vectors(strings=vocab.strings, data=-vocab.vectors.data, keys=["the", "cat", "sat"])


def replace_vector_table(model: Model, docs: list[Doc]) -> None:
    docs[0].vocab.vectors.data = docs[0].vocab.vectors.data * 2


def add_vector(model: Model, docs: list[Doc]) -> None:
    docs[0].vocab.set_vector("dog", numpy.ones(5, dtype="f"))


def overwrite_vectors_and_clear(model: Model, docs: list[Doc]) -> None:
    docs[0].vocab.vectors.data[:] = 1.0
    clear_cache(model)


def change_attribute(model: Model, docs: list[Doc]) -> None:
    for doc in docs:
        for token in doc:
            token.norm_ = token.text[::-1]


def change_lexemes(model: Model, docs: list[Doc]) -> None:
    for doc in docs:
        for token in doc:
            token.lex.shape_ = "shape"


@pytest.mark.parametrize(
    "change",
    [
        train_once,
        train_with_a_late_step,
        change_in_place,
        change_memory_twice,
        load,
        initialize,
        set_projection,
        replace_vectors,
        replace_vector_table,
        add_vector,
        overwrite_vectors_and_clear,
        change_attribute,
        change_lexemes,
    ],
)
def test_a_change_is_noticed(docs: list[Doc], change: Callable[[Model, list[Doc]], None]) -> None:
    model = make_cached_model(docs, vectors=True)
    before = model.predict(docs)
    change(model, docs)
    check(model, docs)
    assert any(
        numpy.abs(old - new).max() > 1e-4 for old, new in zip(before, model.predict(docs), strict=True) if len(old)
    )


@pytest.fixture
def model_and_averages(docs: list[Doc]) -> tuple[Model, dict[Any, Any]]:
    """A model whose cache is filled, and other weights for it."""
    model = make_cached_model(docs)
    model.predict(docs)
    shims = [shim for node in model.walk() for shim in node.shims]
    averages = {
        (shim.id, name): parameter.detach().numpy() * 0.5 + 0.1
        for shim in shims
        for name, parameter in shim.module.named_parameters()
    }
    return model, averages


def test_averages_are_used_inside_their_context(
    docs: list[Doc], model_and_averages: tuple[Model, dict[Any, Any]]
) -> None:
    model, averages = model_and_averages
    before = model.predict(docs)
    with model.use_params(averages):
        check(model, docs)
        assert numpy.abs(model.predict(docs)[0] - before[0]).max() > 1e-3


def test_averages_are_not_used_after_their_context(
    docs: list[Doc], model_and_averages: tuple[Model, dict[Any, Any]]
) -> None:
    model, averages = model_and_averages
    before = model.predict(docs)
    with model.use_params(averages):
        model.predict(docs)
    check(model, docs)
    numpy.testing.assert_allclose(model.predict(docs)[0], before[0], rtol=0, atol=1e-5)


# Storage, copies, threads


def test_the_cache_is_not_saved(docs: list[Doc]) -> None:
    model = make_cached_model(docs)
    before = model.to_bytes()
    model.predict(docs)
    assert model.to_bytes() == before


@pytest.mark.parametrize(
    "make_copy",
    [Model.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_the_cache_of_a_copy_is_empty(docs: list[Doc], make_copy: Callable[[Model], Model]) -> None:
    model = make_cached_model(docs)
    model.predict(docs)
    assert get_cache_statistics(make_copy(model))[:3] == (0, 0, 0)
    assert get_cache_statistics(model).n_types


def test_threads_can_share_the_cache(docs: list[Doc]) -> None:
    vocab = docs[0].vocab
    words = [f"word{i}" for i in range(200)]
    batches = [make_cache_docs([words[i : i + 9], words[i // 2 : i // 2 + 30]], vocab) for i in range(0, 160, 4)]
    model = make_cached_model(docs, 50 * ENTRY_BYTES)
    expected = [predict_without_cache(model, batch) for batch in batches]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda i: model.predict(batches[i % len(batches)]), range(3 * len(batches))))
    finally:
        sys.setswitchinterval(interval)
    for i, outputs in enumerate(results):
        for output, other in zip(outputs, expected[i % len(batches)], strict=True):
            numpy.testing.assert_allclose(output, other, rtol=0, atol=1e-5)


def test_entries_outlive_a_memory_zone() -> None:
    """The strings and lexemes of the zone do not."""
    nlp = spacy.blank("en")
    model = make_cached_model([nlp("one two")])
    outputs = []
    for _ in range(2):
        with nlp.memory_zone():
            zone_docs = [nlp.make_doc("unheard-of wordlings crumple")]
            check(model, zone_docs)
            outputs.append(model.predict(zone_docs)[0])
    numpy.testing.assert_allclose(outputs[0], outputs[1], rtol=0, atol=1e-5)
    assert get_cache_statistics(model).hits


# Models that do not use the cache


def test_a_cache_of_no_bytes_is_not_used(docs: list[Doc]) -> None:
    model = make_cached_model(docs, 0)
    check(model, docs)
    assert get_cache_statistics(model)[:4] == (0, 0, 0, 0)


@pytest.mark.parametrize("stock", ["embed", "encode"])
def test_with_a_layer_of_spacy_the_cache_is_not_used(docs: list[Doc], stock: str) -> None:
    layers = {name: make_cached_model(docs).get_ref(name) for name in ("embed", "encode")}
    if stock == "embed":
        layers[stock] = registry.get("architectures", "spacy.MultiHashEmbed.v2")(EMBED_WIDTH, ["NORM"], [50], False)
    else:
        layers[stock] = registry.get("architectures", "spacy.MaxoutWindowEncoder.v2")(EMBED_WIDTH, 1, 2, 1)
    model = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(**layers)
    model.initialize(X=docs)
    check(model, docs)
    assert get_cache_statistics(model)[:4] == (0, 0, 0, 0)


def test_training_does_not_use_the_cache(docs: list[Doc]) -> None:
    model = make_cached_model(docs)
    train_once(model, docs)
    assert get_cache_statistics(model)[:4] == (0, 0, 0, 0)


def test_a_batch_without_tokens_does_not_use_the_cache() -> None:
    model = make_cached_model(make_cache_docs())
    check(model, [Doc(Vocab())])
    assert get_cache_statistics(model)[:4] == (0, 0, 0, 0)


def test_a_prediction_refuses_backpropagation(docs: list[Doc]) -> None:
    model = make_cached_model(docs)
    output, backprop = model(docs, is_train=False)
    with pytest.raises(ValueError, match="Call the model with is_train=True"):
        backprop(output)


@pytest.mark.parametrize("function", [get_cache_statistics, clear_cache])
def test_a_model_without_a_cache_is_an_error(docs: list[Doc], function: Callable[[Model], Any]) -> None:
    encode = make_cached_model(docs).get_ref("encode")
    with pytest.raises(ValueError, match="has no type cache"):
        function(encode)
