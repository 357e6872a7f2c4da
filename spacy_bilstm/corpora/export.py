"""A record of an annotation tool, with the keys that all tools share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


class RecordError(ValueError):
    """A JSON object is not a text with annotation."""


@dataclass
class Export:
    """A record of any tool.

    line: number of its line in the file, from 1.
    record: its text and annotation, under the keys that `records` reads.
    choices: the categories that were chosen for the text, by group. The other categories of a group don't apply.
    options: the categories that could be chosen, by group, as far as the record has them.
    annotated: whether a record without spans may be one without entities, which the rest of the file decides.
    unread: the keys that look like annotation and are not read.
    warnings: problems that change how the record is read.
    skipped: why the record is not used, or "".
    entity_key: the key that held the entities, or "".
    """

    line: int
    record: Record
    choices: dict[str, list[str]] = field(default_factory=dict)
    options: dict[str, set[str]] = field(default_factory=dict)
    annotated: bool = False
    unread: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    skipped: str = ""
    entity_key: str = ""

    @property
    def has_entities(self) -> bool:
        """Whether the record has spans or tags, even if there are none."""
        return "spans" in self.record or "tags" in self.record


def is_list_of(values: Any, *types: type) -> bool:
    """Return whether a value is a list whose items have one of some types.

    values: the value.
    types: the types. A bool is not an int here.
    RETURNS: whether it is such a list; an empty list is.
    """
    return isinstance(values, list) and not any(isinstance(v, bool) or not isinstance(v, types) for v in values)
