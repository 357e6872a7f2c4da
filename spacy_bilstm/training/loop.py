"""spaCy's training loop, for callers that act after each step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import train_while_improving
from spacy.util import registry

Batch = tuple[int, list[Example]]
"""A batch of examples with the number of its epoch, as `spacy.training.loop.create_train_batches` yields it."""

_MINIMA = {"max_steps": 0, "patience": 0, "max_epochs": -1, "eval_frequency": 1, "accumulate_gradient": 1}


def resolve_training_settings(nlp: Language) -> dict[str, Any]:
    """Resolve the `[training]` block of a pipeline's config.

    nlp: the pipeline.
    RETURNS: the settings by name, such as `"optimizer"`, `"batcher"` and `"dropout"`, as objects and numbers.
    """
    settings: dict[str, Any] = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    if isinstance(settings["dropout"], int):  # spaCy's loop takes other types than float for schedules.
        settings["dropout"] = float(settings["dropout"])
    return settings


def check_training_settings(training: Mapping[str, Any]) -> None:
    """Check the names of `[training]` and its numbers. spaCy ignores names that it does not know.

    training: the settings by name, as a config has them.
    RAISES: ValueError, with the setting, if one does not exist or is out of range.
    """
    known = list(ConfigSchemaTraining.model_fields)
    for name, value in training.items():
        if name not in known:
            similar = get_close_matches(name, known, n=1)
            advice = f"Do you mean '{similar[0]}'?" if similar else f"Its settings are: {', '.join(known)}."
            raise ValueError(f"[training] has no setting '{name}'. {advice}")
        if name == "dropout" and not isinstance(value, dict) and not _is_rate(value):
            raise ValueError(f"[training] dropout is a rate and must be at least 0 and less than 1, not {value!r}.")
        if name in _MINIMA and not (isinstance(value, int) and value >= _MINIMA[name]):
            raise ValueError(f"[training] {name} must be a whole number of at least {_MINIMA[name]}, not {value!r}.")


def check_pretrained_weights(config: Mapping[str, Any]) -> None:
    """Check the weights of `spacy pretrain` that a config names. Without `[pretraining]`, spaCy passes over them.

    config: the interpolated config.
    RAISES: ValueError if `[pretraining]` is missing or empty; FileNotFoundError if the weights do not exist.
    """
    weights = config.get("initialize", {}).get("init_tok2vec")
    if weights is None:
        return
    if not config.get("pretraining"):
        raise ValueError(
            f"The pretrained weights {weights} of init_tok2vec have no effect without [pretraining] in the config. Use "
            "the config that was used to pretrain, as `init-config --pretraining` makes it."
        )
    if not Path(weights).exists():
        raise FileNotFoundError(f"The pretrained weights {weights} of init_tok2vec do not exist.")


def _is_rate(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < 1


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
