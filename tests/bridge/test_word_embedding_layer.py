"""The layer that embeds docs: training, prediction, storage and copies, for every kind of feature."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.attrs import LOWER
from spacy.tokens import Doc
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Model, fix_random_seed, set_dropout_rate
from toy_embeddings import (
    EMBED_WIDTH,
    PARTS,
    WORDS,
    assert_same_output,
    make_embedding,
    make_floret_vocab,
    make_vocab,
    make_word_docs,
    take_gradients,
    train_embedding,
)

from spacy_bilstm.bridge import word_types

# Repeatable, because the gradient of a maximum jumps where two numbers differ by rounding only.
REPEATABLE = settings(deadline=None, derandomize=True)
texts = st.lists(st.lists(st.sampled_from(WORDS) | st.text(min_size=1, max_size=40), max_size=8), max_size=5)


@pytest.fixture
def docs() -> list[Doc]:
    return make_word_docs(make_vocab())


@pytest.fixture(params=PARTS.values(), ids=PARTS.keys())
def model(request: pytest.FixtureRequest, docs: list[Doc]) -> Model:
    """An initialised embedding, for each kind of feature."""
    fix_random_seed(0)
    model = make_embedding(**request.param)
    model.initialize(X=docs)
    return model


def run(model: Model, docs: list[Doc]) -> tuple[list[numpy.ndarray], dict[str, numpy.ndarray]]:
    """Run a training step without an update. RETURNS: the output, and the gradients of the weights."""
    fix_random_seed(7)
    outputs, backprop = model(docs, is_train=True)
    rng = numpy.random.RandomState(0)
    assert backprop([rng.randn(*output.shape).astype("f") for output in outputs]) == []
    return outputs, take_gradients(model)


def make_each_token_a_type(features: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    return numpy.arange(len(features)), numpy.arange(len(features))


@settings(REPEATABLE, max_examples=25)
@given(st.sampled_from(list(PARTS.values())), texts)
@pytest.mark.parametrize("precision", ["single", "double"])
def test_embedding_types_equals_embedding_tokens(
    precision: str, part: dict[str, Any], documents: list[list[str]]
) -> None:
    """With both dropouts, output and gradients are those of embedding every token separately."""
    vocab = make_vocab()
    fix_random_seed(0)
    model = make_embedding(**part, word_dropout=0.2)
    model.initialize(X=make_word_docs(vocab))
    set_dropout_rate(model, 0.3)
    if precision == "double":
        model.shims[0].module.double()
    docs = make_word_docs(vocab, documents)
    outputs, gradients = run(model, docs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_types, "find_distinct", make_each_token_a_type)
        expected_outputs, expected_gradients = run(model, docs)
    # The projection and its gradient are thinc's, so always in single precision.
    tolerance = 1e-10 if precision == "double" else 2e-5
    assert [len(output) for output in outputs] == [len(doc) for doc in docs]
    for output, expected in zip(outputs, expected_outputs, strict=True):
        numpy.testing.assert_allclose(output, expected, atol=tolerance, rtol=tolerance)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        bound = 1e-4 if name == "W" else tolerance * 10
        numpy.testing.assert_allclose(gradient, expected_gradients[name], atol=bound, rtol=bound, err_msg=name)


@settings(REPEATABLE, max_examples=25)
@given(st.sampled_from(list(PARTS.values())), texts, st.randoms(use_true_random=False))
def test_a_doc_does_not_depend_on_its_batch(part: dict[str, Any], documents: list[list[str]], random: Any) -> None:
    fix_random_seed(0)
    vocab = make_vocab()
    model = make_embedding(**part)
    model.initialize(X=make_word_docs(vocab))
    docs = make_word_docs(vocab, documents)
    together = dict(zip(docs, model.predict(docs), strict=True))
    random.shuffle(docs)
    for doc, shuffled in zip(docs, model.predict(docs), strict=True):
        numpy.testing.assert_allclose(shuffled, together[doc], atol=1e-5)
        numpy.testing.assert_allclose(model.predict([doc])[0], together[doc], atol=1e-5)


# Unusual docs


def test_long_words_are_read_as_their_start_and_end() -> None:
    model = make_embedding(attrs=[], rows=[], char_encoder="cnn", max_chars=5)
    doc = Doc(Vocab(), words=["abcde", "abcXXXXde", "abc" + "Y" * 10_000 + "de", "abcdE"])
    model.initialize(X=[doc])
    (vectors,) = model.predict([doc])
    numpy.testing.assert_allclose(vectors[1:3], vectors[[0, 0]], atol=1e-6)
    assert abs(vectors[3] - vectors[0]).max() > 1e-3


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_any_unicode_is_embedded(part: dict[str, Any]) -> None:
    words = [*WORDS, "x" * 10_000, "\U0010ffff", "\x00", "a\u0308\u0323", "\u202eabc\u202c", "🏳️‍🌈" * 40]
    model = make_embedding(**part)
    docs = make_word_docs(make_vocab(), [words, [], ["x"]])
    model.initialize(X=docs)
    vectors = model.predict(docs)
    assert [array.shape for array in vectors] == [(len(words), EMBED_WIDTH), (0, EMBED_WIDTH), (1, EMBED_WIDTH)]
    assert numpy.isfinite(vectors[0]).all()


@pytest.mark.parametrize("documents", [[], [[]], [[], []]])
def test_docs_without_tokens_have_no_vectors(model: Model, docs: list[Doc], documents: list[list[str]]) -> None:
    empty = make_word_docs(docs[0].vocab, documents)
    assert [array.shape for array in model.predict(empty)] == [(0, EMBED_WIDTH)] * len(documents)


@pytest.mark.parametrize("documents", [[], [[]], [[], []]])
def test_docs_without_tokens_have_no_gradients(model: Model, docs: list[Doc], documents: list[list[str]]) -> None:
    outputs, backprop = model(make_word_docs(docs[0].vocab, documents), is_train=True)
    assert backprop(outputs) == []
    assert not take_gradients(model)


def test_docs_may_have_different_vocabs() -> None:
    model = make_embedding(char_encoder="cnn")
    docs = [Doc(Vocab(), words=words) for words in (["one", "word"], ["another", "word"])]
    model.initialize(X=docs)
    together = model.predict(docs)
    for doc, vectors in zip(docs, together, strict=True):
        numpy.testing.assert_allclose(model.predict([doc])[0], vectors, atol=1e-6)


def test_a_span_is_embedded_like_its_tokens() -> None:
    model = make_embedding(char_encoder="cnn")
    doc = Doc(Vocab(), words=["one", "two", "three", "four"])
    model.initialize(X=[doc])
    numpy.testing.assert_allclose(model.predict([doc[1:3]])[0], model.predict([doc])[0][1:3], atol=1e-6)


def test_vectors_are_the_same_in_another_memory_zone() -> None:
    nlp = spacy.blank("en")
    model = make_embedding(char_encoder="cnn")
    model.initialize(X=[nlp("some words")])
    with nlp.memory_zone():
        expected = model.predict([nlp("unseenword")])[0]
    with nlp.memory_zone():
        model.predict([nlp("otherword")])
        numpy.testing.assert_array_equal(model.predict([nlp("unseenword")])[0], expected)


# Static vectors


def test_floret_vectors_are_embedded() -> None:
    docs = make_word_docs(make_floret_vocab())
    model = make_embedding(**PARTS["vectors only"])
    model.initialize(X=docs)
    (vectors, *_) = model.predict(docs)
    assert abs(vectors[0] - vectors[1]).max() > 1e-3
    numpy.testing.assert_array_equal(vectors[0], vectors[3])


def test_static_vectors_are_looked_up_by_the_attribute_of_the_vocab() -> None:
    vocab = make_vocab()
    vocab.vectors = Vectors(
        strings=vocab.strings, data=vocab.vectors.data, keys=["the", "cat", "sat", "x"], attr="LOWER"
    )
    vocab.lex_attr_getters[LOWER] = str.lower
    doc = Doc(vocab, words=["the", "THE", "unheard"])
    model = make_embedding(**PARTS["vectors only"])
    model.initialize(X=[doc])
    (vectors,) = model.predict([doc])
    numpy.testing.assert_array_equal(vectors[0], vectors[1])
    assert abs(vectors[0] - vectors[2]).max() > 1e-3


@pytest.fixture
def vectors_model(docs: list[Doc]) -> Model:
    """An initialised embedding of static vectors alone."""
    model = make_embedding(**PARTS["vectors only"])
    model.initialize(X=docs)
    return model


def test_words_without_a_static_vector_share_one_vector(vectors_model: Model, docs: list[Doc]) -> None:
    (output,) = vectors_model.predict([Doc(docs[0].vocab, words=["the", "unheard", "unseen", "cat"])])
    numpy.testing.assert_array_equal(output[1], output[2])


def test_the_vector_of_words_without_a_static_vector_is_learned(vectors_model: Model, docs: list[Doc]) -> None:
    outputs, backprop = vectors_model([Doc(docs[0].vocab, words=["the", "unheard"])], is_train=True)
    d_output = numpy.zeros_like(outputs[0])
    d_output[1] = numpy.arange(EMBED_WIDTH) ** 2
    backprop([d_output])
    gradients = take_gradients(vectors_model)
    assert gradients["unknown_vector"].any()
    assert not gradients["W"].any()


def test_only_the_projection_of_static_vectors_is_trained() -> None:
    vocab = spacy.blank("en").vocab
    vocab.vectors = Vectors(strings=vocab.strings, data=numpy.ones((100, 5), dtype="f"), keys=["the", "cat"])
    docs = make_word_docs(vocab)
    model = make_embedding(**PARTS["all"])
    model.initialize(X=docs)
    before, projection = vocab.vectors.data.copy(), model.get_param("W").copy()
    train_embedding(model, docs)
    numpy.testing.assert_array_equal(vocab.vectors.data, before)
    assert abs(model.get_param("W") - projection).max() > 0


def test_static_vectors_are_not_saved_with_the_model() -> None:
    vocab = spacy.blank("en").vocab
    vocab.vectors = Vectors(strings=vocab.strings, data=numpy.ones((100_000, 5), dtype="f"), keys=["the", "cat"])
    model = make_embedding(**PARTS["all"])
    model.initialize(X=make_word_docs(vocab))
    assert len(model.to_bytes()) < 50_000


def test_initialising_without_static_vectors_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"vocab has none.*include_static_vectors to false"):
        make_embedding(**PARTS["vectors"]).initialize(X=make_word_docs(Vocab()))


def test_initialising_without_docs_is_an_error() -> None:
    with pytest.raises(ValueError, match="without a sample"):
        make_embedding(**PARTS["vectors"]).initialize()


@pytest.mark.parametrize(
    ("vocab", "message"),
    [(Vocab(), "vocab has none"), (make_vocab(6), r"width 5.*have the width 6")],
    ids=["none", "6"],
)
def test_predicting_with_other_static_vectors_is_an_error(docs: list[Doc], vocab: Vocab, message: str) -> None:
    model = make_embedding(**PARTS["vectors"])
    model.initialize(X=docs)
    with pytest.raises(ValueError, match=message):
        model.predict(make_word_docs(vocab))


def test_initialising_again_may_change_the_width_of_static_vectors() -> None:
    model = make_embedding(**PARTS["vectors"])
    for width in (5, 6):
        docs = make_word_docs(make_vocab(width))
        model.initialize(X=docs)
        assert model.get_param("W").shape == (EMBED_WIDTH, width)
        assert model.predict(docs)[0].shape == (4, EMBED_WIDTH)


# Storage and copies


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_a_model_that_is_not_initialised_loads(part: dict[str, Any], docs: list[Doc]) -> None:
    """The width of the static vectors is in the bytes, not in the config."""
    model = make_embedding(**part)
    model.initialize(X=docs)
    train_embedding(model, docs)
    assert_same_output(model, make_embedding(**part).from_bytes(model.to_bytes()), docs)


@pytest.mark.parametrize(
    "make_copy",
    [Model.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_is_equal_and_independent(model: Model, docs: list[Doc], make_copy: Callable[[Model], Model]) -> None:
    copied = make_copy(model)
    assert_same_output(model, copied, docs)
    train_embedding(copied, docs)
    assert abs(copied.predict(docs)[0] - model.predict(docs)[0]).max() > 1e-4


def test_a_model_returns_to_its_state_before_initialisation(docs: list[Doc]) -> None:
    """As when a component restores its state after a failed load."""
    fresh = make_embedding(**PARTS["all"])
    before = fresh.to_bytes()
    trained = make_embedding(**PARTS["all"])
    trained.initialize(X=docs)
    fresh.from_bytes(trained.to_bytes())
    fresh.from_bytes(before)
    fresh.from_bytes(trained.to_bytes())
    assert_same_output(fresh, trained, docs)


def test_weights_of_another_config_are_an_error(docs: list[Doc]) -> None:
    model = make_embedding()
    model.initialize(X=docs)
    with pytest.raises(ValueError, match=r"attributes.weight.*\(110, 8\).*\(111, 8\)"):
        make_embedding(rows=[61, 20, 30]).from_bytes(model.to_bytes())


# Training


def test_training_is_deterministic(docs: list[Doc]) -> None:
    stored = []
    for _ in range(2):
        fix_random_seed(3)
        model = make_embedding(**PARTS["all"], word_dropout=0.2, identity_dropout=0.3)
        model.initialize(X=docs)
        set_dropout_rate(model, 0.2)
        train_embedding(model, docs, n_steps=3)
        stored.append(model.shims[0].to_bytes() + model.get_param("W").tobytes())
    assert stored[0] == stored[1]


def test_gradients_add_up_over_batches(model: Model, docs: list[Doc]) -> None:
    _, expected = run(model, docs)
    for _ in range(2):
        outputs, backprop = model(docs, is_train=True)
        rng = numpy.random.RandomState(0)
        backprop([rng.randn(*output.shape).astype("f") for output in outputs])
    for name, gradient in take_gradients(model).items():
        numpy.testing.assert_allclose(gradient, 2 * expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_averages_reach_all_weights_inside_their_context(docs: list[Doc]) -> None:
    model = make_embedding(**PARTS["all"])
    model.initialize(X=docs)
    optimizer = train_embedding(model, docs, n_steps=3, use_averages=True)
    before, projection = model.predict(docs), model.get_param("W").copy()
    with model.use_params(optimizer.averages):
        assert abs(model.get_param("W") - projection).max() > 0
        assert abs(model.predict(docs)[0] - before[0]).max() > 1e-4
    for output, other in zip(model.predict(docs), before, strict=True):
        numpy.testing.assert_array_equal(output, other)


def test_dropout_drops_a_feature_of_all_tokens_of_a_doc(model: Model, docs: list[Doc]) -> None:
    """Other features are doubled, with a rate of 0.5."""
    expected = model.predict(docs)
    set_dropout_rate(model, 0.5)
    masks = []
    for dropped, plain in zip(model(docs, is_train=True)[0], expected, strict=True):
        is_kept = (dropped != 0.0).any(axis=0)
        numpy.testing.assert_allclose(dropped, 2 * plain * is_kept, atol=1e-6)
        masks.append(is_kept)
    assert 0 < numpy.mean(masks) < 1


def test_dropout_does_not_apply_to_predictions(model: Model, docs: list[Doc]) -> None:
    expected = model.predict(docs)
    set_dropout_rate(model, 0.5)
    for output, other in zip(model.predict(docs), expected, strict=True):
        numpy.testing.assert_array_equal(output, other)


# Identity dropout


IDENTITY = {"attrs": ["NORM", "SHAPE"], "rows": [50, 50], "identity_dropout": 2.0}


def embed_in_training(model: Model, docs: list[Doc]) -> numpy.ndarray:
    return numpy.concatenate(model.begin_update(docs)[0])


def test_identity_dropout_applies_to_training_only(docs: list[Doc]) -> None:
    model = make_embedding(**IDENTITY)
    model.initialize(X=docs)
    model.begin_update(docs)  # Now the words are seen.
    predicted = numpy.concatenate(model.predict(docs))
    numpy.testing.assert_array_equal(predicted, numpy.concatenate(model.predict(docs)))
    first, second = (embed_in_training(model, docs) for _ in range(2))
    assert not numpy.allclose(first, predicted, atol=1e-6)
    assert not numpy.allclose(first, second, atol=1e-6)


def test_identity_dropout_changes_identities_only(docs: list[Doc]) -> None:
    """With shapes and characters alone the output does not change."""
    model = make_embedding(attrs=["SHAPE"], rows=[50], char_encoder="cnn", identity_dropout=2.0)
    model.initialize(X=docs)
    numpy.testing.assert_allclose(
        embed_in_training(model, docs), numpy.concatenate(model.predict(docs)), rtol=0, atol=1e-6
    )


UNSEEN_WORDS = ["zebra", "quokka", "Zebra", "Quokka"]
SAVED_WITH_SEEN_WORDS: dict[str, Callable[[Model], Model]] = {
    "trained": lambda model: model,
    "copied": Model.copy,
    "loaded": lambda model: make_unseen_model().from_bytes(model.to_bytes()),
}


def make_unseen_model() -> Model:
    return make_embedding(attrs=["ORTH", "SHAPE"], rows=[50, 50], identity_dropout=0.3)


@pytest.fixture(params=SAVED_WITH_SEEN_WORDS.values(), ids=SAVED_WITH_SEEN_WORDS.keys())
def seen_model(request: pytest.FixtureRequest, docs: list[Doc]) -> Model:
    """A model that has seen the words of `docs` in training, itself, copied, and saved and loaded."""
    model = make_unseen_model()
    model.initialize(X=docs)
    model.begin_update(docs)
    return request.param(model)


@pytest.fixture(scope="module")
def unseen() -> Doc:
    return Doc(spacy.blank("en").vocab, words=UNSEEN_WORDS)  # The vocab of a blank pipeline has shapes.


def test_unseen_words_of_one_shape_are_equal(seen_model: Model, unseen: Doc) -> None:
    zebra, quokka, capital_zebra, capital_quokka = seen_model.predict([unseen])[0]
    numpy.testing.assert_array_equal(zebra, quokka)
    numpy.testing.assert_array_equal(capital_zebra, capital_quokka)
    assert not numpy.array_equal(zebra, capital_zebra)


def test_words_seen_in_training_differ(seen_model: Model, unseen: Doc, docs: list[Doc]) -> None:
    seen = Doc(unseen.vocab, words=sorted({token.text for doc in docs for token in doc}))
    assert len(numpy.unique(seen_model.predict([seen])[0], axis=0)) == len(seen)


def test_training_makes_a_word_a_seen_one(seen_model: Model, unseen: Doc) -> None:
    seen_model.begin_update([unseen[:1].as_doc()])
    zebra, quokka = seen_model.predict([unseen])[0][:2]
    assert not numpy.array_equal(zebra, quokka)


def test_training_a_copy_does_not_make_a_word_seen_in_the_original(seen_model: Model, unseen: Doc) -> None:
    seen_model.copy().begin_update([unseen[:1].as_doc()])
    zebra, quokka = seen_model.predict([unseen])[0][:2]
    numpy.testing.assert_array_equal(zebra, quokka)


def test_after_initialising_again_all_words_are_unseen(seen_model: Model, unseen: Doc, docs: list[Doc]) -> None:
    seen_model.begin_update([unseen])
    seen_model.initialize(X=docs)
    assert len(numpy.unique(seen_model.predict([unseen])[0], axis=0)) == 2


def test_without_identity_dropout_unseen_words_differ(docs: list[Doc]) -> None:
    model = make_embedding(attrs=["ORTH", "SHAPE"], rows=[50, 50])
    model.initialize(X=docs)
    zebra, quokka = model.predict([Doc(docs[0].vocab, words=["zebra", "quokka"])])[0]
    assert not numpy.array_equal(zebra, quokka)
