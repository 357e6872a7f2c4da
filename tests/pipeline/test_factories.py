"""The factories `bilstm_tok2vec`, `bilstm_tagger` and `bilstm_morphologizer` with their default models and others."""

from pathlib import Path

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, fix_random_seed, with_array
from toy_corpus import make_docs, make_examples
from toy_pipelines import BILSTM, EMBED, GRU, LISTENER, WIDTH, add_stock_pipe, get_annotations, make_tok2vec, overfit

from spacy_bilstm.pipeline.tagging import FastTagging, is_linear

FACTORIES = ["bilstm_tok2vec", "bilstm_tagger", "bilstm_morphologizer"]
TRAINABLE = {
    "bilstm_tok2vec": "tag_acc",  # Its listener, a stock tagger, is what learns.
    "bilstm_tagger": "tag_acc",
    "bilstm_morphologizer": "morph_acc",
}


def make_nlp(name: str, config: dict | None = None) -> Language:
    """Give a pipeline with one of our components, and a listener beside the tok2vec."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe(name, config=config or {})
    if name == "bilstm_tok2vec":
        width = pipe.model.get_dim("nO")
        add_stock_pipe(nlp, "tagger", LISTENER | {"width": width, "upstream": name})
    return nlp


def make_config(name: str, encode: dict) -> dict:
    """Give the config with which a factory uses a small tok2vec with some encoder."""
    tok2vec = make_tok2vec(encode)
    return {"model": tok2vec if name == "bilstm_tok2vec" else {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}}


@pytest.mark.parametrize("name", FACTORIES)
def test_default_model_overfits_saves_and_loads(name: str, tmp_path: Path) -> None:
    """The default model learns a few sentences; saved and loaded, it predicts the same."""
    nlp = make_nlp(name)
    overfit(nlp, epochs=4, learn_rate=0.005)
    assert nlp.evaluate(make_examples(nlp.vocab))[TRAINABLE[name]] > 0.98
    nlp.to_disk(tmp_path)
    texts = [doc.text for doc in make_docs(nlp.vocab, seed=5)]
    expected, loaded = (list(x.pipe(texts)) for x in (nlp, spacy.load(tmp_path)))
    assert get_annotations(loaded) == get_annotations(expected)
    for left, right in zip(expected, loaded, strict=True):
        numpy.testing.assert_array_equal(left.tensor, right.tensor)


def test_analyze_pipes() -> None:
    """`nlp.analyze_pipes` knows what each component assigns, and finds no problem."""
    nlp = spacy.blank("en")
    for name in FACTORIES:
        nlp.add_pipe(name)
    analysis = nlp.analyze_pipes()
    assert {name: set(analysis["summary"][name]["assigns"]) for name in FACTORIES} == {
        "bilstm_tok2vec": {"doc.tensor"},
        "bilstm_tagger": {"token.tag"},
        "bilstm_morphologizer": {"token.morph", "token.pos"},
    }
    assert not any(analysis["problems"].values())


@pytest.mark.parametrize("name", FACTORIES)
def test_empty_docs(name: str) -> None:
    """Empty docs, between others and as whole batches, are trained on and annotated; others do not notice them."""
    nlp = make_nlp(name, make_config(name, BILSTM))
    optimizer = overfit(nlp)
    empty = Example(Doc(nlp.vocab), Doc(nlp.vocab))
    losses = nlp.update([empty, empty], sgd=optimizer)
    assert all(loss == 0.0 for loss in losses.values())
    nlp.update([empty, *make_examples(nlp.vocab, 3), empty], sgd=optimizer)
    assert [len(doc) for doc in nlp.pipe(["", ""])] == [0, 0]
    text = "Anna travels to Oslo ."
    first, alone, last = nlp.pipe(["", text, ""])
    assert len(first) == len(last) == 0
    assert get_annotations([alone]) == get_annotations([nlp(text)])
    assert nlp("").tensor.size == 0


@pytest.mark.parametrize("name", FACTORIES)
def test_config_overrides_the_encoder(name: str) -> None:
    """`create_pipe` and `add_pipe` take another encoder by config; the pipeline's config says so, and it learns."""
    config = make_config(name, GRU | {"nI": WIDTH})  # The default has a value for nI, which spaCy would keep.
    pipe = spacy.blank("en").create_pipe(name, config=config)
    (encoder,) = [node for node in pipe.model.walk() if node.name == "recurrent_encoder"]
    assert encoder.get_dim("nO") == WIDTH
    assert encoder.shims[0].module.layers[0].cell.name == "gru"
    nlp = make_nlp(name, config)
    model = nlp.config["components"][name]["model"]
    assert model.get("tok2vec", model)["encode"]["cell"] == "gru"
    overfit(nlp)
    assert nlp.evaluate(make_examples(nlp.vocab))[TRAINABLE[name]] > 0.98


@pytest.mark.parametrize("name", FACTORIES)
def test_one_key_of_the_encoder_is_overridden(name: str) -> None:
    """One key in a partial config changes that argument of the default model and leaves the others."""
    nlp = spacy.blank("en")
    encode = {"encode": {"depth": 2}, "embed": {"rows": EMBED["rows"]}}
    default = spacy.blank("en")
    default.add_pipe(name)
    nlp.add_pipe(name, config={"model": encode if name == "bilstm_tok2vec" else {"tok2vec": encode}})
    expected, actual = (x.config["components"][name]["model"] for x in (default, nlp))
    expected, actual = (x.get("tok2vec", x)["encode"] for x in (expected, actual))
    assert actual == expected | {"depth": 2}


@pytest.mark.parametrize("name", ["bilstm_tagger", "bilstm_morphologizer"])
def test_fast_tags_are_those_of_spacys_own_way(name: str) -> None:
    nlp = make_nlp(name, make_config(name, BILSTM))
    overfit(nlp)
    pipe = nlp.get_pipe(name)
    docs = [nlp.make_doc(""), *(doc.copy() for doc in make_docs(nlp.vocab)), nlp.make_doc("")]
    stock = super(FastTagging, pipe).predict(docs)
    assert [labels.tolist() for labels in pipe.predict(docs)] == [labels.tolist() for labels in stock]
    assert is_linear(pipe.model, "softmax")
    assert len({label for labels in stock for label in labels.tolist()}) > 1


def test_another_models_tags_are_left_to_spacy() -> None:
    nlp = make_nlp("bilstm_tagger", make_config("bilstm_tagger", BILSTM))
    pipe = nlp.get_pipe("bilstm_tagger")
    nlp.initialize(lambda: make_examples(nlp.vocab))
    docs = make_docs(nlp.vocab)
    pipe.model.layers.append(with_array(Model("negative", lambda model, X, is_train: (-X, lambda dX: -dX))))
    n_labels = len(pipe.labels)
    pipe.model.get_ref("softmax").set_param("b", numpy.arange(n_labels, dtype="f"))
    assert not any(labels.any() for labels in pipe.predict(docs))
