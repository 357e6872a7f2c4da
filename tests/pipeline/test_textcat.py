"""The factories `bilstm_textcat` and `bilstm_textcat_multilabel`: spaCy's contract, labels, empty docs, storage."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from toy_corpus import LABELS, make_docs, make_examples
from toy_pipelines import BILSTM, LISTENER, get_annotations, get_distance, get_weights, make_tok2vec, overfit, update

STOCK = {"bilstm_textcat": "textcat", "bilstm_textcat_multilabel": "textcat_multilabel"}
SMALL = {"model": {"tok2vec": make_tok2vec(BILSTM)}}


def make_nlp(name: str, config: dict[str, Any] | None = None) -> Language:
    """Give a pipeline with one of our components."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe(name, config=SMALL if config is None else config)
    return nlp


def get_accuracy(nlp: Language) -> float:
    """Give the score of a pipeline on docs that it was not trained on."""
    return float(nlp.evaluate(make_examples(nlp.vocab, seed=5))["cats_score"])


@pytest.mark.parametrize("name", STOCK)
def test_contract(name: str) -> None:
    """What is assigned, how it is scored and all settings but the model are as in spaCy's component."""
    nlp = spacy.blank("en")
    for factory in (name, STOCK[name]):
        nlp.add_pipe(factory)
    ours, stock = (nlp.get_pipe_meta(factory) for factory in (name, STOCK[name]))
    assert ours.assigns == stock.assigns == ["doc.cats"]
    assert ours.default_score_weights == stock.default_score_weights
    assert ours.scores == stock.scores
    assert ours.default_config.keys() == stock.default_config.keys()
    for key in ("threshold", "scorer"):
        assert ours.default_config[key] == stock.default_config[key]
    assert nlp.get_pipe(name).is_trainable
    assert not any(nlp.analyze_pipes()["problems"].values())


@pytest.mark.parametrize("name", STOCK)
def test_default_model_learns_saves_and_loads(name: str, tmp_path: Path) -> None:
    """The default model learns from a few docs; saved and loaded, it predicts the same."""
    nlp = make_nlp(name, {})
    overfit(nlp, epochs=2, learn_rate=0.005)
    assert get_accuracy(nlp) > 0.98
    nlp.to_disk(tmp_path)
    texts = ["", *(doc.text for doc in make_docs(nlp.vocab, seed=5))]
    assert get_annotations(spacy.load(tmp_path).pipe(texts)) == get_annotations(nlp.pipe(texts))


@pytest.mark.parametrize("name", STOCK)
def test_listener(name: str) -> None:
    """It learns from a tok2vec that it listens to, and trains that one."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe(name, config={"model": {"tok2vec": LISTENER}})
    optimizer = overfit(nlp, epochs=4)
    assert get_accuracy(nlp) > 0.98
    before = get_weights(nlp.get_pipe("tok2vec").model)
    update(nlp, optimizer)
    assert get_distance(before, get_weights(nlp.get_pipe("tok2vec").model), torch_only=True) > 0


@pytest.mark.parametrize("name", STOCK)
def test_empty_docs(name: str) -> None:
    """They are trained on and have the same scores in every batch; an empty batch has none."""
    nlp = make_nlp(name)
    optimizer = overfit(nlp, epochs=2)
    empty = Example(Doc(nlp.vocab), Doc(nlp.vocab))
    empty.reference.cats = dict.fromkeys(LABELS, 0.0)
    nlp.update([empty, empty], sgd=optimizer)
    nlp.update([empty, *make_examples(nlp.vocab, 3), empty], sgd=optimizer)
    alone = nlp("").cats
    batch = [doc.cats for doc in nlp.pipe(["", "Anna travels to Oslo .", ""])]
    assert batch[0] == pytest.approx(alone, abs=1e-5)
    assert batch[2] == pytest.approx(alone, abs=1e-5)
    assert all(0.0 < score < 1.0 for score in alone.values())
    assert nlp.get_pipe(name).predict([]).shape == (0, len(LABELS))


@pytest.mark.parametrize("name", STOCK)
def test_labels(name: str) -> None:
    """They are sorted, or as given; labels added after training are learnt in the next one."""
    nlp = make_nlp(name)
    examples = make_examples(nlp.vocab)
    for example in examples:
        example.reference.cats = dict(reversed(example.reference.cats.items()))
    nlp.initialize(lambda: examples)
    pipe = nlp.get_pipe(name)
    assert pipe.labels == pipe.label_data == tuple(sorted(LABELS))
    pipe.add_label("OTHER")
    assert len(nlp("Anna travels .").cats) == 3
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.02
    for example in examples:
        example.reference.cats = {**dict.fromkeys(LABELS, 0.0), "OTHER": 1.0}
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    assert nlp("Anna travels .").cats["OTHER"] > 0.8
    given = make_nlp(name)
    pipe = given.get_pipe(name)
    pipe.initialize(lambda: examples, labels=["Z", *reversed(LABELS)])
    assert pipe.labels == ("Z", *reversed(LABELS))
    assert len(given("Anna travels .").cats) == 3


def test_positive_label() -> None:
    """`initialize` takes it, through the config, too, and the score is that of this label."""
    nlp = make_nlp("bilstm_textcat")
    nlp.config["initialize"]["components"] = {"bilstm_textcat": {"positive_label": "TRAVEL"}}
    overfit(nlp, epochs=1)
    scores = nlp.evaluate(make_examples(nlp.vocab))
    assert "TRAVEL" in scores["cats_score_desc"]
    pipe = nlp.get_pipe("bilstm_textcat")
    with pytest.raises(ValueError, match="BUS"):
        pipe.initialize(lambda: make_examples(nlp.vocab), positive_label="BUS")


def test_missing_labels_of_multilabel_docs_are_not_negative() -> None:
    """A label that a doc says nothing of has no loss."""
    nlp = make_nlp("bilstm_textcat_multilabel")
    overfit(nlp, epochs=1)
    examples = make_examples(nlp.vocab, 4)
    for example in examples:
        example.reference.cats = {}
    assert nlp.update(examples, sgd=nlp.resume_training())["bilstm_textcat_multilabel"] == 0.0


@pytest.mark.parametrize("name", STOCK)
def test_failed_load_changes_nothing(name: str, tmp_path: Path) -> None:
    """Damaged files are an error that names the component, which stays as it was."""
    nlp = make_nlp(name)
    overfit(nlp, epochs=1)
    pipe = nlp.get_pipe(name)
    pipe.to_disk(tmp_path)
    (tmp_path / "model").write_bytes((tmp_path / "model").read_bytes()[:100])
    before = pipe.to_bytes(exclude=["vocab"])
    with pytest.raises(ValueError, match=f"Can't load the component '{name}'"):
        pipe.from_disk(tmp_path)
    assert pipe.to_bytes(exclude=["vocab"]) == before


def test_rehearse() -> None:
    """`nlp.rehearse` draws the model, our torch weights, too, back to what it predicted before."""
    nlp = make_nlp("bilstm_textcat")
    overfit(nlp, epochs=3)
    optimizer = nlp.resume_training()
    before = get_weights(nlp.get_pipe("bilstm_textcat").model)
    update(nlp, optimizer)
    nlp.rehearse(make_examples(nlp.vocab, 8), sgd=optimizer)
    assert get_distance(before, get_weights(nlp.get_pipe("bilstm_textcat").model), torch_only=True) > 0
