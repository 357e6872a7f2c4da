"""`spacy-bilstm.TextCat.v1` as a thinc model: scores, poolings, empty docs, new classes."""

import random
from functools import cache

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Adam, Model, fix_random_seed
from toy_corpus import make_docs
from toy_pipelines import BILSTM, WIDTH, get_weights, make_tok2vec

TextCat = Model[list[Doc], numpy.ndarray]
POOLINGS = ["max", "mean", "attention", "last"]
VOCAB = spacy.blank("en").vocab  # A bare vocab has no norms, affixes or shapes.
DOCS = [*make_docs(VOCAB, 5), Doc(VOCAB), Doc(VOCAB, words=["Oslo"])]
TRUTHS = numpy.eye(3, dtype="f")[[0, 1, 2, 0, 1, 2, 0]]


def make_model(
    pooling: str = "max", exclusive_classes: bool = True, n_classes: int | None = None, initialize: bool = True
) -> TextCat:
    """Return a model. If it is initialised, one update follows, so that its output layer is not zero."""
    fix_random_seed(0)
    config = {
        "@architectures": "spacy-bilstm.TextCat.v1",
        "tok2vec": make_tok2vec(BILSTM),
        "exclusive_classes": exclusive_classes,
        "pooling": pooling,
        "nO": n_classes,
    }
    model: TextCat = registry.resolve({"model": config})["model"]
    if initialize:
        model.initialize(X=DOCS, Y=TRUTHS)
        update(model, Adam(0.02), DOCS, TRUTHS)
    return model


def update(model: TextCat, optimizer: Adam, docs: list[Doc], truths: numpy.ndarray) -> float:
    """Train a model as spaCy's text classifiers do. RETURNS: the loss."""
    scores, backprop = model.begin_update(docs)
    backprop(scores - truths)
    model.finish_update(optimizer)
    return float(((scores - truths) ** 2).mean())


# Scores


@pytest.mark.parametrize("n_classes", [None, 3])
@pytest.mark.parametrize("exclusive_classes", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_class_has_a_score_between_0_and_1(pooling: str, exclusive_classes: bool, n_classes: int | None) -> None:
    scores = make_model(pooling, exclusive_classes, n_classes).predict(DOCS)
    assert scores.shape == (len(DOCS), 3)
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_scores_of_exclusive_classes_sum_to_1(pooling: str) -> None:
    assert_allclose(make_model(pooling).predict(DOCS).sum(axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_references_and_widths_are_those_that_spacy_reads(pooling: str) -> None:
    model = make_model(pooling)
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == 3
    assert model.get_ref("output_layer").get_dim("nI") == (2 if pooling == "last" else 1) * WIDTH
    assert model.get_ref("tok2vec").get_dim("nO") == WIDTH


@cache
def make_scored_model(pooling: str) -> tuple[TextCat, numpy.ndarray]:
    """Return a model, and the scores of each doc in a batch of its own."""
    model = make_model(pooling)
    return model, numpy.concatenate([model.predict([doc]) for doc in DOCS])


@settings(max_examples=20, deadline=None)
@given(pooling=st.sampled_from(POOLINGS), chosen=st.lists(st.integers(0, len(DOCS) - 1), min_size=1, max_size=8))
def test_scores_do_not_depend_on_the_batch(pooling: str, chosen: list[int]) -> None:
    """This includes those of an empty doc."""
    model, expected = make_scored_model(pooling)
    assert_allclose(model.predict([DOCS[i] for i in chosen]), expected[chosen], atol=1e-5)


# Pooling


def test_an_unknown_pooling_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"Unknown pooling 'sum'.*max, mean, attention, last"):
        make_model("sum")


@pytest.mark.parametrize(("n_classes", "message"), [(0, "nO >= 1"), (-2, "nO >= 1"), (10**9 + 1, "nO = 1000000001")])
def test_a_number_of_classes_outside_its_range_is_refused_before_it_takes_memory(n_classes: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(n_classes=n_classes, initialize=False)


@pytest.mark.parametrize(
    ("pooling", "width"), [("max", WIDTH), ("mean", WIDTH), ("attention", WIDTH), ("last", 2 * WIDTH)]
)
def test_the_width_of_the_output_layer_is_known_before_initialisation(pooling: str, width: int) -> None:
    assert make_model(pooling, initialize=False).get_ref("output_layer").get_dim("nI") == width


@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_empty_doc_is_pooled_to_zeros(pooling: str) -> None:
    assert not make_model(pooling).layers[0].predict([DOCS[0], Doc(VOCAB)])[1].any()


def pool(pooling: str) -> list[tuple[numpy.ndarray, numpy.ndarray]]:
    """Return the token vectors and the pooled vector of each doc that is not empty."""
    model = make_model(pooling)
    docs = [doc for doc in DOCS if len(doc)]
    return list(zip(model.get_ref("tok2vec").predict(docs), model.layers[0].predict(docs), strict=True))


def test_max_pooling_is_the_maximum_of_each_feature() -> None:
    for vectors, pooled in pool("max"):
        assert_array_equal(pooled, vectors.max(axis=0))


def test_mean_pooling_is_the_mean() -> None:
    for vectors, pooled in pool("mean"):
        assert_allclose(pooled, vectors.mean(axis=0), atol=1e-6)


def test_last_pooling_concatenates_the_last_and_the_first_vector() -> None:
    for vectors, pooled in pool("last"):
        assert_array_equal(pooled, numpy.concatenate([vectors[-1], vectors[0]]))


def test_attention_is_a_weighted_mean() -> None:
    for vectors, pooled in pool("attention"):
        assert (pooled <= vectors.max(axis=0) + 1e-6).all()
        assert (pooled >= vectors.min(axis=0) - 1e-6).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_initialisation_infers_the_width_of_the_tok2vec(pooling: str) -> None:
    """Some tok2vecs, such as those of transformers, know their width only then."""
    tok2vec = registry.resolve({"model": make_tok2vec(BILSTM)})["model"]
    lazy: Model = Model(
        "lazy",
        lambda model, X, is_train: tok2vec(X, is_train),
        init=lambda model, X=None, Y=None: tok2vec.initialize(X),
    )
    model = registry.get("architectures", "spacy-bilstm.TextCat.v1")(lazy, True, pooling)
    model.initialize(X=DOCS, Y=TRUTHS)
    assert model.predict(DOCS).shape == (len(DOCS), 3)


# Training


@pytest.mark.parametrize("exclusive_classes", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_docs_are_learned_beside_empty_ones(pooling: str, exclusive_classes: bool) -> None:
    model, optimizer = make_model(pooling, exclusive_classes), Adam(0.02)
    before = get_weights(model)
    losses = [update(model, optimizer, DOCS, TRUTHS) for _ in range(20)]
    after = get_weights(model)
    assert losses[-1] < losses[0]
    assert all(numpy.isfinite(weights).all() for weights in after.values())
    assert all((before[name] != after[name]).any() for name in before)


def make_opinions(n: int, seed: int) -> tuple[list[Doc], numpy.ndarray]:
    """Return docs like "it was not bad but good ." and "... not good but bad .", which contain the same words."""
    rng = random.Random(seed)
    truths = numpy.array([rng.random() < 0.5 for _ in range(n)])
    docs = []
    for is_good in truths:
        filler = rng.choices(["well", "it", "was", "really", "so"], k=rng.randint(0, 5))
        opinion = "not bad but good ." if is_good else "not good but bad ."
        docs.append(Doc(VOCAB, words=[*filler, *opinion.split()]))
    return docs, numpy.eye(2, dtype="f")[truths.astype(int)]


def get_accuracy(model: TextCat, epochs: int = 8) -> float:
    """Train a model on opinions. RETURNS: its accuracy on other opinions."""
    docs, truths = make_opinions(64, seed=0)
    model.initialize(X=docs, Y=truths)
    optimizer = Adam(0.01)
    for _ in range(epochs):
        for start in range(0, len(docs), 16):
            update(model, optimizer, docs[start : start + 16], truths[start : start + 16])
    docs, truths = make_opinions(64, seed=1)
    return float((model.predict(docs).argmax(axis=1) == truths.argmax(axis=1)).mean())


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_words_is_learned(pooling: str) -> None:
    assert get_accuracy(make_model(pooling, initialize=False)) > 0.95


def test_a_bag_of_words_can_not_learn_their_order() -> None:
    bag = registry.get("architectures", "spacy.TextCatBOW.v3")(
        exclusive_classes=True, ngram_size=1, no_output_layer=False
    )
    assert get_accuracy(bag) < 0.75


# New classes


def test_new_classes_leave_the_proportions_of_exclusive_scores() -> None:
    model = make_model()
    before = model.predict(DOCS)
    assert model.attrs["resize_output"](model, 4) is model
    after = model.predict(DOCS)
    assert_allclose(after[:, :3] / after[:, :3].sum(axis=1, keepdims=True), before, rtol=1e-5)


def test_new_classes_leave_independent_scores() -> None:
    model = make_model(exclusive_classes=False)
    before = model.predict(DOCS)
    model.attrs["resize_output"](model, 4)
    assert_allclose(model.predict(DOCS), numpy.pad(before, ((0, 0), (0, 1)), constant_values=0.5), rtol=1e-5)


@pytest.mark.parametrize("exclusive_classes", [True, False])
def test_a_model_with_new_classes_is_saved_and_loaded(exclusive_classes: bool) -> None:
    model = make_model(exclusive_classes=exclusive_classes)
    model.attrs["resize_output"](model, 4)
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == 4
    fresh = make_model(exclusive_classes=exclusive_classes, initialize=False).from_bytes(model.to_bytes())
    assert_array_equal(fresh.predict(DOCS), model.predict(DOCS))


@pytest.mark.parametrize("exclusive_classes", [True, False])
def test_new_classes_are_learned_with_the_same_optimizer(exclusive_classes: bool) -> None:
    model, optimizer = make_model(exclusive_classes=exclusive_classes), Adam(0.02, use_averages=True)
    update(model, optimizer, DOCS, TRUTHS)
    model.attrs["resize_output"](model, 4)
    truths = numpy.eye(4, dtype="f")[[0, 1, 2, 3, 1, 2, 3]]
    losses = [update(model, optimizer, DOCS, truths) for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    with model.use_params(optimizer.averages):
        assert model.predict(DOCS).shape == (len(DOCS), 4)


def test_the_number_of_classes_can_change_before_initialisation() -> None:
    model = make_model(initialize=False)
    for n_classes in (1, 5, 2):
        model.attrs["resize_output"](model, n_classes)
    model.initialize(X=DOCS)
    assert model.predict(DOCS).shape == (len(DOCS), 2)


def test_fewer_classes_are_an_error_that_changes_nothing() -> None:
    model = make_model()
    with pytest.raises(ValueError, match=r"\b3\b.*\b2\b"):
        model.attrs["resize_output"](model, 2)
    assert model.predict(DOCS).shape == (len(DOCS), 3)
