"""spaCy's training loop without evaluation."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest
from spacy.language import Language
from spacy.training import Example
from spacy.training.loop import create_train_batches, train
from spacy.util import load_model_from_config, registry
from thinc.api import Config, Optimizer, fix_random_seed
from toy_corpus import make_examples
from toy_pipelines import get_weights

from spacy_bilstm.training.batchers import batch_by_length
from spacy_bilstm.training.loop import (
    check_pretrained_weights,
    check_training_settings,
    iterate_updates,
    resolve_training_settings,
)

N_STEPS = 4
# `max_steps` is 3, because spaCy updates once more before it stops.
CONFIG = """
[nlp]
lang = "en"
pipeline = ["tok2vec", "tagger"]

[corpora]

[corpora.train]
@readers = "toy_examples.v1"

[corpora.dev]
@readers = "toy_examples.v1"

[components]

[components.tok2vec]
factory = "tok2vec"

[components.tok2vec.model]
@architectures = "spacy.HashEmbedCNN.v2"
width = 8
depth = 1
embed_size = 50
window_size = 1
maxout_pieces = 2
subword_features = false
pretrained_vectors = null

[components.tagger]
factory = "tagger"

[components.tagger.model]
@architectures = "spacy.Tagger.v2"

[components.tagger.model.tok2vec]
@architectures = "spacy.Tok2VecListener.v1"
width = 8

[training]
seed = 0
dropout = 0.3
max_steps = 3
eval_frequency = 100

[training.optimizer]
@optimizers = "spacy-bilstm.Adam.v1"
learn_rate = 0.01
use_averages = false

[training.batcher]
@batchers = "spacy-bilstm.batch_by_length.v1"
size = 30
"""


@registry.readers("toy_examples.v1")
def make_reader() -> Callable[[Language], list[Example]]:
    return lambda nlp: make_examples(nlp.vocab)


def make_pipeline(**training: Any) -> Language:
    """Make an initialised pipeline whose training settings are changed."""
    config = Config().from_str(CONFIG)
    config["training"] |= training
    fix_random_seed(0)
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp.vocab))
    fix_random_seed(0)
    return nlp


def make_batches(nlp: Language, batcher: Any, n_batches: int = N_STEPS) -> Iterator[tuple[int, list[Example]]]:
    batches = create_train_batches(nlp, make_reader(), batcher, max_epochs=0)
    return (batch for batch, _ in zip(batches, range(n_batches), strict=False))


def test_settings_are_objects_and_numbers() -> None:
    settings = resolve_training_settings(make_pipeline())
    assert isinstance(settings["optimizer"], Optimizer)
    assert settings["batcher"].func is batch_by_length
    assert settings["dropout"] == 0.3
    assert settings["accumulate_gradient"] == 1


def test_a_dropout_without_decimal_point_is_a_number() -> None:
    dropout = resolve_training_settings(make_pipeline(dropout=0))["dropout"]
    assert isinstance(dropout, float)
    assert dropout == 0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_stepz", 5, "no setting 'max_stepz'. Do you mean 'max_steps'?"),
        ("dropout", 7, "dropout is a rate"),
        ("dropout", -0.1, "dropout is a rate"),
        ("dropout", float("nan"), "dropout is a rate"),
        ("eval_frequency", 0, "eval_frequency must be a whole number of at least 1, not 0"),
        ("accumulate_gradient", 0, "accumulate_gradient must be a whole number of at least 1, not 0"),
        ("max_steps", -5, "max_steps must be a whole number of at least 0, not -5"),
        ("patience", -1, "patience must be a whole number of at least 0, not -1"),
        ("max_epochs", -2, "max_epochs must be a whole number of at least -1, not -2"),
        ("max_steps", "five", "max_steps must be a whole number of at least 0, not 'five'"),
        ("dropout", "nan", "dropout is a rate and must be at least 0 and less than 1, not 'nan'"),
    ],
)
def test_a_setting_without_meaning_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_training_settings({"max_steps": 5, name: value})


def test_pretrained_weights_need_a_file_and_the_settings_of_pretraining(tmp_path: Path) -> None:
    weights = tmp_path / "model0.bin"
    check_pretrained_weights({"initialize": {"init_tok2vec": None}})
    config = {"initialize": {"init_tok2vec": str(weights)}, "pretraining": {"component": "tok2vec"}}
    with pytest.raises(FileNotFoundError, match=re.escape(str(weights))):
        check_pretrained_weights(config)
    weights.touch()
    check_pretrained_weights(config)
    with pytest.raises(ValueError, match=r"no effect without \[pretraining\]"):
        check_pretrained_weights(config | {"pretraining": {}})


def test_each_batch_is_returned_after_its_update() -> None:
    nlp = make_pipeline()
    settings = resolve_training_settings(nlp)
    batches = list(make_batches(nlp, settings["batcher"]))
    weights = [get_weights(nlp.get_pipe("tagger").model)]
    returned = []
    for examples in iterate_updates(nlp, batches, settings):
        returned.append(examples)
        weights.append(get_weights(nlp.get_pipe("tagger").model))
    assert returned == [examples for _, examples in batches]
    for before, after in pairwise(weights):
        assert any((before[name] != after[name]).any() for name in before)


def test_batches_are_taken_one_at_a_time() -> None:
    nlp = make_pipeline()
    settings = resolve_training_settings(nlp)
    batches = make_batches(nlp, settings["batcher"])
    next(iterate_updates(nlp, batches, settings))
    assert len(list(batches)) == N_STEPS - 1


def test_the_pipeline_is_never_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("evaluated")

    nlp = make_pipeline(eval_frequency=1, patience=1)
    monkeypatch.setattr(nlp, "evaluate", fail)
    settings = resolve_training_settings(nlp)
    assert len(list(iterate_updates(nlp, make_batches(nlp, settings["batcher"]), settings))) == N_STEPS


def test_frozen_components_do_not_change() -> None:
    nlp = make_pipeline(frozen_components=["tagger"])
    before = get_weights(nlp.get_pipe("tagger").model)
    settings = resolve_training_settings(nlp)
    list(iterate_updates(nlp, make_batches(nlp, settings["batcher"]), settings))
    after = get_weights(nlp.get_pipe("tagger").model)
    assert all((before[name] == after[name]).all() for name in before)


def test_weights_equal_those_of_spacy_train() -> None:
    ours = make_pipeline()
    settings = resolve_training_settings(ours)
    list(iterate_updates(ours, make_batches(ours, settings["batcher"]), settings))
    theirs = make_pipeline()
    train(theirs)
    wanted = get_weights(theirs.get_pipe("tagger").model)
    for name, weights in get_weights(ours.get_pipe("tagger").model).items():
        numpy.testing.assert_array_equal(weights, wanted[name])
