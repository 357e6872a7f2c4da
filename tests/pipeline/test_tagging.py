"""Fast prediction of tags: the same as spaCy's, for models that it is made for."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model, fix_random_seed, with_array
from toy_components import make_trained_pipe
from toy_corpus import make_docs, make_examples
from toy_pipelines import BILSTM, make_tok2vec, overfit

from spacy_bilstm.pipeline.tagging import FastTagging, is_linear


def make_nlp(name: str, **settings: Any) -> Language:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    config: dict[str, Any] = {"@architectures": "spacy.Tagger.v2", "tok2vec": make_tok2vec(BILSTM)}
    nlp.add_pipe(name, config={"model": config, **settings})
    return nlp


def make_batch(nlp: Language) -> list[Doc]:
    return [nlp.make_doc(""), *(doc.copy() for doc in make_docs(nlp.vocab)), nlp.make_doc("")]


@pytest.mark.parametrize("name", ["bilstm_tagger", "bilstm_morphologizer"])
def test_labels_equal_those_of_spacy(name: str) -> None:
    nlp = make_nlp(name)
    overfit(nlp)
    pipe, docs = nlp.get_pipe(name), make_batch(nlp)
    assert is_linear(pipe.model, "softmax")
    stock = super(FastTagging, pipe).predict(docs)
    assert [labels.tolist() for labels in pipe.predict(docs)] == [labels.tolist() for labels in stock]
    assert len({label for labels in stock for label in labels.tolist()}) > 1


def test_a_model_with_another_layer_is_left_to_spacy() -> None:
    """The layer negates the scores, so the label with the smallest bias is the best one."""
    nlp = make_nlp("bilstm_tagger")
    pipe = nlp.get_pipe("bilstm_tagger")
    nlp.initialize(lambda: make_examples(nlp.vocab))
    pipe.model.layers.append(with_array(Model("negative", lambda model, X, is_train: (-X, lambda dX: -dX))))
    pipe.model.get_ref("softmax").set_param("b", numpy.arange(len(pipe.labels), dtype="f"))
    assert not is_linear(pipe.model, "softmax")
    assert not any(labels.any() for labels in pipe.predict(make_docs(nlp.vocab)))


def test_a_model_without_a_tok2vec_is_not_linear() -> None:
    assert not is_linear(Model("other", lambda model, X, is_train: (X, lambda dX: dX)), "softmax")


@pytest.mark.parametrize("name", ["bilstm_tagger", "bilstm_morphologizer"])
def test_a_corpus_with_a_single_label_can_be_trained_with_label_smoothing(name: str) -> None:
    nlp = make_nlp(name, label_smoothing=0.05)
    docs = [Doc(nlp.vocab, words=["a", "b"], tags=["X", "X"], pos=["X", "X"]) for _ in range(2)]
    examples = [Example(nlp.make_doc("a b"), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    assert nlp.update(examples, sgd=optimizer) == {name: 0.0}
    assert nlp.get_pipe(name).cfg["label_smoothing"] == 0.05
    assert nlp("a b")[0].pos_ == "X" or nlp("a b")[0].tag_ == "X"


def test_a_tag_that_is_new_in_training_is_an_error_that_names_it() -> None:
    pipe = make_trained_pipe("bilstm_tagger")
    words = ["Anna", "left"]
    example = Example(Doc(pipe.vocab, words=words), Doc(pipe.vocab, words=words, tags=["NNP", "NEW"]))
    with pytest.raises(ValueError, match="has the label 'NEW', which 'bilstm_tagger' does not have"):
        pipe.update([example])


def make_fixed_nlp(name: str, n_labels: int) -> Language:
    """Return a pipeline of a component whose model is made for a number of labels."""
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": make_tok2vec(BILSTM), "nO": n_labels}
    return make_nlp(name, model=model)


def make_two_examples(nlp: Language) -> list[Example]:
    """Return examples with two tags and two analyses."""
    doc = Doc(nlp.vocab, words=["Anna", "left"], tags=["NNP", "VBD"], pos=["PROPN", "VERB"], morphs=["", "Tense=Past"])
    return [Example(nlp.make_doc("Anna left"), doc)]


@pytest.mark.parametrize("n_labels", [1, 5])
@pytest.mark.parametrize("name", ["bilstm_tagger", "bilstm_morphologizer"])
def test_a_fixed_number_of_labels_must_be_that_of_the_labels(name: str, n_labels: int) -> None:
    source, nlp = make_nlp(name), make_fixed_nlp(name, n_labels)
    source.initialize(lambda: make_two_examples(source))
    pipe = nlp.get_pipe(name)
    for labels in (None, source.get_pipe(name).label_data):
        message = f"'{name}' is made for {n_labels} labels .*, but there are 2 labels. Set nO = null"
        with pytest.raises(ValueError, match=message):
            pipe.initialize(lambda: make_two_examples(nlp), labels=labels)
        assert pipe.labels == ()


@pytest.mark.parametrize("name", ["bilstm_tagger", "bilstm_morphologizer"])
def test_a_fixed_number_of_labels_that_fits_can_be_trained_saved_and_initialised_again(
    name: str, tmp_path: Path
) -> None:
    nlp = make_fixed_nlp(name, 2)
    nlp.update(make_two_examples(nlp), sgd=nlp.initialize(lambda: make_two_examples(nlp)))
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    loaded.update(make_two_examples(loaded), sgd=loaded.initialize(lambda: make_two_examples(loaded)))
    assert loaded.get_pipe(name).labels == nlp.get_pipe(name).labels


@pytest.mark.parametrize("name", ["bilstm_tagger", "bilstm_morphologizer"])
def test_labels_that_were_added_before_count_for_a_fixed_number_of_labels(name: str) -> None:
    nlp = make_fixed_nlp(name, 2)
    nlp.get_pipe(name).add_label("POS=NOUN")
    with pytest.raises(ValueError, match=r"is made for 2 labels .*, but there are 3 labels"):
        nlp.initialize(lambda: make_two_examples(nlp))
