"""The labels of `bilstm_ner`: from examples, added later, or none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from thinc.api import Optimizer
from toy_corpus import make_examples
from toy_ner import MODEL, TEXTS, get_ents, get_gold, make_long_examples, make_nlp


def test_labels_are_sorted() -> None:
    """This holds for labels of the examples, for those added before, and for given ones."""
    nlp = make_nlp()
    ner = nlp.get_pipe("bilstm_ner")
    assert ner.labels == ()
    assert [ner.add_label(label) for label in ("ZZ", "AA", "ZZ")] == [1, 1, 0]
    nlp.initialize(lambda: make_examples(nlp.vocab))
    assert ner.labels == ner.label_data == ("AA", "GPE", "PERSON", "ZZ")
    assert ner.model.get_dim("nO") == 17
    assert ner.cfg["labels"] == list(ner.labels)
    other = make_nlp()
    other.get_pipe("bilstm_ner").initialize(lambda: make_examples(other.vocab), labels=["Z", "A"])
    assert other.get_pipe("bilstm_ner").labels == ("A", "Z")


def test_label_data_of_one_component_gives_another_the_same_labels(nlp: Language) -> None:
    other = make_nlp()
    label_data = list(nlp.get_pipe("bilstm_ner").label_data)
    other.config["initialize"]["components"]["bilstm_ner"] = {"labels": label_data}
    other.initialize(lambda: [Example(other.make_doc("a"), other.make_doc("a"))])
    assert other.get_pipe("bilstm_ner").labels == nlp.get_pipe("bilstm_ner").labels


def test_a_pipeline_can_be_initialised_again_with_more_labels() -> None:
    nlp = make_nlp()
    ner = nlp.get_pipe("bilstm_ner")
    nlp.initialize(lambda: make_examples(nlp.vocab))
    nlp.initialize(lambda: make_long_examples(nlp))
    assert ner.labels == ("GPE", "LONG", "LONGER", "LONGEST", "PERSON")
    assert ner.model.get_dim("nO") == 21
    nlp("Anna")


def test_a_label_can_be_added_to_a_trained_model(nlp: Language) -> None:
    """It keeps what was learned, is learned itself, and survives storage."""
    ner = nlp.get_pipe("bilstm_ner")
    before = ner.model.predict([nlp.make_doc(TEXTS[1])])[0]
    nlp.resume_training()
    assert ner.add_label("ANIMAL") == 1
    assert ner.add_label("ANIMAL") == 0
    assert ner.labels == ("GPE", "PERSON", "ANIMAL")
    after = ner.model.predict([nlp.make_doc(TEXTS[1])])[0]
    numpy.testing.assert_array_equal(after[:, :9], before)
    assert after.shape[1] == 13
    docs = list(nlp.pipe(TEXTS))
    assert [get_ents(doc) for doc in docs] == [get_gold(doc) for doc in docs]
    examples = make_examples(nlp.vocab)
    for example in examples:
        animals = [Span(example.y, token.i, token.i + 1, "ANIMAL") for token in example.y if token.tag_[:2] == "NN"]
        example.y.ents = [*example.y.ents, *(span for span in animals if span[0].pos_ == "NOUN")]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.02
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    scores = make_nlp().from_bytes(nlp.to_bytes()).evaluate(examples)
    assert scores["ents_per_type"]["ANIMAL"]["f"] > 0.95
    assert scores["ents_f"] > 0.95


def test_new_labels_of_examples_are_added_in_training(nlp: Language) -> None:
    doc = nlp.make_doc("Anna travels")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update([Example.from_dict(doc, {"entities": ["O", "U-VERB"]})], sgd=optimizer)
    assert nlp.get_pipe("bilstm_ner").labels == ("GPE", "PERSON", "VERB")
    assert get_ents(nlp("Anna travels")) == [(1, 2, "VERB")]


UNANNOTATED = {"outside": {"entities": ["O", "O"]}, "missing": {}}


@pytest.mark.parametrize("annotation", list(UNANNOTATED.values()), ids=list(UNANNOTATED))
@pytest.mark.parametrize("labels", [None, []])
def test_training_data_without_labels_is_an_error_that_says_what_to_check(
    annotation: dict[str, Any], labels: list[str] | None
) -> None:
    """This holds for entities that the reader of a corpus has not found, and for an empty result of `init labels`."""
    nlp = make_nlp()
    if labels is not None:
        nlp.config["initialize"]["components"]["bilstm_ner"] = {"labels": labels}
    with pytest.raises(ValueError, match=r"'bilstm_ner' has no labels: the training data.*bilstm corpus"):
        nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("a b"), annotation)])


def test_labels_that_were_added_are_enough_to_initialise_without_examples() -> None:
    nlp = make_nlp()
    nlp.get_pipe("bilstm_ner").add_label("PERSON")
    nlp.initialize()
    assert nlp.get_pipe("bilstm_ner").labels == ("PERSON",)
    nlp("Anna")


def test_no_labels_and_no_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="call add_label first"):
        make_nlp().initialize()


# A fixed number of tags


def make_fixed_nlp(n_tags: int) -> Language:
    return make_nlp(model=MODEL | {"nO": n_tags})


def make_example(nlp: Language, label: str) -> Example:
    return Example.from_dict(nlp.make_doc("Anna travels"), {"entities": [f"U-{label}", "O"]})


def add_in_training(nlp: Language, optimizer: Optimizer) -> None:
    nlp.update([make_example(nlp, "PLACE")], sgd=optimizer)


def add_by_name(nlp: Language, optimizer: Optimizer) -> None:
    nlp.get_pipe("bilstm_ner").add_label("PLACE")


def add_by_initialising_again(nlp: Language, optimizer: Optimizer) -> None:
    nlp.initialize(lambda: [make_example(nlp, "PLACE")])


@pytest.mark.parametrize("add", [add_in_training, add_by_name, add_by_initialising_again])
def test_a_model_with_a_fixed_number_of_tags_is_loaded_with_the_labels_that_it_got_later(
    add: Callable[[Language, Optimizer], None], tmp_path: Path
) -> None:
    nlp = make_fixed_nlp(5)
    add(nlp, nlp.initialize(lambda: [make_example(nlp, "PERSON")]))
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("bilstm_ner").labels == nlp.get_pipe("bilstm_ner").labels == ("PERSON", "PLACE")
    assert loaded.to_bytes() == nlp.to_bytes()
    loaded.get_pipe("bilstm_ner").add_label("THING")
    loaded.to_disk(tmp_path)
    assert len(spacy.load(tmp_path).get_pipe("bilstm_ner").labels) == 3


def test_labels_that_do_not_fit_a_fixed_number_of_tags_are_not_kept() -> None:
    nlp = make_fixed_nlp(5)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"'bilstm_ner' is made for 5 tags .* 2 labels need 9"):
            nlp.initialize(lambda: [make_example(nlp, "PERSON"), make_example(nlp, "TYPO")])
        assert nlp.get_pipe("bilstm_ner").labels == ()
    nlp.initialize(lambda: [make_example(nlp, "PERSON")])
    assert nlp.get_pipe("bilstm_ner").labels == ("PERSON",)
