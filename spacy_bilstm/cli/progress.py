"""Print the progress of a run: on a terminal one line that changes, elsewhere a line every half minute."""

from __future__ import annotations

import sys
import time

from ..annotation import Progress

_SECONDS = 30.0


class ProgressLine:
    """Prints the progress to the standard error stream."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._printed = time.monotonic()
        self._width = 0

    def __call__(self, progress: Progress) -> None:
        """Print the progress of an annotation, if it is time to."""
        self.show(describe_progress(progress))

    def show(self, line: str) -> None:
        """Print a line about the progress, if it is time to."""
        if self._terminal:
            print("\r" + line.ljust(self._width), end="", file=sys.stderr, flush=True)
            self._width = len(line)
        elif time.monotonic() - self._printed >= _SECONDS:
            print(line, file=sys.stderr, flush=True)
            self._printed = time.monotonic()

    def close(self) -> None:
        """End the line."""
        if self._width:
            print(file=sys.stderr, flush=True)
            self._width = 0


def describe_progress(progress: Progress) -> str:
    """Return the progress as a line.

    progress: the progress.
    RETURNS: such as `"42.0 % | 1,200 documents | 95,000 words/s | 3 bad | 1:20 left"`.
    """
    parts = [] if progress.share is None else [f"{100 * progress.share:.1f} %"]
    parts += [count_noun(progress.documents, "document"), f"{progress.words_per_second:,.0f} words/s"]
    if progress.bad:
        parts.append(f"{progress.bad:,} bad")
    if progress.seconds_left is not None:
        parts.append(f"{format_duration(progress.seconds_left)} left")
    return " | ".join(parts)


def count_noun(number: int, noun: str) -> str:
    """Return a number of things.

    number: the number.
    noun: the noun in the singular. Its plural ends with "s".
    RETURNS: such as `"1 document"` or `"1,200 documents"`.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Return a duration as minutes and seconds, or as hours, minutes and seconds.

    seconds: the duration.
    RETURNS: such as `"1:05"` or `"3:00:09"`.
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
