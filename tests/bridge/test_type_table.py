"""The type table of `spacy-bilstm.Tok2Vec.v1`: it makes no difference, but for speed."""

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
from thinc.api import SGD, Model, NumpyOps, fix_random_seed, set_current_ops

from spacy_bilstm.bridge import type_table
from spacy_bilstm.bridge.type_table import empty_table, get_table_statistics

WIDTH = 8
# Bytes of a type in the tables of LSTMs here: gates of two directions, features and what finds them.
TYPE_BYTES = 2 * 4 * (WIDTH // 2) * 4 + 4 * 8 + 24
WORDS = ["the", "The", "cat", "cats", "sat", "Zürich", "2024", "e\u0301", "東京", "a" * 50, " "]
DOCUMENTS = [["the", "cat", "sat", "the"], [], ["The", "dog", "sat"], ["Zürich"], WORDS]
texts = st.lists(st.lists(st.sampled_from(WORDS) | st.text(min_size=1, max_size=9), max_size=8), max_size=5)


@pytest.fixture(autouse=True)
def _on_cpu() -> None:
    """The table is for CPU only."""
    set_current_ops(NumpyOps())


def make_vocab() -> Vocab:
    vocab = Vocab()
    data = numpy.random.RandomState(0).randn(4, 5).astype("f")
    vocab.vectors = Vectors(strings=vocab.strings, data=data, keys=["the", "cat", "sat"])
    return vocab


def make_docs(vocab: Vocab, documents: list[list[str]] = DOCUMENTS) -> list[Doc]:
    return [Doc(vocab, words=words) for words in documents]


def make_model(docs: list[Doc], table_bytes: int | None = None, vectors: bool = False, **encode: Any) -> Model:
    fix_random_seed(0)
    embed = registry.get("architectures", "spacy-bilstm.WordEmbed.v1")(
        WIDTH, ["NORM", "PREFIX", "SHAPE"], [60, 20, 30], vectors, "cnn", char_width=6, char_embed_width=4
    )
    encoder = registry.get("architectures", "spacy-bilstm.RecurrentEncoder.v1")(WIDTH, **encode)
    table = {} if table_bytes is None else {"table_bytes": table_bytes}
    model = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(embed, encoder, **table)
    model.initialize(X=docs)
    return model


def predict_without(model: Model, docs: list[Doc]) -> list[Any]:
    """Predict as without a table."""
    rows = docs
    for layer in model.layers:
        rows = layer.predict(rows)
    return rows


def check(model: Model, docs: list[Doc]) -> None:
    """The table makes no difference, when it is filled and when it is read."""
    wanted = predict_without(model, docs)
    for _ in range(2):
        for output, other in zip(model.predict(docs), wanted, strict=True):
            numpy.testing.assert_allclose(output, other, rtol=0, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5), st.integers(0, 12), st.sampled_from(["rnn", "gru", "lstm"]))
def test_no_result_depends_on_the_table_or_its_size(batches: list[list[list[str]]], n_types: int, cell: str) -> None:
    vocab = make_vocab()
    max_bytes = n_types * TYPE_BYTES
    model = make_model(make_docs(vocab), max_bytes, cell=cell)
    for documents in batches:
        check(model, make_docs(vocab, documents))
        statistics = get_table_statistics(model)
        assert statistics.n_bytes <= max_bytes
        assert cell != "lstm" or statistics.n_types <= n_types


def test_types_with_equal_hashes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    hash_rows = type_table.hash_rows
    monkeypatch.setattr(type_table, "hash_rows", lambda features: hash_rows(features) % numpy.uint64(3))
    vocab = make_vocab()
    model = make_model(make_docs(vocab))
    for documents in (DOCUMENTS, DOCUMENTS[::-1], [WORDS[::-1]], [["cat"]], DOCUMENTS):
        check(model, make_docs(vocab, documents))
    assert get_table_statistics(model).n_types <= 3


def test_a_type_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    docs = make_docs(make_vocab())
    model = make_model(docs)
    model.predict(docs)
    n_types = len({word for words in DOCUMENTS for word in words})
    assert get_table_statistics(model)[:3] == (0, n_types, n_types)
    module = model.get_ref("embed").shims[0].module
    monkeypatch.setattr(module, "embed_types", lambda **_: pytest.fail("all types are known"))
    model.predict(docs)
    assert get_table_statistics(model)[:3] == (n_types, n_types, n_types)


def test_gates_that_no_run_reads_are_not_kept() -> None:
    docs = make_docs(make_vocab())
    sizes = []
    for precision in ("float32", "bfloat16"):
        model = make_model(docs, inference_precision=precision)
        first = model.predict(docs)
        for again, once in zip(model.predict(docs), first, strict=True):
            numpy.testing.assert_array_equal(again, once)
        statistics = get_table_statistics(model)
        assert statistics.hits == statistics.n_types
        sizes.append(statistics.n_bytes)
    assert sizes[1] < sizes[0] / 2


def test_what_was_used_last_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    vocab = make_vocab()
    model = make_model(make_docs(vocab), 4 * TYPE_BYTES)
    for word in ("old", "kept", "a", "kept", "b", "kept", "c", "kept", "d"):
        model.predict(make_docs(vocab, [[word]]))
    before = get_table_statistics(model)
    model.predict(make_docs(vocab, [["kept"]]))
    model.predict(make_docs(vocab, [["old"]]))
    after = get_table_statistics(model)
    assert (after.hits - before.hits, after.misses - before.misses) == (1, 1)


def train(model: Model, docs: list[Doc]) -> None:
    output, backprop = model.begin_update(docs)
    backprop([numpy.ones_like(rows) for rows in output])
    model.finish_update(SGD(0.5))


def train_with_a_late_step(model: Model, docs: list[Doc]) -> None:
    """The weights change when the optimizer's step ends, after a prediction."""
    optimizer = registry.get("optimizers", "spacy-bilstm.Adam.v1")(0.1)
    output, backprop = model.begin_update(docs)
    backprop([numpy.ones_like(rows) for rows in output])
    model.finish_update(optimizer)
    check(model, docs)
    optimizer.step_schedules()


def change_in_place(model: Model, docs: list[Doc]) -> None:
    with torch.no_grad():
        next(iter(model.get_ref("encode").shims[0].module.parameters())).mul_(2.0)


def change_memory_twice(model: Model, docs: list[Doc]) -> None:
    """Each time with memory that the time before may have freed."""
    for parameter in model.get_ref("encode").shims[0].module.parameters():
        for _ in range(2):
            parameter.data = parameter.data * 2.0


def load(model: Model, docs: list[Doc]) -> None:
    other = make_model(docs, vectors=True)
    train(other, docs)
    model.from_bytes(other.to_bytes())


def initialize(model: Model, docs: list[Doc]) -> None:
    fix_random_seed(7)
    model.initialize(X=docs)


def set_projection(model: Model, docs: list[Doc]) -> None:
    embed = model.get_ref("embed")
    embed.set_param("W", embed.get_param("W") * 2)


def replace_vectors(model: Model, docs: list[Doc]) -> None:
    vectors = docs[0].vocab.vectors
    docs[0].vocab.vectors = Vectors(strings=docs[0].vocab.strings, data=-vectors.data, keys=["the", "cat", "sat"])


def replace_data(model: Model, docs: list[Doc]) -> None:
    docs[0].vocab.vectors.data = docs[0].vocab.vectors.data * 2


def add_vector(model: Model, docs: list[Doc]) -> None:
    docs[0].vocab.set_vector("dog", numpy.ones(5, dtype="f"))


def write_vector(model: Model, docs: list[Doc]) -> None:
    docs[0].vocab.vectors.data[:] = 1.0
    empty_table(model)


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
        train,
        train_with_a_late_step,
        change_in_place,
        change_memory_twice,
        load,
        initialize,
        set_projection,
        replace_vectors,
        replace_data,
        add_vector,
        write_vector,
        change_attribute,
        change_lexemes,
    ],
)
def test_what_has_changed_is_noticed(change: Callable[[Model, list[Doc]], None]) -> None:
    docs = make_docs(make_vocab())
    model = make_model(docs, vectors=True)
    before = model.predict(docs)
    change(model, docs)
    check(model, docs)
    assert any(
        numpy.abs(old - new).max() > 1e-4 for old, new in zip(before, model.predict(docs), strict=True) if len(old)
    )


def test_averages_are_used_only_inside_their_context() -> None:
    docs = make_docs(make_vocab())
    model = make_model(docs)
    before = model.predict(docs)
    averages = {}
    for node in model.walk():
        for shim in node.shims:
            for name, parameter in shim.module.named_parameters():
                averages[(shim.id, name)] = parameter.detach().numpy() * 0.5 + 0.1
    with model.use_params(averages):
        check(model, docs)
        assert numpy.abs(model.predict(docs)[0] - before[0]).max() > 1e-3
    check(model, docs)
    numpy.testing.assert_allclose(model.predict(docs)[0], before[0], rtol=0, atol=1e-5)


def test_it_is_neither_stored_nor_copied() -> None:
    docs = make_docs(make_vocab())
    model = make_model(docs)
    empty = model.to_bytes()
    model.predict(docs)
    assert model.to_bytes() == empty
    table = model.attrs["type_table"]
    for other in (copy.deepcopy(table), pickle.loads(pickle.dumps(table)), model.copy().attrs["type_table"]):
        assert other.get_statistics()[:3] == (0, 0, 0)
        assert other.max_bytes == table.max_bytes
    assert get_table_statistics(model).n_types


def test_threads_share_it() -> None:
    vocab = make_vocab()
    words = [f"word{i}" for i in range(200)]
    batches = [make_docs(vocab, [words[i : i + 9], words[i // 2 : i // 2 + 30]]) for i in range(0, 160, 4)]
    model = make_model(make_docs(vocab), 50 * TYPE_BYTES)
    wanted = [predict_without(model, docs) for docs in batches]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda i: model.predict(batches[i % len(batches)]), range(3 * len(batches))))
    finally:
        sys.setswitchinterval(interval)
    for i, outputs in enumerate(results):
        for output, other in zip(outputs, wanted[i % len(batches)], strict=True):
            numpy.testing.assert_allclose(output, other, rtol=0, atol=1e-5)


def test_transient_strings() -> None:
    """The table outlives a memory zone, whose strings and lexemes do not."""
    nlp = spacy.blank("en")
    model = make_model([nlp("one two")])
    outputs = []
    for _ in range(2):
        with nlp.memory_zone():
            docs = [nlp.make_doc("unheard-of wordlings crumple")]
            check(model, docs)
            outputs.append(model.predict(docs)[0])
    numpy.testing.assert_allclose(outputs[0], outputs[1], rtol=0, atol=1e-5)
    assert get_table_statistics(model).hits


def test_without_a_table_or_with_other_layers_nothing_is_remembered() -> None:
    docs = make_docs(make_vocab())
    model = make_model(docs, 0)
    check(model, docs)
    assert get_table_statistics(model)[:4] == (0, 0, 0, 0)
    stock = registry.get("architectures", "spacy.MaxoutWindowEncoder.v2")(WIDTH, 1, 2, 1)
    other = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(model.get_ref("embed"), stock)
    other.initialize(X=docs)
    check(other, docs)
    assert get_table_statistics(other)[:4] == (0, 0, 0, 0)


def test_errors() -> None:
    docs = make_docs(make_vocab())
    with pytest.raises(ValueError, match=r"table_bytes is the memory .* but it is -1. Set it to 0"):
        make_model(docs, -1)
    model = make_model(docs)
    with pytest.raises(ValueError, match="has no type table"):
        get_table_statistics(model.get_ref("encode"))
