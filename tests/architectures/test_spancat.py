"""`spacy-bilstm.LinearLogistic.v1`, the layer that scores spans."""

import pickle
from typing import Any

import numpy
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from spacy import registry
from spacy.language import Language
from thinc.api import Model, fix_random_seed
from toy_corpus import make_examples
from toy_pipelines import MODELS, get_annotations, make_tok2vec, overfit, update

from spacy_bilstm.recipes import make_config

N_INPUTS, N_LABELS = 3, 4


def make_scorer(**arguments: Any) -> Model:
    """Return an initialised layer."""
    model: Model = registry.get("layers", "spacy-bilstm.LinearLogistic.v1")(N_LABELS, N_INPUTS, **arguments)
    model.initialize()
    return model


def make_categorizer(width: int, **encoder: Any) -> Language:
    """Return a pipeline with a `spancat` that is not initialised."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = MODELS["spancat"] | {"scorer": {"@layers": "spacy-bilstm.LinearLogistic.v1"}}
    encode = {"@architectures": "spacy-bilstm.BiLSTMEncoder.v1", "width": width, **encoder}
    nlp.add_pipe("spancat", config={"model": model | {"tok2vec": make_tok2vec(encode, embed_width=width)}})
    return nlp


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100.0), st.integers(0, 5))
def test_differences_of_scores_and_targets_give_the_gradients_of_the_cross_entropy(
    seed: int, scale: float, n_spans: int
) -> None:
    random = numpy.random.default_rng(seed)
    inputs = (scale * random.normal(size=(n_spans, N_INPUTS))).astype("float32")
    targets = random.integers(2, size=(n_spans, N_LABELS)).astype("float32")
    model = make_scorer()
    scores, backprop = model.begin_update(inputs)
    d_inputs = backprop(scores - targets)

    linear = torch.nn.Linear(N_INPUTS, N_LABELS, dtype=torch.float64)
    layer = model.layers[0]
    with torch.no_grad():
        linear.weight[:] = torch.from_numpy(layer.get_param("W"))
        linear.bias[:] = torch.from_numpy(layer.get_param("b"))
    x = torch.from_numpy(inputs).double().requires_grad_()
    logits = linear(x)
    torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(targets).double(), reduction="sum"
    ).backward()
    tolerances = {"rtol": 1e-3, "atol": 1e-4 * scale}
    assert_allclose(scores, torch.sigmoid(logits).detach().numpy(), **tolerances)
    assert_allclose(d_inputs, x.grad, **tolerances)
    assert_allclose(layer.get_grad("W"), linear.weight.grad, **tolerances)
    assert_allclose(layer.get_grad("b"), linear.bias.grad, **tolerances)


def test_the_first_scores_are_the_prior() -> None:
    scores = make_scorer(prior=0.2).predict(numpy.zeros((2, N_INPUTS), dtype="float32"))
    assert_allclose(scores, numpy.full((2, N_LABELS), 0.2), rtol=1e-5)


@pytest.mark.parametrize("prior", [0, 1, -0.5, 1e-300, float("nan"), "0.1"])
def test_a_prior_that_is_no_probability_is_refused(prior: Any) -> None:
    with pytest.raises(ValueError, match=r"prior of spacy-bilstm.LinearLogistic.v1 must be"):
        make_scorer(prior=prior)


@pytest.mark.parametrize("sizes", [{"nO": 0}, {"nO": "2"}, {"nI": -1}, {"nI": 1.5}])
def test_a_size_that_is_no_positive_whole_number_is_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(sizes))} of spacy-bilstm.LinearLogistic.v1 must be"):
        registry.get("layers", "spacy-bilstm.LinearLogistic.v1")(**sizes)


def test_a_pickled_pipeline_predicts_the_same() -> None:
    """As `nlp.pipe(n_process=2)` pickles it on macOS and Windows, before it is initialised and after."""
    nlp = make_categorizer(16)
    pickle.loads(pickle.dumps(nlp))
    overfit(nlp, epochs=2)
    copy = pickle.loads(pickle.dumps(nlp))
    texts = [example.text for example in make_examples(nlp.vocab, 3)]
    assert get_annotations(copy.pipe(texts)) == get_annotations(nlp.pipe(texts))


def test_a_span_categorizer_learns_at_a_high_learning_rate() -> None:
    """With `spacy.LinearLogistic.v1` and this seed, the component finds no spans."""
    nlp = make_categorizer(96, depth=2)
    optimizer = overfit(nlp, epochs=5, learn_rate=0.02)
    update(nlp, optimizer, epochs=5)
    assert nlp.evaluate(make_examples(nlp.vocab, seed=5))["spans_sc_f"] > 0.9


@pytest.mark.parametrize("recipe", ["efficiency", "accuracy", "fast"])
def test_the_recipes_use_it(recipe: str) -> None:
    scorer = make_config("en", ["spancat"], recipe)["components"]["spancat"]["model"]["scorer"]
    assert scorer == {"@layers": "spacy-bilstm.LinearLogistic.v1", "nO": None, "nI": None, "prior": 0.01}
