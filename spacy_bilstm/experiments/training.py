"""One training of an experiment: makes a pipeline with an encoder, trains it on a task and measures it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any

from spacy.language import Language
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config, fix_random_seed

from ..training.loop import iterate_updates, resolve_training_settings
from ..util.model_size import count_parameters
from .results import Run
from .tasks import Task
from .variants import Variant

PREDICT_ROUNDS = 3


@dataclass(frozen=True)
class Hyperparameters:
    """What all trainings of an experiment have in common besides the task.

    embed: the config block of the embedding, without its width.
    width: width of the embedding and of the encoder's output.
    steps: number of batches.
    learn_rate: the learning rate after the warm-up. It then falls linearly to 0 at the last step.
    dropout: the dropout rate.
    lang: code of the language.
    """

    embed: Mapping[str, Any]
    width: int
    steps: int
    learn_rate: float
    dropout: float
    lang: str


_HEADS: dict[str, dict[str, Any]] = {
    "tagger": {"factory": "tagger", "model": {"@architectures": "spacy.Tagger.v2"}},
    "morphologizer": {"factory": "morphologizer", "model": {"@architectures": "spacy.Tagger.v2"}},
    "ner": {"factory": "bilstm_ner", "model": {"@architectures": "spacy-bilstm.CRFTagger.v1"}},
}


def make_config(variant: Variant, pipes: Sequence[str], hyperparameters: Hyperparameters) -> Config:
    """Make the config of a pipeline: an embedding, a variant's encoder, and the components that listen to it.

    variant: the encoder.
    pipes: the components: `"tagger"`, `"morphologizer"` or `"ner"`.
    hyperparameters: the settings that all variants share.
    RETURNS: the config. Variants differ in the encoder's block only.
    """
    width = hyperparameters.width
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": width}
    tok2vec = {
        "@architectures": "spacy-bilstm.Tok2Vec.v1",
        "embed": {"@architectures": "spacy-bilstm.WordEmbed.v1", "width": width, **hyperparameters.embed},
        "encode": variant.make_config(width),
    }
    heads = {pipe: {**_HEADS[pipe], "model": {**_HEADS[pipe]["model"], "tok2vec": listener}} for pipe in pipes}
    learn_rate = {
        "@schedules": "warmup_linear.v1",
        "initial_rate": hyperparameters.learn_rate,
        "warmup_steps": max(1, hyperparameters.steps // 20),
        "total_steps": hyperparameters.steps,
    }
    return Config(
        {
            "nlp": {"lang": hyperparameters.lang, "pipeline": ["tok2vec", *pipes], "batch_size": 256},
            "components": {"tok2vec": {"factory": "tok2vec", "model": tok2vec}, **heads},
            "training": {
                "dropout": hyperparameters.dropout,
                "max_steps": hyperparameters.steps,
                "optimizer": {"@optimizers": "spacy-bilstm.Adam.v1", "max_norm": 1.0, "learn_rate": learn_rate},
            },
        }
    )


def train(
    variant: Variant, task: Task, hyperparameters: Hyperparameters, seed: int, on_step: Callable[[], object]
) -> Run:
    """Train a pipeline with a variant, then score it with averaged weights, as `spacy train` does.

    variant: the encoder.
    task: what it is trained on and scored by.
    hyperparameters: the settings that all variants share.
    seed: seed of the weights, of the batches and of the task's examples.
    on_step: called after each step.
    RETURNS: the scores, the speeds and the size.
    """
    fix_random_seed(seed)
    nlp = load_model_from_config(make_config(variant, task.pipes, hyperparameters), auto_fill=True)
    settings = resolve_training_settings(nlp)
    optimizer = settings["optimizer"]
    examples = task.make_training_examples(nlp, seed)
    nlp.initialize(lambda: examples, sgd=optimizer)
    batches = islice(task.iterate_batches(nlp, examples, hyperparameters.steps), hyperparameters.steps)
    n_words, start = 0, time.perf_counter()
    for batch in iterate_updates(nlp, batches, settings):
        n_words += sum(len(example) for example in batch)
        on_step()
    seconds = time.perf_counter() - start
    tests = task.make_test_examples(nlp, seed)
    tok2vec: Any = nlp.get_pipe("tok2vec")
    with nlp.use_params(optimizer.averages):
        scores = task.score(nlp, tests)
        predict_speed = _measure_prediction(nlp, [example for part in tests.values() for example in part])
    return Run(
        variant=variant,
        seed=seed,
        scores=scores,
        train_seconds=seconds,
        train_words_per_second=n_words / seconds,
        predict_words_per_second=predict_speed,
        parameters=count_parameters(tok2vec.model.get_ref("encode")),
    )


def _measure_prediction(nlp: Language, examples: list[Example]) -> float:
    """Return the words per second of `nlp.pipe`: the median of some rounds, after one to warm up."""
    seconds = []
    for _ in range(PREDICT_ROUNDS + 1):
        docs = [example.predicted.copy() for example in examples]
        start = time.perf_counter()
        for _ in nlp.pipe(docs):
            pass
        seconds.append(time.perf_counter() - start)
    return sum(len(example.predicted) for example in examples) / median(seconds[1:])
