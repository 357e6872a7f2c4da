"""What is wrong in a corpus file. Readers note it here, so that a user sees all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """Something wrong at one place of a file.

    source: the file's name.
    line: number of the line, from 1.
    message: what is wrong, and what to do or what was done.
    """

    source: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}: {self.message}"


@dataclass
class Problems:
    """The problems of a conversion.

    errors: what could not be read.
    warnings: what was read, with annotation taken as missing or otherwise as the message says.
    """

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, source: str, line: int, message: str) -> None:
        """Note what could not be read.

        source: the file's name.
        line: number of the line, from 1.
        message: what is wrong and how to mend it.
        """
        self.errors.append(Problem(source, line, message))

    def warn(self, source: str, line: int, message: str) -> None:
        """Note what was read otherwise than it stands.

        source: the file's name.
        line: number of the line, from 1.
        message: what is wrong and what was done.
        """
        self.warnings.append(Problem(source, line, message))
