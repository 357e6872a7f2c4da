"""One training. A variant, a task and a seed come in, a spaCy pipeline is trained, its numbers go out."""

from __future__ import annotations

import time
from collections.abc import Callable
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
class Recipe:
    """How every variant is trained.

    embed: the embedding's block of the config, but for its width.
    width: width of the embedding and of the encoder's output.
    steps: number of batches.
    learn_rate: the learning rate after the warm-up; it then falls to 0 at the last step.
    dropout: rate of dropout.
    lang: code of the language.
    """

    embed: dict[str, Any]
    width: int
    steps: int
    learn_rate: float
    dropout: float
    lang: str = "en"


WORDS = {"attrs": ["NORM"], "rows": [500]}
"""The probes' embedding: the word alone."""

FEATURES = {
    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
    "rows": [5000, 1000, 2500, 2500],
    "identity_dropout": 0.3,
}
"""A corpus's embedding: the word and what it looks like."""

_HEADS: dict[str, dict[str, Any]] = {
    "tagger": {"factory": "tagger", "model": {"@architectures": "spacy.Tagger.v2"}},
    "morphologizer": {"factory": "morphologizer", "model": {"@architectures": "spacy.Tagger.v2"}},
    "ner": {"factory": "bilstm_ner", "model": {"@architectures": "spacy-bilstm.CRFTagger.v1"}},
}


def make_config(variant: Variant, pipes: list[str], recipe: Recipe) -> Config:
    """Make the config of a pipeline: an embedding and a variant's encoder, and the components that listen to it.

    variant: the encoder.
    pipes: the components: `"tagger"`, `"morphologizer"` or `"ner"`.
    recipe: how it is trained.
    RETURNS: the config, the same but for the encoder's block for all variants.
    """
    width = recipe.width
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": width}
    tok2vec = {
        "@architectures": "spacy-bilstm.Tok2Vec.v1",
        "embed": {"@architectures": "spacy-bilstm.WordEmbed.v1", "width": width, **recipe.embed},
        "encode": variant.encoder_config(width),
    }
    heads = {pipe: {**_HEADS[pipe], "model": {**_HEADS[pipe]["model"], "tok2vec": listener}} for pipe in pipes}
    learn_rate = {
        "@schedules": "warmup_linear.v1",
        "initial_rate": recipe.learn_rate,
        "warmup_steps": max(1, recipe.steps // 20),
        "total_steps": recipe.steps,
    }
    return Config(
        {
            "nlp": {"lang": recipe.lang, "pipeline": ["tok2vec", *pipes], "batch_size": 256},
            "components": {"tok2vec": {"factory": "tok2vec", "model": tok2vec}, **heads},
            "training": {
                "dropout": recipe.dropout,
                "max_steps": recipe.steps,
                "optimizer": {"@optimizers": "spacy-bilstm.Adam.v1", "max_norm": 1.0, "learn_rate": learn_rate},
            },
        }
    )


def train(variant: Variant, task: Task, recipe: Recipe, seed: int, on_step: Callable[[], None]) -> Run:
    """Train a pipeline with a variant and measure it. Averaged weights are scored, as by `spacy train`.

    variant: the encoder.
    task: what it is trained on and scored by.
    recipe: how it is trained.
    seed: seed of the weights, of the order of batches and of what the task makes.
    on_step: called after each step.
    RETURNS: what was measured.
    """
    fix_random_seed(seed)
    nlp = load_model_from_config(make_config(variant, list(task.pipes), recipe), auto_fill=True)
    settings = resolve_training_settings(nlp)
    optimizer = settings["optimizer"]
    examples = task.get_train(nlp, seed)
    nlp.initialize(lambda: examples, sgd=optimizer)
    batches = islice(task.get_batches(nlp, examples, recipe.steps), recipe.steps)
    n_words, start = 0, time.perf_counter()
    for batch in iterate_updates(nlp, batches, settings):
        n_words += sum(len(example) for example in batch)
        on_step()
    seconds = time.perf_counter() - start
    tests = task.get_tests(nlp, seed)
    tok2vec: Any = nlp.get_pipe("tok2vec")
    with nlp.use_params(optimizer.averages):
        scores = task.get_scores(nlp, tests)
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
    """Give words per second of `nlp.pipe`, the median of some rounds after one that warms up."""
    seconds = []
    for _ in range(PREDICT_ROUNDS + 1):
        docs = [example.predicted.copy() for example in examples]
        start = time.perf_counter()
        for _ in nlp.pipe(docs):
            pass
        seconds.append(time.perf_counter() - start)
    return sum(len(example.predicted) for example in examples) / median(seconds[1:])
