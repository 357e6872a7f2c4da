"""`spacy-bilstm.WordEmbed.v1` and `spacy-bilstm.Tok2Vec.v1`: docs in, rows out, each type embedded once."""

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from spacy import registry
from spacy.attrs import LOWER, NORM, ORTH, TAG
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vectors import Mode, Vectors
from spacy.vocab import Vocab
from thinc.api import Adam, Config, HashEmbed, Model, fix_random_seed, set_dropout_rate

from spacy_bilstm.bridge import word_types
from spacy_bilstm.bridge.familiarity import mark_as_augmented
from spacy_bilstm.bridge.shim import TorchShim

# Repeatable, as the gradient of a maximum jumps where two numbers are equal but for rounding.
REPEATABLE = settings(deadline=None, derandomize=True)

WIDTH = 8
WORDS = [
    "the",
    "The",
    "cat",
    "cats",
    "sat",
    "Zürich",
    "2024",
    "👩‍👩‍👧",
    "e\u0301",
    "שלום",
    "مرحبا",
    "東京",
    "a" * 50,
    " ",
    "\n",
]
PARTS = {
    "attributes": {},
    "cnn": {"char_encoder": "cnn"},
    "bilstm": {"char_encoder": "bilstm"},
    "vectors": {"include_static_vectors": True},
    "all": {"char_encoder": "cnn", "include_static_vectors": True},
    "characters only": {"attrs": [], "rows": [], "char_encoder": "cnn"},
    "vectors only": {"attrs": [], "rows": [], "include_static_vectors": True},
}
texts = st.lists(st.lists(st.sampled_from(WORDS) | st.text(min_size=1, max_size=40), max_size=8), max_size=5)


def make_model(**arguments: Any) -> Model:
    build = registry.get("architectures", "spacy-bilstm.WordEmbed.v1")
    sizes = {"char_rows": 40, "char_width": 6, "char_embed_width": 4}
    defaults = {"width": WIDTH, "attrs": ["NORM", "PREFIX", "SHAPE"], "rows": [60, 20, 30]}
    return build(**{**defaults, **sizes, **arguments})


def make_vocab(width: int = 5) -> Vocab:
    vocab = Vocab()
    rng = numpy.random.RandomState(0)
    vocab.vectors = Vectors(
        strings=vocab.strings, data=rng.randn(4, width).astype("f"), keys=["the", "cat", "sat", "Zürich"]
    )
    return vocab


def make_docs(vocab: Vocab, documents: list[list[str]]) -> list[Doc]:
    return [Doc(vocab, words=words) for words in documents]


DOCUMENTS = [["the", "cat", "sat", "the"], [], ["The", "dog", "sat"], ["Zürich"], WORDS]


@pytest.fixture
def docs() -> list[Doc]:
    return make_docs(make_vocab(), DOCUMENTS)


@pytest.fixture(params=PARTS.values(), ids=PARTS.keys())
def model(request: pytest.FixtureRequest, docs: list[Doc]) -> Model:
    fix_random_seed(0)
    model = make_model(**request.param)
    model.initialize(X=docs)
    return model


def get_gradients(model: Model) -> dict[str, numpy.ndarray]:
    """Take the gradients of all weights out of a model, for its next use."""
    module = model.shims[0].module
    gradients = {
        name: parameter.grad.numpy() for name, parameter in module.named_parameters() if parameter.grad is not None
    }
    for parameter in module.parameters():
        parameter.grad = None
    if model.has_grad("W"):
        gradients["W"] = model.get_grad("W").copy()
        model.set_grad("W", numpy.zeros_like(gradients["W"]))
    return gradients


def run(model: Model, docs: list[Doc]) -> tuple[list[numpy.ndarray], dict[str, numpy.ndarray]]:
    fix_random_seed(7)
    outputs, backprop = model(docs, is_train=True)
    rng = numpy.random.RandomState(0)
    assert backprop([rng.randn(*output.shape).astype("f") for output in outputs]) == []
    return outputs, get_gradients(model)


def each_token_a_type(features: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    return numpy.arange(len(features)), numpy.arange(len(features))


@settings(REPEATABLE, max_examples=25)
@given(st.sampled_from(list(PARTS.values())), texts)
@pytest.mark.parametrize("precision", ["single", "double"])
def test_types_equal_tokens(precision: str, part: dict[str, Any], documents: list[list[str]]) -> None:
    """Output and gradients are those of the plain computation for every token, with both dropouts."""
    vocab = make_vocab()
    fix_random_seed(0)
    model = make_model(**part, word_dropout=0.2)
    model.initialize(X=make_docs(vocab, DOCUMENTS))
    set_dropout_rate(model, 0.3)
    if precision == "double":
        model.shims[0].module.double()
    docs = make_docs(vocab, documents)
    outputs, gradients = run(model, docs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_types, "find_types", each_token_a_type)
        expected_outputs, expected_gradients = run(model, docs)
    # The projection and its gradient are thinc's, always in single precision.
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
    model = make_model(**part)
    model.initialize(X=make_docs(vocab, DOCUMENTS))
    docs = make_docs(vocab, documents)
    together = dict(zip(docs, model.predict(docs), strict=True))
    random.shuffle(docs)
    for doc, shuffled in zip(docs, model.predict(docs), strict=True):
        numpy.testing.assert_allclose(shuffled, together[doc], atol=1e-5)
        numpy.testing.assert_allclose(model.predict([doc])[0], together[doc], atol=1e-5)


@settings(REPEATABLE)
@given(
    arrays.arrays(
        "uint64",
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.integers(0, 3) | st.integers(0, 2**64 - 1),
    ),
    st.booleans(),
)
def test_find_types(features: numpy.ndarray, collide: bool) -> None:
    """Types are the distinct rows, also where the hash of rows knows only their last column."""
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            patch.setattr(word_types, "_KEY_MULTIPLIER", numpy.uint64(0))
        representatives, token_types = word_types.find_types(features)
    assert len(representatives) == len({tuple(row) for row in features.tolist()})
    numpy.testing.assert_array_equal(features[representatives][token_types], features)


def test_a_type_is_what_the_attributes_tell_apart() -> None:
    vocab = Vocab()
    doc = Doc(vocab, words=["run", "run", "run", "run"], tags=["VB", "NN", "NN", "NN"])
    doc[2].norm_ = "walk"
    for attrs, groups in (["ORTH"], 1), (["TAG"], 2), (["NORM"], 2), (["TAG", "NORM"], 3):
        model = make_model(attrs=attrs, rows=[50] * len(attrs))
        model.initialize(X=[doc])
        features = word_types.extract_types(model, [doc])
        assert len(features["hashed_attrs"]) == groups
        assert len(numpy.unique(model.predict([doc])[0].round(4), axis=0)) == groups


def test_attributes_are_hashed_as_in_multi_hash_embed() -> None:
    keys = numpy.random.RandomState(0).randint(0, 2**63, (20, 2)).astype("uint64")
    hashed = word_types.hash_attributes(list(keys.T), [50, 30])
    for i, n_rows in enumerate([50, 30]):
        # The seeds start at 8 in spaCy, too.
        layer = HashEmbed(4, n_rows, seed=8 + i)
        layer.initialize()
        numpy.testing.assert_allclose(
            layer.predict(keys[:, i]), layer.get_param("E")[hashed[:, i]].sum(1), rtol=1e-5, atol=1e-6
        )


@settings(REPEATABLE)
@given(st.lists(st.text(max_size=20), min_size=1), st.integers(1, 12))
def test_read_characters(words: list[str], max_chars: int) -> None:
    hashed, chars, lengths = word_types.read_characters(words, max_chars, 30)
    assert lengths == [min(len(word), max_chars) for word in words]
    assert hashed.shape[1] == 4
    assert hashed.size == 0 or 0 <= hashed.min() <= hashed.max() < 30
    shortened = []
    for word in words:
        end = max_chars // 2
        shortened.append(word if len(word) <= max_chars else word[: max_chars - end] + word[len(word) - end :])
    by_character: dict[str, int] = {}
    assert len(chars) == sum(lengths)
    for character, number in zip("".join(shortened), chars.tolist(), strict=True):
        assert by_character.setdefault(character, number) == number
    assert len(by_character) == len(hashed)


def test_only_the_start_and_the_end_of_long_words_are_read() -> None:
    model = make_model(attrs=[], rows=[], char_encoder="cnn", max_chars=5)
    doc = Doc(Vocab(), words=["abcde", "abcXXXXde", "abc" + "Y" * 10_000 + "de", "abcdE"])
    model.initialize(X=[doc])
    (rows,) = model.predict([doc])
    numpy.testing.assert_allclose(rows[1:3], rows[[0, 0]], atol=1e-6)
    assert abs(rows[3] - rows[0]).max() > 1e-3


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_any_unicode(part: dict[str, Any]) -> None:
    vocab = make_vocab()
    words = [*WORDS, "x" * 10_000, "\U0010ffff", "\x00", "a\u0308\u0323", "\u202eabc\u202c", "🏳️‍🌈" * 40]
    model = make_model(**part)
    docs = make_docs(vocab, [words, [], ["x"]])
    model.initialize(X=docs)
    rows = model.predict(docs)
    assert [array.shape for array in rows] == [(len(words), WIDTH), (0, WIDTH), (1, WIDTH)]
    assert numpy.isfinite(rows[0]).all()


@pytest.mark.parametrize("documents", [[], [[]], [[], []]])
def test_nothing_to_embed(model: Model, docs: list[Doc], documents: list[list[str]]) -> None:
    empty = make_docs(docs[0].vocab, documents)
    assert [array.shape for array in model.predict(empty)] == [(0, WIDTH)] * len(documents)
    outputs, backprop = model(empty, is_train=True)
    assert backprop(outputs) == []
    assert not get_gradients(model)


def test_docs_of_several_vocabs() -> None:
    model = make_model(char_encoder="cnn")
    docs = [Doc(Vocab(), words=words) for words in (["one", "word"], ["another", "word"])]
    model.initialize(X=docs)
    together = model.predict(docs)
    for doc, rows in zip(docs, together, strict=True):
        numpy.testing.assert_allclose(model.predict([doc])[0], rows, atol=1e-6)


def test_spans() -> None:
    model = make_model(char_encoder="cnn")
    doc = Doc(Vocab(), words=["one", "two", "three", "four"])
    model.initialize(X=[doc])
    numpy.testing.assert_allclose(model.predict([doc[1:3]])[0], model.predict([doc])[0][1:3], atol=1e-6)


def test_memory_zone() -> None:
    nlp = spacy.blank("en")
    model = make_model(char_encoder="cnn")
    model.initialize(X=[nlp("some words")])
    with nlp.memory_zone():
        expected = model.predict([nlp("unseenword")])[0]
    with nlp.memory_zone():
        model.predict([nlp("otherword")])
        numpy.testing.assert_array_equal(model.predict([nlp("unseenword")])[0], expected)


# Static vectors


def make_floret_vocab() -> Vocab:
    vocab = Vocab()
    data = numpy.random.RandomState(0).randn(50, 5).astype("f")
    vocab.vectors = Vectors(strings=vocab.strings, data=data, mode=Mode.floret, minn=2, maxn=3, hash_count=2)
    return vocab


@pytest.mark.parametrize("vocab", [make_vocab(), make_floret_vocab()], ids=["default", "floret"])
def test_vectors_are_looked_up(vocab: Vocab) -> None:
    keys = numpy.array([vocab.strings.add(word) for word in ("the", "unheard", "cat", "")], dtype="uint64")
    rows, has_vector = word_types.look_up_vectors(vocab.vectors, keys, torch.device("cpu"), torch.float)
    for key, row, known in zip(keys.tolist(), rows.numpy(), has_vector.tolist(), strict=True):
        is_subword = vocab.vectors.mode == Mode.floret
        assert known == (key != 0 if is_subword else key in vocab.vectors)
        if known:
            numpy.testing.assert_allclose(row, vocab.vectors[key], atol=1e-6)


def test_floret_vectors() -> None:
    docs = make_docs(make_floret_vocab(), DOCUMENTS)
    model = make_model(**PARTS["vectors only"])
    model.initialize(X=docs)
    rows = model.predict(docs)
    assert abs(rows[0][0] - rows[0][1]).max() > 1e-3
    numpy.testing.assert_array_equal(rows[0][0], rows[0][3])


def test_vectors_by_another_attribute() -> None:
    vocab = make_vocab()
    vocab.vectors = Vectors(
        strings=vocab.strings, data=vocab.vectors.data, keys=["the", "cat", "sat", "x"], attr="LOWER"
    )
    vocab.lex_attr_getters[LOWER] = str.lower
    doc = Doc(vocab, words=["the", "THE", "unheard"])
    model = make_model(**PARTS["vectors only"])
    model.initialize(X=[doc])
    (rows,) = model.predict([doc])
    numpy.testing.assert_array_equal(rows[0], rows[1])
    assert abs(rows[0] - rows[2]).max() > 1e-3


def test_unknown_words_share_a_learned_vector(docs: list[Doc]) -> None:
    model = make_model(**PARTS["vectors only"])
    model.initialize(X=docs)
    doc = Doc(docs[0].vocab, words=["the", "unheard", "unseen", "cat"])
    outputs, backprop = model([doc], is_train=True)
    numpy.testing.assert_array_equal(outputs[0][1], outputs[0][2])
    d_output = numpy.zeros_like(outputs[0])
    d_output[1] = numpy.arange(WIDTH) ** 2
    backprop([d_output])
    gradients = get_gradients(model)
    assert gradients["unknown_vector"].any()
    assert not gradients["W"].any()


def test_vectors_are_neither_trained_nor_stored(docs: list[Doc]) -> None:
    vocab = spacy.blank("en").vocab
    vocab.vectors = Vectors(strings=vocab.strings, data=numpy.ones((100_000, 5), dtype="f"), keys=["the", "cat"])
    model = make_model(**PARTS["all"])
    model.initialize(X=docs)
    before, projection = vocab.vectors.data.copy(), model.get_param("W").copy()
    train_step(model, docs)
    numpy.testing.assert_array_equal(vocab.vectors.data, before)
    assert abs(model.get_param("W") - projection).max() > 0
    assert len(model.to_bytes()) < 50_000


def test_missing_vectors_are_an_error_that_names_the_fix() -> None:
    docs = make_docs(Vocab(), DOCUMENTS)
    model = make_model(**PARTS["vectors"])
    with pytest.raises(ValueError, match=r"vocab has none.*include_static_vectors to false"):
        model.initialize(X=docs)
    with pytest.raises(ValueError, match="without a sample"):
        model.initialize()
    model.initialize(X=make_docs(make_vocab(), DOCUMENTS))
    with pytest.raises(ValueError, match="vocab has none"):
        model.predict(docs)
    with pytest.raises(ValueError, match=r"width 5.*have the width 6"):
        model.predict(make_docs(make_vocab(6), DOCUMENTS))


def test_initialised_again_with_other_vectors() -> None:
    model = make_model(**PARTS["vectors"])
    for width in (5, 6):
        docs = make_docs(make_vocab(width), DOCUMENTS)
        model.initialize(X=docs)
        assert model.get_param("W").shape == (WIDTH, width)
        assert model.predict(docs)[0].shape == (4, WIDTH)


# Storage, copies, training


def assert_same_output(model: Model, other: Model, docs: list[Doc]) -> None:
    for ours, theirs in zip(model.predict(docs), other.predict(docs), strict=True):
        numpy.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_a_fresh_model_loads_the_bytes(part: dict[str, Any], docs: list[Doc]) -> None:
    """The width of the vectors is not in the config, yet a model that was never initialised finds it."""
    model = make_model(**part)
    model.initialize(X=docs)
    train_step(model, docs)
    assert_same_output(model, make_model(**part).from_bytes(model.to_bytes()), docs)


def test_copies(model: Model, docs: list[Doc]) -> None:
    for copied in (model.copy(), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_same_output(model, copied, docs)
        train_step(copied, docs)
        assert abs(copied.predict(docs)[0] - model.predict(docs)[0]).max() > 1e-4


def test_a_model_that_is_not_initialised_is_stored_and_restored(docs: list[Doc]) -> None:
    """As by a component that undoes a failed load."""
    fresh = make_model(**PARTS["all"])
    before = fresh.to_bytes()
    trained = make_model(**PARTS["all"])
    trained.initialize(X=docs)
    fresh.from_bytes(trained.to_bytes())
    fresh.from_bytes(before)
    fresh.from_bytes(trained.to_bytes())
    assert_same_output(fresh, trained, docs)


def test_weights_of_another_config_are_refused(docs: list[Doc]) -> None:
    model = make_model()
    model.initialize(X=docs)
    with pytest.raises(ValueError, match=r"attributes.weight.*\(110, 8\).*\(111, 8\)"):
        make_model(rows=[61, 20, 30]).from_bytes(model.to_bytes())


def train_step(model: Model, docs: list[Doc], n_steps: int = 1) -> None:
    optimizer = Adam(0.01)
    for _ in range(n_steps):
        outputs, backprop = model(docs, is_train=True)
        backprop([output - 1.0 for output in outputs])
        model.finish_update(optimizer)


def test_identity_dropout_makes_words_unknown_in_training_only(docs: list[Doc]) -> None:
    """Nothing but the identity changes: with shapes and characters alone the output stays."""
    parts = {"attrs": ["NORM", "SHAPE"], "rows": [50, 50]}, {"attrs": ["SHAPE"], "rows": [50], "char_encoder": "cnn"}
    for part, changes in zip(parts, (True, False), strict=True):
        model = make_model(**part, identity_dropout=2.0)
        model.initialize(X=docs)
        model.begin_update(docs)  # From here on the words are known.
        predicted = numpy.concatenate(model.predict(docs))
        assert numpy.array_equal(predicted, numpy.concatenate(model.predict(docs)))
        trained, again = (numpy.concatenate(model.begin_update(docs)[0]) for _ in range(2))
        assert numpy.allclose(trained, predicted, atol=1e-6) != changes
        assert numpy.allclose(trained, again, atol=1e-6) != changes


def test_rare_words_are_dropped_more_often_than_frequent_ones() -> None:
    vocab = spacy.blank("en").vocab
    texts = [["the", f"word{i}", "of"] for i in range(40)]
    model = make_model(attrs=["NORM"], rows=[500], identity_dropout=1.0)
    model.initialize(X=[Doc(vocab, words=["the"])])
    docs = [Doc(vocab, words=words) for words in texts]
    model.begin_update(docs)
    fix_random_seed(0)
    unseen = word_types.hash_attributes([numpy.array([1], dtype="uint64")], [500])[0, 0]
    dropped = numpy.zeros(3)
    for _ in range(20):
        types = word_types.extract_types(model, docs, is_train=True)
        rows = types["hashed_attrs"][types["token_types"]].reshape(40, 3, -1)
        dropped += (rows.numpy() == unseen).all(-1).sum(0)
    the, word, of = dropped / (20 * 40)
    assert 0.4 < word < 0.6  # Met between one pair of neighbours.
    assert the < 0.1
    assert of < 0.1


def test_names_in_other_places_do_not_become_familiar() -> None:
    """Each epoch puts them between other neighbours, but the corpus has them once."""
    vocab = spacy.blank("en").vocab
    model = make_model(attrs=["NORM"], rows=[500], identity_dropout=1.0)
    model.initialize(X=[Doc(vocab, words=["the"])])
    names = [Doc(vocab, words=["of", f"name{i}", "in"]) for i in range(10)]
    model.begin_update(names)
    swapped = [Doc(vocab, words=[f"left{i}", f"name{i % 10}", f"right{i}"]) for i in range(500)]
    for doc in swapped:
        mark_as_augmented(doc)
    for start in range(0, 500, 50):
        model.begin_update(swapped[start : start + 50])
    familiarity = model.attrs["familiarity"]
    hashes = {word: numpy.array([vocab.strings[word]], dtype="uint64") for word in ("name3", "in", "left3")}
    assert {word: int(familiarity.count(key)[0]) for word, key in hashes.items()} == {"name3": 1, "in": 10, "left3": 0}
    # What was met in augmented text alone is as rare as can be, but not always dropped.
    unseen = word_types.hash_attributes([numpy.array([1], dtype="uint64")], [500])[0, 0]
    types = [word_types.extract_types(model, swapped, is_train=True) for _ in range(2)]
    dropped = [(each["hashed_attrs"][each["token_types"]].numpy() == unseen).all(-1).mean() for each in types]
    assert all(0.4 < share < 0.6 for share in dropped)


def test_unseen_words_keep_their_characters(docs: list[Doc]) -> None:
    model = make_model(attrs=["ORTH"], rows=[50], char_encoder="cnn", identity_dropout=2.0)
    model.initialize(X=docs)
    model.begin_update(docs)
    seen, dropped = word_types.extract_types(model, docs), word_types.extract_types(model, docs, is_train=True)
    n_chars = sum(len(token.text[:32]) for doc in docs for token in doc)
    for types in (seen, dropped):
        assert sum(types["char_lengths"][number] for number in types["token_types"].tolist()) == n_chars
    assert len(dropped["char_lengths"]) > len(seen["char_lengths"])


def test_words_that_training_has_not_met_share_one_identity(docs: list[Doc]) -> None:
    model = make_model(attrs=["ORTH", "SHAPE"], rows=[50, 50], identity_dropout=0.3)
    model.initialize(X=docs)
    model.begin_update(docs)
    vocab = spacy.blank("en").vocab  # It knows shapes.
    known = Doc(vocab, words=sorted({token.text for doc in docs for token in doc}))
    unknown = Doc(vocab, words=["zebra", "quokka", "Zebra", "Quokka"])
    copies = [model.copy(), make_model(attrs=["ORTH", "SHAPE"], rows=[50, 50], identity_dropout=0.3)]
    copies[1].from_bytes(model.to_bytes())
    for same in (model, *copies):
        zebra, quokka, capital_zebra, capital_quokka = same.predict([unknown])[0]
        assert numpy.array_equal(zebra, quokka)
        assert numpy.array_equal(capital_zebra, capital_quokka)
        assert not numpy.array_equal(zebra, capital_zebra)
        assert len(numpy.unique(same.predict([known])[0], axis=0)) == len(known)
        # A word becomes known as it is met, by a model that was loaded, too, and by none of its copies.
        same.begin_update([unknown[:1].as_doc()])
        zebra, quokka = same.predict([unknown])[0][:2]
        assert not numpy.array_equal(zebra, quokka)
    model.initialize(X=docs)
    assert len(numpy.unique(model.predict([unknown])[0], axis=0)) == 2


def test_without_identity_dropout_every_word_has_an_identity(docs: list[Doc]) -> None:
    model = make_model(attrs=["ORTH", "SHAPE"], rows=[50, 50])
    model.initialize(X=docs)
    zebra, quokka = model.predict([Doc(docs[0].vocab, words=["zebra", "quokka"])])[0]
    assert not numpy.array_equal(zebra, quokka)


def test_training_is_deterministic(docs: list[Doc]) -> None:
    stored = []
    for _ in range(2):
        fix_random_seed(3)
        model = make_model(**PARTS["all"], word_dropout=0.2, identity_dropout=0.3)
        model.initialize(X=docs)
        set_dropout_rate(model, 0.2)
        train_step(model, docs, n_steps=3)
        stored.append(model.shims[0].to_bytes() + model.get_param("W").tobytes())
    assert stored[0] == stored[1]


def test_gradients_accumulate(model: Model, docs: list[Doc]) -> None:
    _, expected = run(model, docs)
    for _ in range(2):
        outputs, backprop = model(docs, is_train=True)
        rng = numpy.random.RandomState(0)
        backprop([rng.randn(*output.shape).astype("f") for output in outputs])
    run_twice = get_gradients(model)
    for name, gradient in run_twice.items():
        numpy.testing.assert_allclose(gradient, 2 * expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_averages_reach_all_weights(docs: list[Doc]) -> None:
    model = make_model(**PARTS["all"])
    model.initialize(X=docs)
    optimizer = Adam(0.05, use_averages=True)
    for _ in range(3):
        outputs, backprop = model(docs, is_train=True)
        backprop([output - 1.0 for output in outputs])
        model.finish_update(optimizer)
    before = model.predict(docs)
    projection = model.get_param("W").copy()
    with model.use_params(optimizer.averages):
        assert abs(model.get_param("W") - projection).max() > 0
        assert abs(model.predict(docs)[0] - before[0]).max() > 1e-4
    for now, then in zip(model.predict(docs), before, strict=True):
        numpy.testing.assert_array_equal(now, then)


def test_dropout_is_that_of_training(model: Model, docs: list[Doc]) -> None:
    """A feature is dropped from all rows of a doc, or kept and doubled."""
    expected = model.predict(docs)
    set_dropout_rate(model, 0.5)
    dropped = model(docs, is_train=True)[0]
    masks = []
    for ours, plain in zip(dropped, expected, strict=True):
        is_kept = (ours != 0.0).any(axis=0)
        numpy.testing.assert_allclose(ours, 2 * plain * is_kept, atol=1e-6)
        masks.append(is_kept)
    assert 0 < numpy.mean(masks) < 1
    for ours, plain in zip(model.predict(docs), expected, strict=True):
        numpy.testing.assert_array_equal(ours, plain)


# The configs and the errors


def test_defaults_from_a_config() -> None:
    config = Config().from_str(
        """
        [model]
        @architectures = "spacy-bilstm.WordEmbed.v1"
        width = 8
        attrs = ["NORM", "lower", 65, "TAG"]
        rows = [50, 50, 50, 50]
        """
    )
    model = registry.resolve(config)["model"]
    assert model.attrs["attrs"] == [NORM, LOWER, ORTH, TAG]
    assert model.get_dim("nO") == WIDTH
    assert isinstance(model.shims[0], TorchShim)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": [5]}, r"3 attrs \(\['NORM', 'PREFIX', 'SHAPE'\]\) and 1 rows \(\[5\]\)"),
        ({"attrs": ["NROM"], "rows": [5]}, "Unknown attribute 'NROM'.*Use some of: .*NORM"),
        ({"attrs": [9999], "rows": [5]}, "Unknown attribute '9999'"),
        ({"attrs": [""], "rows": [5]}, "Unknown attribute ''"),
        ({"attrs": [], "rows": []}, "nothing to embed"),
        ({"char_encoder": "rnn"}, "Unknown char_encoder 'rnn'"),
        ({"max_chars": 0}, "max_chars >= 1"),
        ({"word_dropout": 1.5}, "word_dropout is a rate"),
        ({"identity_dropout": -0.1}, "identity_dropout is a strength and must be at least 0, but it is -0.1"),
        ({"width": 0}, "width >= 1"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(**arguments)


def make_tok2vec(embed: Model, width: int = 2 * WIDTH, **arguments: Any) -> Model:
    encode = registry.get("architectures", "spacy-bilstm.RecurrentEncoder.v1")(width, nI=WIDTH, **arguments)
    return registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")(embed, encode)


def test_tok2vec_joins_embedding_and_encoder(docs: list[Doc]) -> None:
    embed = make_model()
    tok2vec = make_tok2vec(embed)
    assert tok2vec.get_dim("nO") == 2 * WIDTH
    assert tok2vec.get_ref("embed") is embed
    assert tok2vec.get_ref("encode").name == "recurrent_encoder"
    tok2vec.initialize(X=docs)
    outputs = tok2vec.predict(docs)
    assert [output.shape for output in outputs] == [(len(doc), 2 * WIDTH) for doc in docs]
    for output, expected in zip(outputs, tok2vec.get_ref("encode").predict(embed.predict(docs)), strict=True):
        numpy.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)


def test_tok2vec_with_parts_of_spacy(docs: list[Doc]) -> None:
    tok2vec = registry.get("architectures", "spacy-bilstm.Tok2Vec.v1")
    multi_hash = registry.get("architectures", "spacy.MultiHashEmbed.v2")(WIDTH, ["NORM"], [50], False)
    window = registry.get("architectures", "spacy.MaxoutWindowEncoder.v2")(WIDTH, 1, 2, 2)
    ours = registry.get("architectures", "spacy-bilstm.BiLSTMEncoder.v1")(WIDTH)
    for model in (tok2vec(multi_hash, ours), tok2vec(make_model(), window)):
        model.initialize(X=docs)
        assert model.get_dim("nO") == WIDTH
        assert model.predict(docs)[0].shape == (4, WIDTH)


def test_tok2vec_refuses_other_widths() -> None:
    with pytest.raises(ValueError, match=r"width 9.*width 8.*nI = 9"):
        make_tok2vec(make_model(width=9))


# A tagger

ENDINGS = {"ing": "VERB", "ness": "NOUN", "ly": "ADV"}


def make_examples(vocab: Vocab, stems: str) -> list[Example]:
    """Words whose tag is told by their ending."""
    examples = []
    for i, stem in enumerate(stems):
        words = [stem * (1 + (i + j) % 4) + ending for j, ending in enumerate(ENDINGS)]
        words = words[i % 3 :] + words[: i % 3]
        tags = [tag for word in words for ending, tag in ENDINGS.items() if word.endswith(ending)]
        examples.append(Example(Doc(vocab, words=words), Doc(vocab, words=words, tags=tags)))
    return examples


def make_tagger(part: dict[str, Any]) -> Language:
    nlp = spacy.blank("en")
    if part.get("include_static_vectors"):
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, shape=(2, 5))
        nlp.vocab.set_vector("bing", numpy.ones(5, dtype="f"))
    embed = {"@architectures": "spacy-bilstm.WordEmbed.v1", "width": 32, "attrs": ["NORM"], "rows": [50], **part}
    encode = {"@architectures": "spacy-bilstm.BiLSTMEncoder.v1", "width": 32}
    tok2vec = {"@architectures": "spacy-bilstm.Tok2Vec.v1", "embed": embed, "encode": encode}
    nlp.add_pipe("bilstm_tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    return nlp


@pytest.fixture(scope="module", params=["cnn", "bilstm"])
def trained(request: pytest.FixtureRequest) -> Iterator[tuple[Language, dict[str, Any]]]:
    fix_random_seed(0)
    part = {"char_encoder": request.param, "include_static_vectors": True, "word_dropout": 0.05}
    nlp = make_tagger(part)
    examples = make_examples(nlp.vocab, "bcdfghjklmnp")
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(examples, sgd=optimizer, drop=0.1)
    return nlp, part


def test_a_tagger_learns_from_characters(trained: tuple[Language, dict[str, Any]]) -> None:
    """Words of the test have other stems, so that only their characters tell."""
    nlp, _ = trained
    assert nlp.evaluate(make_examples(nlp.vocab, "qrstvwxz"))["tag_acc"] > 0.9


def test_a_pipeline_is_stored(trained: tuple[Language, dict[str, Any]], tmp_path: Any) -> None:
    nlp, part = trained
    nlp.to_disk(tmp_path)
    texts = ["bing qqness", "zly"]
    expected = [[token.tag_ for token in doc] for doc in nlp.pipe(texts)]
    loaded = [spacy.load(tmp_path), make_tagger(part).from_bytes(nlp.to_bytes())]
    for other in loaded:
        assert [[token.tag_ for token in doc] for doc in other.pipe(texts)] == expected
