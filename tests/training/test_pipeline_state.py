"""The state of a pipeline and its optimizer in training."""

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Adam, Optimizer, fix_random_seed
from toy_corpus import make_examples

from spacy_bilstm.training.optimizers import make_adam_v1
from spacy_bilstm.training.pipeline_state import (
    get_components_state,
    get_models_state,
    get_optimizer_state,
    get_trained_models,
    set_components_state,
    set_models_state,
    set_optimizer_state,
)


def make_lemma(nlp: Language, word: str, lemma: str) -> Example:
    return Example(Doc(nlp.vocab, words=[word]), Doc(nlp.vocab, words=[word], lemmas=[lemma]))


def copy(state: Any) -> Any:
    return srsly.msgpack_loads(srsly.msgpack_dumps(state))


def train(nlp: Language, optimizer: Optimizer, examples: list[Example], steps: int) -> None:
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer, drop=0.2)
        optimizer.step_schedules()


@pytest.mark.parametrize(
    ("names", "make_optimizer"),
    [
        (["bilstm_tok2vec", "bilstm_tagger"], make_adam_v1),
        (["tagger"], lambda: Adam(0.01)),
        (["ner"], lambda: Adam(0.01, use_averages=False)),
    ],
)
def test_training_goes_on_in_another_pipeline(names: list[str], make_optimizer: Callable[[], Optimizer]) -> None:
    def make_pipeline() -> Language:
        nlp = spacy.blank("en")
        for name in names:
            nlp.add_pipe(name)
        nlp.initialize(lambda: make_examples(nlp.vocab, 6))
        return nlp

    first, second = make_pipeline(), make_pipeline()
    optimizers = make_optimizer(), make_optimizer()
    models = [get_trained_models(nlp, frozen=[]) for nlp in (first, second)]
    train(first, optimizers[0], make_examples(first.vocab, 6), 2)
    set_models_state(models[1], copy(get_models_state(models[0])))
    set_optimizer_state(optimizers[1], models[1], copy(get_optimizer_state(optimizers[0], models[0])))
    for nlp, optimizer in zip((first, second), optimizers, strict=True):
        fix_random_seed(0)
        train(nlp, optimizer, make_examples(nlp.vocab, 6), 2)
    for name in names:
        assert first.get_pipe(name).to_bytes() == second.get_pipe(name).to_bytes()  # type: ignore[attr-defined]
    assert (optimizers[0].averages is None) == (optimizers[1].averages is None)
    for one, other in zip(
        (optimizers[0].averages or {}).values(), (optimizers[1].averages or {}).values(), strict=True
    ):
        numpy.testing.assert_array_equal(one, other)


def test_a_frozen_component_is_left_out() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger").add_label("X")  # type: ignore[attr-defined]
    nlp.add_pipe("sentencizer")
    assert list(get_trained_models(nlp, frozen=[])) == ["tagger"]
    assert not get_trained_models(nlp, frozen=["tagger"])


def test_trees_that_a_lemmatizer_added_are_kept() -> None:
    def make_pipeline() -> Language:
        nlp = spacy.blank("en")
        nlp.add_pipe("trainable_lemmatizer", config={"min_tree_freq": 1})
        nlp.initialize(lambda: [make_lemma(nlp, "cats", "cat")])
        return nlp

    first, second = make_pipeline(), make_pipeline()
    first.update([make_lemma(first, "went", "go")])
    lemmatizers: list[Any] = [nlp.get_pipe("trainable_lemmatizer") for nlp in (first, second)]
    assert lemmatizers[0].trees.to_bytes() != lemmatizers[1].trees.to_bytes()
    for string in first.vocab.strings:
        second.vocab.strings.add(string)
    set_components_state(second, copy(get_components_state(first, ["trainable_lemmatizer"])))
    assert lemmatizers[0].trees.to_bytes() == lemmatizers[1].trees.to_bytes()


def test_a_parameter_outside_the_models_is_an_error() -> None:
    optimizer = Adam(0.01)
    optimizer((-1, "W"), numpy.ones(2, dtype="float32"), numpy.ones(2, dtype="float32"))
    with pytest.raises(ValueError, match="is in no model of the pipeline"):
        get_optimizer_state(optimizer, {})


def test_the_state_of_other_models_is_refused() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger").add_label("X")  # type: ignore[attr-defined]
    nlp.initialize()
    models = get_trained_models(nlp, frozen=[])
    with pytest.raises(ValueError, match=r"components \['ner'\], not of \['tagger'\]"):
        set_models_state(models, {"ner": []})
    with pytest.raises(ValueError, match="other layers than the model of 'tagger'"):
        set_models_state(models, {"tagger": []})
