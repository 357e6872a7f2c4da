"""`spacy-bilstm.TextCat.v2` as a thinc model: several poolings, n-grams, new classes."""

from copy import deepcopy
from typing import Any

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Adam, Model, fix_random_seed, set_dropout_rate
from toy_corpus import make_docs
from toy_pipelines import BILSTM, WIDTH, get_weights, make_tok2vec

TextCat = Model[list[Doc], numpy.ndarray]
VOCAB = spacy.blank("en").vocab  # A bare vocab has no norms, affixes or shapes.
DOCS = [*make_docs(VOCAB, 5), Doc(VOCAB), Doc(VOCAB, words=["Oslo"])]
TRUTHS = numpy.eye(3, dtype="f")[[0, 1, 2, 0, 1, 2, 0]]
VARIANTS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "logistic": {"exclusive_classes": False},
    "no n-grams": {"ngram_size": 0},
    "single words": {"ngram_size": 1},
    "poolings": {"pooling": ["max", "mean", "attention", "last"]},
}


def make_model(initialize: bool = True, **settings: Any) -> TextCat:
    """Return a model. If it is initialised, one update follows, so that its output layers are not zero."""
    fix_random_seed(0)
    config = {
        "@architectures": "spacy-bilstm.TextCat.v2",
        "tok2vec": make_tok2vec(BILSTM),
        "exclusive_classes": True,
        "pooling": ["max"],
        "ngram_size": 2,
        "ngram_rows": 1000,
        "nO": None,
    }
    model: TextCat = registry.resolve({"model": config | settings})["model"]
    if initialize:
        model.initialize(X=DOCS, Y=TRUTHS)
        update(model, Adam(0.02), TRUTHS)
    return model


def update(model: TextCat, optimizer: Adam, truths: numpy.ndarray) -> float:
    """Train a model as spaCy's text classifiers do. RETURNS: the loss."""
    scores, backprop = model.begin_update(DOCS)
    backprop(scores - truths)
    model.finish_update(optimizer)
    return float(((scores - truths) ** 2).mean())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("n_classes", [None, 3])
def test_each_class_has_a_score_between_0_and_1_in_every_batch(variant: str, n_classes: int | None) -> None:
    model = make_model(nO=n_classes, **VARIANTS[variant])
    scores = model.predict(DOCS)
    assert scores.shape == (len(DOCS), 3)
    assert ((scores > 0) & (scores < 1)).all()
    if variant != "logistic":
        assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)
    assert_allclose(numpy.concatenate([model.predict([doc]) for doc in DOCS]), scores, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_weights_learn(variant: str) -> None:
    model, optimizer = make_model(**VARIANTS[variant]), Adam(0.02)
    before = get_weights(model)
    losses = [update(model, optimizer, TRUTHS) for _ in range(20)]
    assert losses[-1] < losses[0]
    assert all((before[name] != weights).any() for name, weights in get_weights(model).items())


@pytest.mark.parametrize("ngram_size", [1, 2])
def test_empty_docs_train_the_bias_of_their_class(ngram_size: int) -> None:
    layer, docs = make_model(ngram_size=ngram_size).get_ref("ngram_layer"), [Doc(VOCAB), Doc(VOCAB)]
    scores, backprop = layer.begin_update(docs)
    backprop(scores - TRUTHS[[1, 1]])
    layer.finish_update(Adam(0.02))
    assert (layer.predict(docs)[:, 1] > scores[:, 1]).all()


def test_poolings_are_concatenated() -> None:
    model = make_model(pooling=["last", "max"])
    pooled = model.get_ref("pooled").predict(DOCS)
    for vectors, of_doc in zip(model.get_ref("tok2vec").predict(DOCS), pooled, strict=True):
        expected = [vectors[-1], vectors[0], vectors.max(axis=0)] if len(vectors) else [numpy.zeros(3 * WIDTH)]
        assert_array_equal(of_doc, numpy.concatenate(expected))


def test_ngrams_change_only_the_scores() -> None:
    """Without the weights of n-grams, the scores are those of the pooled vectors."""
    model = make_model()
    model.get_ref("ngram_layer").initialize()
    plain = make_model(ngram_size=0, initialize=False)
    plain.initialize(X=DOCS, Y=TRUTHS)
    for name in ("tok2vec", "output_layer"):
        plain.get_ref(name).from_bytes(model.get_ref(name).to_bytes())
    assert_allclose(model.predict(DOCS), plain.predict(DOCS), rtol=1e-6)


def test_dropout_makes_scores_random_in_training_alone() -> None:
    model = make_model(dropout=0.5)
    set_dropout_rate(model, 0.0)  # Not that of `[training] dropout`.
    first, second = (model(DOCS, is_train=True)[0] for _ in range(2))
    assert (first != second).any()
    assert_array_equal(model.predict(DOCS), model.predict(DOCS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": ["max", "sum"]}, "Unknown pooling 'sum'.*max, mean, attention, last"),
        ({"pooling": []}, "at least one of: max, mean, attention, last"),
        ({"dropout": 1.0}, "dropout is a rate"),
        ({"ngram_scale": 0.0}, "ngram_scale is 0.0"),
        ({"ngram_size": -1}, "ngram_size is -1"),
        ({"ngram_size": 11}, "ngram_size is 11"),
        ({"ngram_rows": 0}, "ngram_rows is 0"),
        ({"ngram_rows": 10**9}, "ngram_rows is 1000000000"),
        ({"ngram_rows": 2**24, "nO": 1000}, "ngram_rows = 16777216 and nO = 1000"),
        ({"nO": 0}, "nO >= 1"),
    ],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(initialize=False, **settings)


# New classes


@pytest.mark.parametrize("variant", VARIANTS)
def test_new_classes_leave_the_proportions_of_scores(variant: str) -> None:
    model = make_model(**VARIANTS[variant])
    before = model.predict(DOCS)
    assert model.attrs["resize_output"](model, 4) is model
    after = model.predict(DOCS)
    if variant == "logistic":
        assert_allclose(after, numpy.pad(before, ((0, 0), (0, 1)), constant_values=0.5), rtol=1e-5)
    else:
        assert_allclose(after[:, :3] / after[:, :3].sum(axis=1, keepdims=True), before, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_with_new_classes_is_learned_saved_and_loaded(variant: str) -> None:
    model, optimizer = make_model(**VARIANTS[variant]), Adam(0.02, use_averages=True)
    update(model, optimizer, TRUTHS)
    model.attrs["resize_output"](model, 4)
    truths = numpy.eye(4, dtype="f")[[0, 1, 2, 3, 1, 2, 3]]
    losses = [update(model, optimizer, truths) for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    assert model.get_dim("nO") == model.get_ref("output_layer").get_dim("nO") == 4
    fresh = make_model(initialize=False, **VARIANTS[variant]).from_bytes(model.to_bytes())
    assert_array_equal(fresh.predict(DOCS), model.predict(DOCS))
    assert_array_equal(deepcopy(model).predict(DOCS), model.predict(DOCS))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_number_of_classes_can_change_before_initialisation(variant: str) -> None:
    model = make_model(initialize=False, **VARIANTS[variant])
    for n_classes in (1, 5, 2):
        model.attrs["resize_output"](model, n_classes)
    model.initialize(X=DOCS)
    assert model.predict(DOCS).shape == (len(DOCS), 2)


@pytest.mark.parametrize("variant", VARIANTS)
def test_fewer_classes_are_an_error_that_changes_nothing(variant: str) -> None:
    model = make_model(**VARIANTS[variant])
    with pytest.raises(ValueError, match=r"\b3\b.*\b2\b"):
        model.attrs["resize_output"](model, 2)
    assert model.predict(DOCS).shape == (len(DOCS), 3)
