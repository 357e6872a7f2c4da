"""Check the types of arguments from a config, which thinc compares with their annotation but does not convert."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


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
