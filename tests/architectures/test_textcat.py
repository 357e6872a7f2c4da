"""`spacy-bilstm.TextCat.v1` as a thinc model: scores, pooling, empty docs, batches and new classes."""

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
VOCAB = spacy.blank("en").vocab  # A bare one knows no norms, affixes or shapes.
DOCS = [*make_docs(VOCAB, 5), Doc(VOCAB), Doc(VOCAB, words=["Oslo"])]
TRUTHS = numpy.eye(3, dtype="f")[[0, 1, 2, 0, 1, 2, 0]]


def make_model(
    pooling: str = "max", exclusive_classes: bool = True, n_classes: int | None = None, initialize: bool = True
) -> TextCat:
    """Give a model, after one update if it is initialised, so that its output layer is not zero."""
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


@pytest.mark.parametrize("n_classes", [None, 3])
@pytest.mark.parametrize("exclusive_classes", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_scores(pooling: str, exclusive_classes: bool, n_classes: int | None) -> None:
    """There is one a class, between 0 and 1, and exclusive ones sum to 1; the references are what spaCy asks for."""
    model = make_model(pooling, exclusive_classes, n_classes)
    scores = model.predict(DOCS)
    assert scores.shape == (len(DOCS), 3)
    assert ((scores > 0) & (scores < 1)).all()
    if exclusive_classes:
        assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == 3
    assert model.get_ref("output_layer").get_dim("nI") == (2 if pooling == "last" else 1) * WIDTH
    assert model.get_ref("tok2vec").get_dim("nO") == WIDTH


def test_unknown_pooling() -> None:
    """Another pooling is an error that lists those that there are."""
    with pytest.raises(ValueError, match=r"Unknown pooling 'sum'.*max, mean, attention, last"):
        make_model("sum")


@cache
def make_scored_model(pooling: str) -> tuple[TextCat, numpy.ndarray]:
    """Give a model and the scores of each doc alone."""
    model = make_model(pooling)
    return model, numpy.concatenate([model.predict([doc]) for doc in DOCS])


@settings(max_examples=20, deadline=None)
@given(pooling=st.sampled_from(POOLINGS), chosen=st.lists(st.integers(0, len(DOCS) - 1), min_size=1, max_size=8))
def test_batch_invariance(pooling: str, chosen: list[int]) -> None:
    """The scores of a doc are the same in any batch, in any order, and alone; so are those of an empty one."""
    model, expected = make_scored_model(pooling)
    assert_allclose(model.predict([DOCS[i] for i in chosen]), expected[chosen], atol=1e-5)


@pytest.mark.parametrize("exclusive_classes", [True, False])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_training_with_empty_docs(pooling: str, exclusive_classes: bool) -> None:
    """Empty docs beside others are trained on, and all weights stay finite."""
    model, optimizer = make_model(pooling, exclusive_classes), Adam(0.02)
    before = get_weights(model)
    losses = [update(model, optimizer, DOCS, TRUTHS) for _ in range(20)]
    after = get_weights(model)
    assert losses[-1] < losses[0]
    assert all(numpy.isfinite(weights).all() for weights in after.values())
    assert all((before[name] != after[name]).any() for name in before)


def test_pooling_takes_the_rows_that_it_names() -> None:
    """What reaches the output layer is the maximum, the mean, a weighted mean, or the last and the first row."""
    for pooling in POOLINGS:
        model = make_model(pooling)
        pooled = model.layers[0].predict(DOCS)
        for rows, row in zip(model.get_ref("tok2vec").predict(DOCS), pooled, strict=True):
            if not len(rows):
                assert not row.any()
            elif pooling == "max":
                assert_array_equal(row, rows.max(axis=0))
            elif pooling == "mean":
                assert_allclose(row, rows.mean(axis=0), atol=1e-6)
            elif pooling == "last":
                assert_array_equal(row, numpy.concatenate([rows[-1], rows[0]]))
            else:
                assert (row <= rows.max(axis=0) + 1e-6).all()
                assert (row >= rows.min(axis=0) - 1e-6).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_tok2vec_whose_width_is_known_later(pooling: str) -> None:
    """A tok2vec may learn its width when it is initialised only, as those of transformers do."""
    tok2vec = registry.resolve({"model": make_tok2vec(BILSTM)})["model"]
    lazy: Model = Model(
        "lazy",
        lambda model, X, is_train: tok2vec(X, is_train),
        init=lambda model, X=None, Y=None: tok2vec.initialize(X),
    )
    model = registry.get("architectures", "spacy-bilstm.TextCat.v1")(lazy, True, pooling)
    model.initialize(X=DOCS, Y=TRUTHS)
    assert model.predict(DOCS).shape == (len(DOCS), 3)


@pytest.mark.parametrize("exclusive_classes", [True, False])
def test_new_classes_come_last(exclusive_classes: bool) -> None:
    """`resize_output` leaves the scores of old classes in proportion, and training goes on with the same optimizer."""
    model, optimizer = make_model(exclusive_classes=exclusive_classes), Adam(0.02, use_averages=True)
    update(model, optimizer, DOCS, TRUTHS)
    before = model.predict(DOCS)
    assert model.attrs["resize_output"](model, 4) is model
    after = model.predict(DOCS)
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == 4
    if exclusive_classes:
        assert_allclose(after[:, :3] / after[:, :3].sum(axis=1, keepdims=True), before, rtol=1e-5)
    else:
        assert_allclose(after, numpy.pad(before, ((0, 0), (0, 1)), constant_values=0.5), rtol=1e-5)
    fresh = make_model(exclusive_classes=exclusive_classes, initialize=False).from_bytes(model.to_bytes())
    assert_array_equal(fresh.predict(DOCS), after)
    truths = numpy.eye(4, dtype="f")[[0, 1, 2, 3, 1, 2, 3]]
    losses = [update(model, optimizer, DOCS, truths) for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    with model.use_params(optimizer.averages):
        assert model.predict(DOCS).shape == (len(DOCS), 4)


def test_new_classes_before_initialisation() -> None:
    """The number of classes of a model without weights can be set, and set again."""
    model = make_model(initialize=False)
    for n_classes in (1, 5, 2):
        model.attrs["resize_output"](model, n_classes)
    model.initialize(X=DOCS)
    assert model.predict(DOCS).shape == (len(DOCS), 2)


def test_classes_are_not_taken_away() -> None:
    """Fewer classes are an error, and the model stays as it was."""
    model = make_model()
    with pytest.raises(ValueError, match="it has 3, but is to have 2"):
        model.attrs["resize_output"](model, 2)
    assert model.predict(DOCS).shape == (len(DOCS), 3)


def make_opinions(n: int, seed: int) -> tuple[list[Doc], numpy.ndarray]:
    """Give docs like "well it was not bad but good ." and "... not good but bad .", which hold the same words."""
    rng = random.Random(seed)
    truths = numpy.array([rng.random() < 0.5 for _ in range(n)])
    docs = []
    for is_good in truths:
        filler = rng.choices(["well", "it", "was", "really", "so"], k=rng.randint(0, 5))
        opinion = "not bad but good ." if is_good else "not good but bad ."
        docs.append(Doc(VOCAB, words=[*filler, *opinion.split()]))
    return docs, numpy.eye(2, dtype="f")[truths.astype(int)]


def get_accuracy(model: TextCat, epochs: int = 8) -> float:
    """Train a model on opinions. RETURNS: its accuracy on others."""
    docs, truths = make_opinions(64, seed=0)
    model.initialize(X=docs, Y=truths)
    optimizer = Adam(0.01)
    for _ in range(epochs):
        for start in range(0, len(docs), 16):
            update(model, optimizer, docs[start : start + 16], truths[start : start + 16])
    docs, truths = make_opinions(64, seed=1)
    return float((model.predict(docs).argmax(axis=1) == truths.argmax(axis=1)).mean())


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_words_is_learnt(pooling: str) -> None:
    """With every pooling the model tells apart docs that hold the same words in another order."""
    assert get_accuracy(make_model(pooling, initialize=False)) > 0.95


def test_a_bag_of_words_can_not_learn_their_order() -> None:
    """On the same task a bag of words is no better than chance."""
    bag = registry.get("architectures", "spacy.TextCatBOW.v3")(
        exclusive_classes=True, ngram_size=1, no_output_layer=False
    )
    assert get_accuracy(bag) < 0.75
