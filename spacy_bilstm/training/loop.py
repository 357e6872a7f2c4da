"""spaCy's training loop, for callers that act after each step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import train_while_improving
from spacy.util import registry

Batch = tuple[int, list[Example]]
"""A batch of examples with the number of its epoch, as `spacy.training.loop.create_train_batches` yields it."""


def resolve_training_settings(nlp: Language) -> dict[str, Any]:
    """Resolve the `[training]` block of a pipeline's config.

    nlp: the pipeline.
    RETURNS: the settings by name, such as `"optimizer"`, `"batcher"` and `"dropout"`, as objects and numbers.
    """
    settings: dict[str, Any] = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    return settings


def iterate_updates(nlp: Language, batches: Iterable[Batch], settings: dict[str, Any]) -> Iterator[list[Example]]:
    """Train an initialised pipeline as `spacy train` does, but without evaluation.

    nlp: the pipeline.
    batches: the batches to train on. Each is taken when the caller asks for the next update; training ends with them.
    settings: the result of `resolve_training_settings`.
    RETURNS: the examples of each update, after the update.
    """
    unlimited = settings | {"eval_frequency": sys.maxsize, "patience": 0, "max_steps": 0}
    for batch, _, _ in iterate_steps(nlp, batches, unlimited, lambda: (0.0, {})):
        yield batch


def iterate_steps(
    nlp: Language, batches: Iterable[Batch], settings: dict[str, Any], evaluate: Callable[[], tuple[float, Any]]
) -> Iterator[tuple[list[Example], dict[str, Any], bool | None]]:
    """Train an initialised pipeline with spaCy's own loop.

    nlp: the pipeline.
    batches: the batches to train on. Each is taken when the caller asks for the next step.
    settings: the result of `resolve_training_settings`.
    evaluate: returns the main score and the other scores of the pipeline.
    RETURNS: for each step the batch, information about the training, and whether its score is the best so far; None if
        it was not evaluated. See `spacy.training.loop.train_while_improving`.
    """
    steps: Iterator[tuple[list[Example], dict[str, Any], bool | None]] = train_while_improving(
        nlp,
        settings["optimizer"],
        iter(batches),
        evaluate=evaluate,
        dropout=settings["dropout"],
        eval_frequency=settings["eval_frequency"],
        accumulate_gradient=settings["accumulate_gradient"],
        patience=settings["patience"],
        max_steps=settings["max_steps"],
        exclude=settings["frozen_components"],
        annotating_components=settings["annotating_components"],
        before_update=settings["before_update"],
    )
    return steps
