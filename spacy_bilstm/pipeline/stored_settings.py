"""Check the settings that a component has stored, before they are assigned."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..bridge.format import FIRST_FORMAT, check_format


def check_stored_settings(settings: Any) -> None:
    """Check the settings in a component's file `cfg`.

    settings: the content of the file. Settings with other names than those of spaCy's and this package's components
        are not checked.
    RAISES: ValueError that names the setting and a correct value.
    """
    if not isinstance(settings, dict):
        raise ValueError(f"the settings are of type {type(settings).__name__}, not a dictionary")
    check_format(settings.get("format", FIRST_FORMAT))
    for name, value in settings.items():
        if name in _CHECKS:
            is_valid, wanted = _CHECKS[name]
            if not is_valid(value):
                raise ValueError(f"the setting '{name}' must be {wanted}, but is {_shorten(value)}")
    if settings.get("labels_morph", {}).keys() != settings.get("labels_pos", {}).keys():
        raise ValueError("the settings 'labels_morph' and 'labels_pos' have different labels")


def get_stored_labels(settings: Mapping[str, Any]) -> list[str] | None:
    """Return the labels in a component's settings, or None if it has no labels.

    settings: the settings, as `check_stored_settings` accepts them.
    """
    labels = settings.get("labels", settings.get("labels_morph"))
    return None if labels is None else list(labels)


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _are_labels(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(label, str) and label for label in value):
        return False
    return len(set(value)) == len(value)


def _is_mapping_to(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(type(item) is kind for item in value.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_optional_string(value: Any) -> bool:
    return value is None or isinstance(value, str)


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "labels": (_are_labels, "a list of different strings that are not empty"),
    "labels_morph": (_is_mapping_to(str), "a dictionary of strings"),
    "labels_pos": (_is_mapping_to(int), "a dictionary of whole numbers"),
    "overwrite": (_is_bool, "true or false"),
    "extend": (_is_bool, "true or false"),
    "neg_prefix": (_is_string, "a string"),
    "label_smoothing": (lambda value: _is_number(value) and 0 <= value < 1, "a number, 0 <= label_smoothing < 1"),
    "threshold": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    "temperature": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "positive_label": (_is_optional_string, "a string or null"),
    "confidences": (_is_optional_string, "a string or null"),
    "incorrect_spans_key": (_is_optional_string, "a string or null"),
    "configured": (lambda value: isinstance(value, dict), "a dictionary"),
}
