"""Storage, copies, settings and errors of `bilstm_ner`."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from thinc.api import Config
from toy_corpus import make_docs, make_examples
from toy_ner import (
    KEY,
    MODEL,
    TEXTS,
    get_ents,
    get_scores,
    make_nlp,
)
from toy_pipelines import BILSTM, LISTENER, make_tok2vec, overfit


def test_stored_pickled_and_copied_pipelines_predict_the_same(load: Callable[..., Language], tmp_path: Path) -> None:
    nlp = load(confidences=KEY, threshold=0.25, temperature=2.0)
    expected = [(get_ents(doc), get_scores(doc)) for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path / "model")
    settings = {"confidences": KEY, "threshold": 0.25, "temperature": 2.0}
    loaded = [
        spacy.load(tmp_path / "model"),
        make_nlp(**settings).from_bytes(nlp.to_bytes()),
        pickle.loads(pickle.dumps(nlp)),
        copy.deepcopy(nlp),
    ]
    for other in loaded:
        assert [(get_ents(doc), get_scores(doc)) for doc in other.pipe(TEXTS)] == expected
        assert other.get_pipe("bilstm_ner").cfg == nlp.get_pipe("bilstm_ner").cfg
    sourced = spacy.blank("xx")
    sourced.add_pipe("bilstm_ner", source=loaded[0])
    assert [get_ents(doc) for doc in sourced.pipe(TEXTS)] == [ents for ents, _ in expected]


def test_a_setting_changed_after_training_is_stored(nlp: Language, tmp_path: Path) -> None:
    """A setting that is given at loading comes first."""
    nlp.get_pipe("bilstm_ner").cfg["temperature"] = 1.5
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model", config={"components": {"bilstm_ner": {"confidences": KEY}}})
    assert loaded.get_pipe("bilstm_ner").cfg["temperature"] == 1.5
    assert KEY in loaded(TEXTS[1]).spans
    loaded.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again", config={"components": {"bilstm_ner": {"temperature": 3.0}}})
    assert again.get_pipe("bilstm_ner").cfg["temperature"] == 3
    assert again.get_pipe("bilstm_ner").cfg["confidences"] == KEY


def test_a_failed_load_changes_nothing(nlp: Language, tmp_path: Path) -> None:
    ner = nlp.get_pipe("bilstm_ner")
    other = make_nlp(model={"@architectures": "spacy-bilstm.CRFTagger.v1"} | {"tok2vec": MODEL["tok2vec"]})
    overfit(other, epochs=1)
    other.get_pipe("bilstm_ner").to_disk(tmp_path / "ner")
    (tmp_path / "ner" / "model").write_bytes(b"broken")
    before = ner.to_bytes()
    with pytest.raises(ValueError, match="Can't load the component 'bilstm_ner'"):
        ner.from_disk(tmp_path / "ner")
    assert ner.to_bytes() == before
    assert get_ents(nlp("Anna")) == [(0, 1, "PERSON")]


def test_init_labels_and_train_work_from_a_config(tmp_path: Path, corpus: Path, run_spacy: Callable[..., Any]) -> None:
    """Training takes parameter averages."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("bilstm_tok2vec", name="tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": MODEL | {"tok2vec": LISTENER}, "confidences": KEY})
    config = Config(nlp.config)
    config["paths"] |= {"train": str(corpus / "train.spacy"), "dev": str(corpus / "dev.spacy")}
    config["training"] |= {"max_epochs": 12, "eval_frequency": 20}
    config["training"]["optimizer"] |= {"learn_rate": 0.02, "use_averages": True}
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("init", "labels", tmp_path / "config.cfg", tmp_path / "labels")
    path = str(tmp_path / "labels" / "ner.json")
    config["initialize"]["components"]["ner"] = {"labels": {"@readers": "spacy.read_labels.v1", "path": path}}
    config.to_disk(tmp_path / "config.cfg")
    result = run_spacy("train", tmp_path / "config.cfg", "--output", tmp_path)
    assert "ENTS_F" in result.output
    trained = spacy.load(tmp_path / "model-best")
    assert trained.meta["performance"]["ents_f"] > 0.95
    assert trained.get_pipe("ner").labels == ("GPE", "PERSON")
    assert get_scores(trained("Anna travels to Rome ."))


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_a_threshold_that_is_no_probability_is_an_error(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold of 'bilstm_ner'"):
        make_nlp(threshold=threshold)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_not_above_zero_is_an_error(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature of 'bilstm_ner'"):
        make_nlp(temperature=temperature)


def test_misuse_is_an_error_with_a_remedy(nlp: Language) -> None:
    ner = nlp.get_pipe("bilstm_ner")
    with pytest.raises(ValueError, match="before its model is initialized"):
        make_nlp()("Anna")
    with pytest.raises(ValueError, match="must be at least 1"):
        ner.k_best([nlp.make_doc("Anna")], 0)
    for label in ("", 3):
        with pytest.raises(ValueError, match="must be a string"):
            ner.add_label(label)
    with pytest.raises(TypeError):
        nlp.update(make_docs(nlp.vocab, 2))
    fixed = make_nlp(model=MODEL | {"nO": 5})
    with pytest.raises(ValueError, match=r"made for 5 tags .* 2 labels need 9.*Set nO = null"):
        fixed.initialize(lambda: make_examples(fixed.vocab))
