"""Read the lines of a corpus file and record the problems in them."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from ..util.lines import split_lines
from .problems import Problem, Problems

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class CorpusFile:
    """The lines of a corpus file.

    name: the name of the file, for messages.
    lines: the lines, without line ends.
    problems: the list that `error` and `warn` append to. The files of one corpus share it.
    progress: whether `track` shows a progress bar.
    """

    name: str
    lines: Sequence[str]
    problems: Problems = field(default_factory=Problems)
    progress: bool = False

    @classmethod
    def read(cls, path: Path, problems: Problems, progress: bool = False) -> CorpusFile:
        """Read a text file in UTF-8, with or without a byte order mark.

        path: the file.
        problems: the list to append problems to.
        progress: whether `track` shows a progress bar.
        RETURNS: the file; if it is not UTF-8, an error is recorded and the file has no lines.
        """
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        try:
            return cls(str(path), split_lines(data.decode("utf8")), problems, progress)
        except UnicodeDecodeError as error:
            file = cls(str(path), [], problems, progress)
            line = len(split_lines(data[: error.start].decode("utf8")))
            file.error(line, f"this line is not UTF-8: {error}. Convert the file to UTF-8.")
            return file

    def error(self, line: int | None, message: str) -> None:
        """Record a problem that makes a line unreadable.

        line: number of the line, from 1; None for the whole file.
        message: the problem and how to fix it.
        """
        self.problems.errors.append(Problem(self.name, line, message))

    def warn(self, line: int | None, message: str) -> None:
        """Record a problem that leaves annotation missing, or that changes how a line is read.

        line: number of the line, from 1; None for the whole file.
        message: the problem and how the line is read despite it.
        """
        self.problems.warnings.append(Problem(self.name, line, message))

    def track(self, items: Sequence[_Item], description: str) -> Iterable[_Item]:
        """Iterate over items of the file, with a progress bar on a terminal if `progress` is set.

        items: the items.
        description: the label of the progress bar.
        RETURNS: the items.
        """
        disable = None if self.progress else True
        tracked: Iterable[_Item] = tqdm(items, desc=description, disable=disable, leave=False)
        return tracked
