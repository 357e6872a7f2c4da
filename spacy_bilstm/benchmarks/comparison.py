"""The result of a benchmark: its settings, the machine, and the numbers of every round."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import srsly

from ..util.files import atomic_write

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
Result = TypeVar("Result", bound="DataclassInstance")


@dataclass
class Comparison(Generic[Settings, Result]):
    """Everything that one run of a benchmark measured.

    command: name of the benchmark: `"speed"`, `"encoder"`, `"scaling"` or `"training"`.
    settings: what was measured, and how.
    machine: facts about the machine, from `describe_machine`.
    results: the numbers of each thing compared.
    """

    command: str
    settings: Settings
    machine: dict[str, Any]
    results: list[Result]

    def write_json(self, path: Path) -> None:
        """Write the comparison as JSON. If that fails, an existing file stays as it was.

        path: the file to write.
        """
        report = {"command": self.command, "settings": asdict(self.settings), "machine": self.machine}
        with atomic_write(path) as draft:
            srsly.write_json(draft, report | {"results": [asdict(result) for result in self.results]})
