"""Problems in corpus files, collected so that a user sees all of them at once."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """A problem in a line of a file, or in a file as a whole.

    source: the name of the file.
    line: number of the line, from 1; None for the whole file.
    message: the problem, and how to fix it or how the line is read despite it.
    """

    source: str
    line: int | None
    message: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}, line {self.line}"
        return f"{place}: {self.message}"


@dataclass
class Problems:
    """The problems in the files of a corpus.

    errors: problems that make a line unreadable.
    warnings: problems that leave annotation missing, or that change how a line is read.
    """

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


class CorpusReadError(ValueError):
    """A corpus can't be read.

    message: the reason.
    problems: all problems in the files of the corpus, errors and warnings.
    """

    def __init__(self, message: str, problems: Problems) -> None:
        super().__init__(message)
        self.problems = problems
