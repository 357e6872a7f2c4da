"""Stop a training whose numbers are NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from spacy.training import Example
from thinc.api import Model

from ..bridge.finite import find_not_finite
from .optimizers import NotFiniteError
from .pipeline_state import find_parameters

_ADVICE = (
    "Try a lower learning rate or a longer warm-up in [training.optimizer], a lower grad_clip (max_norm in "
    "spacy-bilstm.Adam.v1), or mixed_precision = false. Check these texts and their annotation, and the static vectors."
)
_N_SHOWN = 5
_NAN_ERRORS = ("[E910]", "[E940]")  # spaCy's errors for a loss or scores that are NaN.


class DivergedError(ValueError):
    """A loss, a gradient or a weight became NaN or infinite.

    step: number of the step, from 0.
    found: what is not finite: pairs of the component's name and `"loss"`, or the name of a parameter.
    texts: the texts of the step's batch.
    """

    def __init__(self, step: int, found: Sequence[tuple[str, str]], texts: Sequence[str]) -> None:
        """Create the error. Its message shows the first texts only."""
        self.step, self.found, self.texts = step, list(found), list(texts)
        names = "; ".join(f"{component}: {name}" for component, name in found)
        shown = "".join(f"\n- {text[:200]}" for text in self.texts[:_N_SHOWN])
        super().__init__(
            f"Training diverged in step {step}. Not finite are: {names}. {_ADVICE} The batch has {len(texts)} texts, "
            f"such as{shown}"
        )


def check_finite(
    models: dict[str, Model[Any, Any]], losses: dict[str, Any], step: int, batch: Sequence[Example]
) -> None:
    """Check the losses and weights after a step.

    models: the models that training updates, by the name of their component.
    losses: the loss of each component.
    step: number of the step, from 0.
    batch: its examples.
    RAISES: DivergedError if one of them is NaN or infinite.
    """
    found = [(component, "loss") for component, loss in losses.items() if not math.isfinite(float(loss))]
    parameters = {f"{component}\t{name}": weights for component, name, _, weights in find_parameters(models)}
    for address in find_not_finite(parameters.items()):
        component, name = address.split("\t")
        found.append((component, name))
    if found:
        raise DivergedError(step, found, [example.text for example in batch])


def raise_if_diverged(
    error: Exception, models: dict[str, Model[Any, Any]], step: int, batch: Sequence[Example]
) -> None:
    """Raise a DivergedError in the place of an error that NaN or infinite values caused. Otherwise, do nothing.

    Components and optimizers have checks of their own, which do not say which parameter is not finite.

    error: the error that an update raised.
    models, step, batch: as for `check_finite`.
    RAISES: DivergedError if a weight or gradient is not finite.
    """
    if isinstance(error, DivergedError):
        return
    try:
        check_finite(models, {}, step, batch)
    except DivergedError as diverged:
        raise diverged from error
    if isinstance(error, NotFiniteError):
        names = {key: (component, f"gradient of {name}") for component, name, key, _ in find_parameters(models)}
        found = [names.get(key, ("?", f"gradient of {key[1]}")) for key in error.keys]
        raise DivergedError(step, found, [example.text for example in batch]) from error
    if str(error).startswith(_NAN_ERRORS):
        raise DivergedError(step, [("?", str(error))], [example.text for example in batch]) from error
