"""The factories `bilstm_tok2vec`, `bilstm_tagger` and `bilstm_morphologizer`, with default models and others."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from toy_corpus import make_docs, make_examples
from toy_pipelines import BILSTM, EMBED, GRU, LISTENER, WIDTH, add_stock_pipe, get_annotations, make_tok2vec, overfit

FACTORIES = ["bilstm_tok2vec", "bilstm_tagger", "bilstm_morphologizer"]
SCORES = {
    "bilstm_tok2vec": "tag_acc",  # That of a stock tagger that listens.
    "bilstm_tagger": "tag_acc",
    "bilstm_morphologizer": "morph_acc",
}


def make_nlp(name: str, config: dict[str, Any] | None = None) -> Language:
    """Return a pipeline with one of our components. The tok2vec has a tagger that listens."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(name, config=config or {})
    if name == "bilstm_tok2vec":
        width = pipe.model.get_dim("nO")
        add_stock_pipe(nlp, "tagger", LISTENER | {"width": width, "upstream": name})
    return nlp


def make_config(name: str, encode: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a component with a small tok2vec."""
    tok2vec = make_tok2vec(encode)
    return {"model": tok2vec if name == "bilstm_tok2vec" else {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}}


@pytest.fixture(scope="module", params=FACTORIES)
def default_nlp(request: pytest.FixtureRequest) -> Language:
    """A trained pipeline of one of our components with its default model."""
    nlp = make_nlp(request.param)
    overfit(nlp, epochs=4, learn_rate=0.005)
    return nlp


def test_the_default_model_learns(default_nlp: Language) -> None:
    score = SCORES[default_nlp.pipe_names[0]]
    assert default_nlp.evaluate(make_examples(default_nlp.vocab))[score] > 0.98


def test_the_default_model_predicts_the_same_after_loading(default_nlp: Language, tmp_path: Path) -> None:
    default_nlp.to_disk(tmp_path)
    texts = [doc.text for doc in make_docs(default_nlp.vocab, seed=5)]
    expected, loaded = (list(nlp.pipe(texts)) for nlp in (default_nlp, spacy.load(tmp_path)))
    assert get_annotations(loaded) == get_annotations(expected)
    for left, right in zip(expected, loaded, strict=True):
        numpy.testing.assert_array_equal(left.tensor, right.tensor)


@pytest.fixture(scope="module")
def analysis() -> dict[str, Any]:
    """What `nlp.analyze_pipes` says of a pipeline of all our components."""
    nlp = spacy.blank("en")
    for name in FACTORIES:
        nlp.add_pipe(name)
    return nlp.analyze_pipes()


@pytest.mark.parametrize(
    ("name", "assigned"),
    [
        ("bilstm_tok2vec", {"doc.tensor"}),
        ("bilstm_tagger", {"token.tag"}),
        ("bilstm_morphologizer", {"token.morph", "token.pos"}),
    ],
)
def test_a_factory_declares_what_it_assigns(analysis: dict[str, Any], name: str, assigned: set[str]) -> None:
    assert set(analysis["summary"][name]["assigns"]) == assigned


def test_analyze_pipes_finds_no_problem(analysis: dict[str, Any]) -> None:
    assert not any(analysis["problems"].values())


# Empty docs


@pytest.fixture(scope="module", params=FACTORIES)
def small_nlp(request: pytest.FixtureRequest) -> Language:
    """A trained pipeline of one of our components with a small model."""
    nlp = make_nlp(request.param, make_config(request.param, BILSTM))
    overfit(nlp)
    return nlp


def test_a_batch_of_empty_docs_has_no_loss(small_nlp: Language) -> None:
    empty = Example(Doc(small_nlp.vocab), Doc(small_nlp.vocab))
    losses = small_nlp.update([empty, empty], sgd=small_nlp.resume_training())
    assert all(loss == 0.0 for loss in losses.values())


def test_training_accepts_empty_docs_between_others(small_nlp: Language) -> None:
    empty = Example(Doc(small_nlp.vocab), Doc(small_nlp.vocab))
    losses = small_nlp.update([empty, *make_examples(small_nlp.vocab, 3), empty], sgd=small_nlp.resume_training())
    assert all(numpy.isfinite(loss) for loss in losses.values())


def test_a_batch_of_empty_docs_is_annotated(small_nlp: Language) -> None:
    assert [len(doc) for doc in small_nlp.pipe(["", ""])] == [0, 0]
    assert small_nlp("").tensor.size == 0


def test_empty_docs_do_not_change_the_annotation_of_others(small_nlp: Language) -> None:
    text = "Anna travels to Oslo ."
    first, between, last = small_nlp.pipe(["", text, ""])
    assert len(first) == len(last) == 0
    assert get_annotations([between]) == get_annotations([small_nlp(text)])


# Other models

# The default model sets nI, and spaCy would keep it.
GRU_CONFIGS = {name: make_config(name, GRU | {"nI": WIDTH}) for name in FACTORIES}


@pytest.mark.parametrize("name", FACTORIES)
def test_create_pipe_uses_the_encoder_of_its_config(name: str) -> None:
    pipe = spacy.blank("en").create_pipe(name, config=GRU_CONFIGS[name])
    (encoder,) = [node for node in pipe.model.walk() if node.name == "recurrent_encoder"]
    assert encoder.get_dim("nO") == WIDTH
    assert any(isinstance(module, torch.nn.GRU) for module in encoder.shims[0].module.modules())


@pytest.mark.parametrize("name", FACTORIES)
def test_the_config_of_the_pipeline_has_the_encoder(name: str) -> None:
    model = make_nlp(name, GRU_CONFIGS[name]).config["components"][name]["model"]
    assert model.get("tok2vec", model)["encode"]["cell"] == "gru"


@pytest.mark.parametrize("name", FACTORIES)
def test_another_encoder_learns(name: str) -> None:
    nlp = make_nlp(name, GRU_CONFIGS[name])
    overfit(nlp)
    assert nlp.evaluate(make_examples(nlp.vocab))[SCORES[name]] > 0.98


@pytest.mark.parametrize("name", FACTORIES)
def test_a_partial_config_changes_one_argument_of_the_default_model(name: str) -> None:
    nlp = spacy.blank("en")
    encode = {"encode": {"depth": 2}, "embed": {"rows": EMBED["rows"]}}
    default = spacy.blank("en")
    default.add_pipe(name)
    nlp.add_pipe(name, config={"model": encode if name == "bilstm_tok2vec" else {"tok2vec": encode}})
    expected, actual = (x.config["components"][name]["model"] for x in (default, nlp))
    expected, actual = (x.get("tok2vec", x)["encode"] for x in (expected, actual))
    assert actual == expected | {"depth": 2}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("bilstm_tagger", {"label_smoothing": 1.0}, "label_smoothing of 'bilstm_tagger' is a share of probability"),
        ("bilstm_morphologizer", {"label_smoothing": "0.1"}, "label_smoothing of .* must be a number, but is '0.1'"),
        ("bilstm_textcat", {"threshold": 2.0}, "threshold of 'bilstm_textcat' is a score. Set it to 0..1"),
        ("bilstm_textcat_multilabel", {"threshold": -0.5}, "threshold of .* is a score"),
        ("bilstm_ner", {"threshold": "1"}, "threshold of 'bilstm_ner' must be a number"),
    ],
    ids=str,
)
def test_a_setting_that_can_not_be_stored_is_an_error_at_once(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        spacy.blank("en").add_pipe(name, config=settings)
