"""`spacy-bilstm.PretrainBiLM.v1` and `.v2`: what they train, what they predict from, and which models they refuse."""

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

from spacy_bilstm.bridge.bloom_filter import contains_hashes

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


SMALL = {
    "v1": {"maxout_pieces": 2, "hidden_size": 32, "n_buckets": N_BUCKETS},
    "v2": {"width": 16, "n_candidates": 20},
}


def make_model(tok2vec: dict[str, Any], version: str = "v1", **arguments: int) -> Model:
    """Return an initialised model, made as `spacy pretrain` makes it."""
    fix_random_seed(0)
    model = registry.resolve({"model": tok2vec})["model"]
    model.initialize(X=DOCS)
    objective = {"@architectures": f"spacy-bilstm.PretrainBiLM.{version}", **SMALL[version], **arguments}
    return registry.resolve({"objective": objective})["objective"](VOCAB, model).initialize(X=DOCS)


def update(model: Model, optimizer: Adam, docs: list[Doc] = DOCS) -> float:
    """Update a model as `spacy pretrain` does, and return the mean loss of a token."""
    prediction, backprop = model.begin_update(docs)
    loss, gradient = model.attrs["loss"](model.ops, docs, prediction)
    backprop(gradient)
    model.finish_update(optimizer)
    return float(loss) / N_TOKENS


TOK2VECS = pytest.mark.parametrize("tok2vec", [OURS, make_tok2vec(BILSTM)], ids=["ours", "stock Tok2Vec"])


VERSIONS = pytest.mark.parametrize("version", ["v1", "v2"])


@TOK2VECS
@VERSIONS
def test_the_loss_falls_from_that_of_chance(tok2vec: dict[str, Any], version: str) -> None:
    model, optimizer = make_model(tok2vec, version), Adam(0.01)
    set_dropout_rate(model, 0.1)
    losses = [update(model, optimizer) for _ in range(30)]
    assert losses[0] == pytest.approx(numpy.log({"v1": N_BUCKETS, "v2": 1 + 20}[version]), rel=0.1)
    assert losses[-1] < losses[0] * {"v1": 0.5, "v2": 0.7}[version]


@TOK2VECS
@VERSIONS
def test_updates_train_the_weights_of_the_tok2vec(tok2vec: dict[str, Any], version: str) -> None:
    model, optimizer = make_model(tok2vec, version), Adam(0.01)
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
    (shim,) = model.shims
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


def test_whitespace_is_left_out_if_the_tok2vec_leaves_it_out() -> None:
    """Line breaks change no loss: the neighbours of a word are words."""
    texts = [["Anna", "sees", "the", "old", "dog", "."], ["Anna", "\n\n", "sees", "the", "old", "\n", "dog", "."]]
    losses = [make_model(OURS | {"skip_whitespace": True}).predict([Doc(VOCAB, words=words)]) for words in texts]
    assert_array_equal(*losses)
    assert losses[0].shape == (6,)
    assert make_model(OURS).predict([Doc(VOCAB, words=texts[1])]).shape == (8,)


def test_whitespace_gets_no_gradient() -> None:
    model, optimizer = make_model(OURS | {"skip_whitespace": True}), Adam(0.01)
    update(model, optimizer, [Doc(VOCAB, words=["Anna", "\n", "sees"]), Doc(VOCAB, words=["\n"])])


@pytest.fixture
def identity_model() -> Model:
    """An objective on a tok2vec with identity dropout."""
    return make_model(OURS | {"embed": OURS["embed"] | {"identity_dropout": 0.5}}, "v2")


def get_seen(model: Model, words: list[str]) -> list[bool]:
    """Return whether words count as seen in prediction."""
    seen = model.get_ref("tok2vec").get_ref("embed").attrs["seen"]
    return contains_hashes(seen, numpy.array([VOCAB.strings.add(word) for word in words], dtype="uint64")).tolist()


def test_only_words_that_pretraining_knows_well_count_as_seen(identity_model: Model) -> None:
    """Rare words of raw text share the identity of unseen words until annotation has them."""
    docs = [Doc(VOCAB, words=["the", f"word{i}", "of", f"other{i}"]) for i in range(40)]
    for _ in range(3):
        update(identity_model, Adam(0.01), docs)
    assert get_seen(identity_model, ["of", "word3"]) == [True, False]
    tok2vec = identity_model.get_ref("tok2vec")
    tok2vec.begin_update(docs[3:4])
    assert get_seen(identity_model, ["word3", "word4"]) == [True, False]


def test_contexts_in_raw_text_do_not_count_in_training(identity_model: Model) -> None:
    """After pretraining, identity dropout drops the words of the annotation by their contexts there."""
    docs = [Doc(VOCAB, words=["the", f"word{i}", "of"]) for i in range(40)]
    update(identity_model, Adam(0.01), docs)
    counts = identity_model.get_ref("tok2vec").get_ref("embed").attrs["familiarity"]
    assert counts.count(numpy.array([VOCAB.strings["the"]], dtype="uint64")).tolist() == [0]


def test_an_update_with_empty_docs_changes_nothing() -> None:
    model = make_model(OURS)
    before = get_weights(model)
    assert update(model, Adam(0.02), [Doc(VOCAB), Doc(VOCAB)]) == 0.0
    assert get_distance(before, get_weights(model)) == 0.0


@VERSIONS
@pytest.mark.parametrize(
    ("tok2vec", "message"),
    [
        (OURS | {"encode": RECURRENT | {"bidirectional": False}}, "bidirectional = true"),
        (make_tok2vec(CNN), "has no recurrent encoder"),
        (EMBED, "has no recurrent encoder"),
    ],
    ids=["one direction", "CNN", "no encoder"],
)
def test_a_tok2vec_without_two_recurrent_directions_is_an_error(
    tok2vec: dict[str, Any], message: str, version: str
) -> None:
    pattern = rf"PretrainBiLM.{version} can't pretrain.*{message}.*spacy.PretrainCharacters.v1"
    with pytest.raises(ValueError, match=pattern):
        make_model(tok2vec, version)


SIZES = pytest.mark.parametrize(
    ("version", "name", "least"),
    [
        ("v1", "maxout_pieces", 1),
        ("v1", "hidden_size", 1),
        ("v1", "n_buckets", 2),
        ("v2", "width", 1),
        ("v2", "n_candidates", 1),
    ],
)


@SIZES
def test_a_size_that_is_too_small_is_an_error_that_names_it(version: str, name: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name} >= {least}, but {name} is {least - 1}"):
        make_model(OURS, version, **{name: least - 1})


@SIZES
def test_the_smallest_sizes_make_a_model(version: str, name: str, least: int) -> None:
    assert make_model(OURS, version, **{name: least}).predict(DOCS).shape[0] == N_TOKENS


@pytest.mark.parametrize(
    ("version", "name"), [("v1", "maxout_pieces"), ("v1", "hidden_size"), ("v1", "n_buckets"), ("v2", "width")]
)
def test_a_size_that_is_too_large_is_an_error_before_it_takes_memory(version: str, name: str) -> None:
    with pytest.raises(ValueError, match=rf"PretrainBiLM.{version} with .*{name} = {2**70}.* Use smaller values"):
        make_model(OURS, version, **{name: 2**70})
