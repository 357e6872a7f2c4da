"""`spacy-bilstm.PretrainBiLM.v1`: what it trains, what it predicts from, and which models it refuses."""

from typing import Any

import numpy
import pytest
import spacy
from numpy.testing import assert_array_equal
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Adam, Model, fix_random_seed, set_dropout_rate
from toy_corpus import make_docs
from toy_pipelines import BILSTM, EMBED, WIDTH, get_distance, get_weights, make_tok2vec

VOCAB = spacy.blank("en").vocab  # A bare Vocab has no norms, affixes or shapes.
DOCS = [*make_docs(VOCAB, 6), Doc(VOCAB), Doc(VOCAB, words=["Oslo"])]
N_TOKENS = sum(len(doc) for doc in DOCS)
N_BUCKETS = 50
RECURRENT = {"@architectures": "spacy-bilstm.RecurrentEncoder.v1", "width": WIDTH}
OURS = {
    "@architectures": "spacy-bilstm.Tok2Vec.v1",
    "embed": {"@architectures": "spacy-bilstm.WordEmbed.v1", "width": WIDTH, "attrs": ["NORM"], "rows": [200]},
    "encode": RECURRENT,
}
CNN = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    "width": WIDTH,
    "window_size": 1,
    "maxout_pieces": 2,
    "depth": 1,
}


def make_model(tok2vec: dict[str, Any], **arguments: int) -> Model:
    """Return an initialised model, made as `spacy pretrain` makes it."""
    fix_random_seed(0)
    model = registry.resolve({"model": tok2vec})["model"]
    model.initialize(X=DOCS)
    arguments = {"maxout_pieces": 2, "hidden_size": 32, "n_buckets": N_BUCKETS} | arguments
    objective = {"@architectures": "spacy-bilstm.PretrainBiLM.v1", **arguments}
    return registry.resolve({"objective": objective})["objective"](VOCAB, model).initialize(X=DOCS)


def update(model: Model, optimizer: Adam, docs: list[Doc] = DOCS) -> float:
    """Update a model as `spacy pretrain` does, and return the mean loss of a token."""
    prediction, backprop = model.begin_update(docs)
    loss, gradient = model.attrs["loss"](model.ops, docs, prediction)
    backprop(gradient)
    model.finish_update(optimizer)
    return float(loss) / N_TOKENS


TOK2VECS = pytest.mark.parametrize("tok2vec", [OURS, make_tok2vec(BILSTM)], ids=["ours", "stock Tok2Vec"])


@TOK2VECS
def test_the_loss_falls_from_that_of_chance(tok2vec: dict[str, Any]) -> None:
    model, optimizer = make_model(tok2vec), Adam(0.01)
    set_dropout_rate(model, 0.1)
    losses = [update(model, optimizer) for _ in range(30)]
    assert losses[0] == pytest.approx(numpy.log(N_BUCKETS), rel=1e-4)
    assert losses[-1] < losses[0] / 2


@TOK2VECS
def test_updates_train_the_weights_of_the_tok2vec(tok2vec: dict[str, Any]) -> None:
    model, optimizer = make_model(tok2vec), Adam(0.01)
    before = get_weights(model.get_ref("tok2vec"))
    for _ in range(3):
        update(model, optimizer)
    after = get_weights(model.get_ref("tok2vec"))
    unchanged = {name.split(".torch.")[-1] for name in before if (before[name] == after[name]).all()}
    assert unchanged <= {"norm.weight", "norm.bias", "replacement"}


def train_with_averages() -> tuple[Model, Adam]:
    """Return a model after some updates, and its optimizer, which has averages of the weights."""
    model, optimizer = make_model(OURS), Adam(0.02, use_averages=True)
    for _ in range(3):
        update(model, optimizer)
    return model, optimizer


def test_the_averages_of_the_optimizer_replace_the_weights_of_the_tok2vec_for_a_while() -> None:
    model, optimizer = train_with_averages()
    tok2vec = model.get_ref("tok2vec")
    raw = get_weights(tok2vec)
    with model.use_params(optimizer.averages):
        averaged = get_weights(tok2vec)
    assert get_distance(raw, averaged, torch_only=True) > 1e-3
    assert get_distance(raw, get_weights(tok2vec)) == 0.0
    shim = tok2vec.get_ref("encode").shims[0]
    for name in ("weight_ih_l0", "weight_hh_l0_reverse"):
        (saved,) = [array for key, array in averaged.items() if key.endswith(name)]
        assert_array_equal(saved, optimizer.averages[(shim.id, f"layers.0.rnn.{name}")])


def test_a_tok2vec_saved_with_averages_has_the_averages() -> None:
    """`spacy pretrain` saves the tok2vec while the averages replace the weights."""
    model, optimizer = train_with_averages()
    tok2vec = model.get_ref("tok2vec")
    with model.use_params(optimizer.averages):
        averaged, data = get_weights(tok2vec), tok2vec.to_bytes()
    loaded = make_model(OURS).get_ref("tok2vec").from_bytes(data)
    assert get_distance(averaged, get_weights(loaded)) == 0.0


def test_the_tok2vec_predicts_with_its_latest_weights() -> None:
    """No cache entry of earlier weights outlives an update."""
    model, optimizer = make_model(OURS), Adam(0.02)
    tok2vec = model.get_ref("tok2vec")
    for _ in range(2):
        tok2vec.predict(DOCS)
        update(model, optimizer)
    fresh = make_model(OURS).get_ref("tok2vec").from_bytes(tok2vec.to_bytes())
    for left, right in zip(tok2vec.predict(DOCS), fresh.predict(DOCS), strict=True):
        assert_array_equal(left, right)


def test_no_score_depends_on_the_word_that_it_predicts() -> None:
    """Another word changes no score of the next word before it, and none of the word before after it."""
    model = make_model(OURS)
    for _ in range(3):
        update(model, Adam(0.02))
    words = ["Anna", "sees", "the", "old", "dog", "."]
    expected = model.predict([Doc(VOCAB, words=words)]).reshape(len(words), 2, -1)
    for i in range(len(words)):
        changed = model.predict([Doc(VOCAB, words=[*words[:i], "London", *words[i + 1 :]])]).reshape(len(words), 2, -1)
        differs = numpy.abs(changed - expected).max(axis=2) > 1e-6
        assert differs[:, 0].tolist() == [j >= i for j in range(len(words))]
        assert differs[:, 1].tolist() == [j <= i for j in range(len(words))]


def test_an_update_with_empty_docs_changes_nothing() -> None:
    model = make_model(OURS)
    before = get_weights(model)
    assert update(model, Adam(0.02), [Doc(VOCAB), Doc(VOCAB)]) == 0.0
    assert get_distance(before, get_weights(model)) == 0.0


@pytest.mark.parametrize(
    ("tok2vec", "message"),
    [
        (OURS | {"encode": RECURRENT | {"depth": 2}}, "depth = 1"),
        (OURS | {"encode": RECURRENT | {"merge": "sum"}}, "concat"),
        (OURS | {"encode": RECURRENT | {"bidirectional": False}}, "bidirectional = true"),
        (make_tok2vec(CNN), "has no recurrent encoder"),
        (EMBED, "has no recurrent encoder"),
    ],
    ids=["deep", "sum", "one direction", "CNN", "no encoder"],
)
def test_a_tok2vec_whose_states_may_have_seen_their_targets_is_an_error(tok2vec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"PretrainBiLM.v1 can't pretrain.*{message}.*spacy.PretrainCharacters.v1"):
        make_model(tok2vec)


SIZES = pytest.mark.parametrize(("name", "least"), [("maxout_pieces", 1), ("hidden_size", 1), ("n_buckets", 2)])


@SIZES
def test_a_size_that_is_too_small_is_an_error_that_names_it(name: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name} >= {least}, but {name} is {least - 1}"):
        make_model(OURS, **{name: least - 1})


@SIZES
def test_the_smallest_sizes_make_a_model(name: str, least: int) -> None:
    assert make_model(OURS, **{name: least}).predict(DOCS).shape[0] == N_TOKENS
