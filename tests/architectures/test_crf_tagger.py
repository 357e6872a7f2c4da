"""`spacy-bilstm.CRFTagger.v1`: its number of tags, storage, averages, copies and new tags."""

import numpy
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spacy import registry
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Adam, Model
from toy_corpus import make_docs
from toy_pipelines import BILSTM, WIDTH, get_weights, make_tok2vec

from spacy_bilstm.bridge.crf import CRFLoss, Emissions, add_gradients, compute_loss

CRFTagger = Model[list[Doc], list[numpy.ndarray]]
PARAMETERS = ("transitions", "start", "end")
DOCS = make_docs(Vocab(), 6)


def make_model(n_tags: int | None = None, initialize: bool = True) -> CRFTagger:
    """Make a model with random weights in its output layers."""
    config = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": make_tok2vec(BILSTM), "nO": n_tags}
    model: CRFTagger = registry.resolve({"model": config})["model"]
    if initialize:
        model.initialize(X=DOCS, Y=[numpy.zeros((len(doc), n_tags or 9), dtype="f") for doc in DOCS])
        randomize(model)
    return model


def randomize(model: CRFTagger, seed: int = 0) -> None:
    """Set the weights of the output layers at random."""
    rng = numpy.random.default_rng(seed)
    for node, names in ((model.get_ref("output_layer"), ("W", "b")), (model.get_ref("crf"), PARAMETERS)):
        for name in names:
            node.set_param(name, rng.normal(size=node.get_param(name).shape).astype("f"))


def update(model: CRFTagger, optimizer: Adam) -> CRFLoss:
    """Train a model towards "O"."""
    crf = model.get_ref("crf")
    scores, backprop = model.begin_update(DOCS)
    gold_mask = numpy.zeros((sum(map(len, DOCS)), model.get_dim("nO")), dtype=bool)
    gold_mask[:, 0] = True
    loss = compute_loss(crf, Emissions.concatenate(crf, scores), gold_mask)
    add_gradients(crf, loss)
    backprop(loss.d_emissions)
    model.finish_update(optimizer)
    return loss


@pytest.mark.parametrize("n_tags", [None, 9, 1])
def test_the_number_of_tags_is_that_of_the_config_or_else_of_the_sample(n_tags: int | None) -> None:
    model = make_model(n_tags)
    expected = n_tags or 9
    assert model.get_dim("nO") == expected
    assert model.get_ref("output_layer").get_param("W").shape == (expected, WIDTH)
    assert model.get_ref("crf").get_param("transitions").shape == (expected, expected)
    assert [rows.shape for rows in model.predict(DOCS)] == [(len(doc), expected) for doc in DOCS]
    assert model.get_ref("tok2vec") is model.layers[0]


@pytest.mark.parametrize("n_tags", [0, 2, 8])
def test_a_number_of_tags_that_no_number_of_labels_has_is_an_error(n_tags: int) -> None:
    with pytest.raises(ValueError, match=f"nO is {n_tags}. Set nO = null"):
        make_model(n_tags, initialize=False)


def test_a_number_of_tags_that_is_too_large_is_refused_before_it_takes_memory() -> None:
    with pytest.raises(ValueError, match=r"A CRF with nO = 1000000001 would have about 1.0e\+18 weights"):
        make_model(10**9 + 1, initialize=False)


def test_initialised_output_layers_are_zero() -> None:
    """spaCy's tagger does the same."""
    model = make_model(initialize=False)
    model.initialize(X=DOCS, Y=[numpy.zeros((len(doc), 9), dtype="f") for doc in DOCS])
    assert not any(rows.any() for rows in model.predict(DOCS))


def test_a_model_loaded_from_bytes_trains_like_the_original() -> None:
    """The model that loads was never initialised."""
    model, fresh = make_model(), make_model(initialize=False)
    fresh.from_bytes(model.to_bytes())
    for left, right in zip(model.predict(DOCS), fresh.predict(DOCS), strict=True):
        assert_array_equal(left, right)
    assert update(model, Adam(0.01)).value == update(fresh, Adam(0.01)).value
    assert update(model, Adam(0.01)).value == update(fresh, Adam(0.01)).value


def test_training_reaches_all_weights() -> None:
    """An update changes the tok2vec, the output layer and each parameter of the CRF. Updates lower the loss."""
    model, optimizer = make_model(), Adam(0.02)
    before = get_weights(model)
    first = update(model, optimizer).value
    after = get_weights(model)
    assert sum((before[name] != after[name]).any() for name in before) > 5
    assert all((before[name] != after[name]).any() for name in before if name.endswith((*PARAMETERS, ".W", ".b")))
    for _ in range(10):
        last = update(model, optimizer).value
    assert last < first / 2


def test_averages_replace_the_crfs_parameters_for_a_while() -> None:
    model, optimizer = make_model(), Adam(0.02, use_averages=True)
    for _ in range(3):
        update(model, optimizer)
    crf = model.get_ref("crf")
    raw = crf.get_param("transitions").copy()
    with model.use_params(optimizer.averages):
        assert_array_equal(crf.get_param("transitions"), optimizer.averages[(crf.id, "transitions")])
        assert (crf.get_param("transitions") != raw).any()
    assert_array_equal(crf.get_param("transitions"), raw)


def test_a_copy_has_a_crf_with_its_own_id_and_parameters() -> None:
    """thinc does not copy the references."""
    model = make_model()
    copied = model.copy()
    left, right = model.get_ref("crf"), copied.layers[-1]
    assert left.id != right.id
    for name in PARAMETERS:
        assert_array_equal(left.get_param(name), right.get_param(name))
        right.set_param(name, right.get_param(name) + 1)
        assert (left.get_param(name) != right.get_param(name)).all()


def test_resize_output_keeps_old_tags_and_adds_new_ones_with_zeros() -> None:
    model = make_model()
    expected = model.predict(DOCS)
    transitions = model.get_ref("crf").get_param("transitions").copy()
    assert model.attrs["resize_output"](model, 13) is model
    assert model.get_dim("nO") == model.get_ref("crf").get_dim("nO") == 13
    for left, right in zip(model.predict(DOCS), expected, strict=True):
        assert_array_equal(left[:, :9], right)
        assert not left[:, 9:].any()
    assert_array_equal(model.get_ref("crf").get_param("transitions")[:9, :9], transitions)
    fresh = make_model(initialize=False).from_bytes(model.to_bytes())
    assert_allclose(fresh.predict(DOCS)[0], model.predict(DOCS)[0])


def test_an_optimizer_of_the_old_layers_trains_the_new_ones() -> None:
    model, optimizer = make_model(), Adam(0.02, use_averages=True)
    update(model, optimizer)
    model.attrs["resize_output"](model, 13)
    losses = [update(model, optimizer).value for _ in range(10)]
    assert losses[-1] < losses[0] / 2
    with model.use_params(optimizer.averages):
        assert model.predict(DOCS)[0].shape[1] == 13


def test_the_number_of_tags_can_be_set_before_initialisation() -> None:
    model = make_model(initialize=False)
    model.attrs["resize_output"](model, 5)
    model.initialize(X=DOCS)
    assert model.predict(DOCS)[0].shape[1] == 5


def test_fewer_tags_are_an_error_that_changes_nothing() -> None:
    model = make_model()
    with pytest.raises(ValueError, match="it has 9, but 5 were asked for"):
        model.attrs["resize_output"](model, 5)
    assert model.predict(DOCS)[0].shape[1] == 9
