"""Check arguments from a config: their types, which thinc does not convert, and a fixed number of outputs."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from thinc.api import Model


def check_numbers(owner: str, **values: Any) -> None:
    """Check that arguments are numbers. A number in quotes is a string.

    owner: what the arguments belong to, for the message.
    values: the arguments by name; None is not checked.
    RAISES: ValueError that names the argument.
    """
    for name, value in values.items():
        if value is not None and not isinstance(value, Real):
            raise ValueError(f"{name} of {owner} must be a number, but is {value!r}. Write it without quotes.")


def check_whole_numbers(owner: str, **values: Any) -> None:
    """Check that arguments are whole numbers, such as 2, not 2.0.

    owner: what the arguments belong to, for the message.
    values: the arguments by name; None is not checked.
    RAISES: ValueError that names the argument.
    """
    for name, value in values.items():
        if value is not None and not isinstance(value, Integral):
            raise ValueError(
                f"{name} of {owner} must be a whole number, but is {value!r}. Write it without quotes and without a "
                "decimal point."
            )


def check_number_of_labels(name: str, model: Model[Any, Any], nO: int | None, n_labels: int, kind: str) -> None:
    """Check that a model that is made for a fixed number of labels gets as many of them when it is initialised.

    spaCy does not check it: training then fails, or the model is resized and differs from its config.

    name: the component's name.
    model: the component's model. If it has weights already, it is not checked: it may have got labels since.
    nO: the number of labels that the model was made for, or None.
    n_labels: the number of labels that the component will have. spaCy has an error of its own for none.
    kind: what the labels are, in the plural.
    RAISES: ValueError if the numbers differ.
    """
    output_layer = model.get_ref("output_layer") if model.has_ref("output_layer") else model
    has_weights = any(node.has_param(param) for node in output_layer.walk() for param in node.param_names)
    if has_weights or nO is None or n_labels in (0, nO):
        return
    raise ValueError(
        f"The model of '{name}' is made for {nO} {kind} (nO), but there are {n_labels} labels. Set nO = null: the "
        "labels then decide."
    )
