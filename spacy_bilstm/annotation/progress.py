"""How far a run is, how fast it goes and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .store import Counts, PartInfo


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    documents, words, bad: totals, those of earlier calls included; `bad` counts records that could not be annotated.
    share: share of the source that is done, from 0 to 1, or None if it is not known.
    seconds: time since this call began.
    words_per_second: speed of this call since it began to annotate.
    seconds_left: estimated time to the end, or None if it is not known.
    """

    documents: int
    words: int
    bad: int
    share: float | None
    seconds: float
    words_per_second: float
    seconds_left: float | None


@dataclass(frozen=True)
class PartsSummary:
    """The counts at the end.

    directory: where the parts are.
    parts, records, documents, words, bad: totals, those of earlier calls included. `records` includes the bad ones.
    new_documents, new_words: what this call annotated.
    seconds: time that this call took.
    """

    directory: str
    parts: int
    records: int
    documents: int
    words: int
    bad: int
    new_documents: int
    new_words: int
    seconds: float

    @property
    def words_per_second(self) -> float:
        """The speed of this call."""
        return self.new_words / self.seconds if self.seconds else 0.0


class ProgressMeter:
    """Measures the progress of a run.

    before: the totals of earlier calls.
    report: called after each part, if not None.
    share: share of the source that earlier calls have done, if known.
    """

    def __init__(
        self, before: Counts, report: Callable[[Progress], object] | None = None, share: float | None = None
    ) -> None:
        self._counts = Counts(**vars(before))
        self._report = report
        self._start = time.perf_counter()
        self._first_share = share or 0.0
        self._first_time = self._start
        self.new_documents = 0
        self.new_words = 0

    def skip(self, share: float | None) -> None:
        """Note that a part exists already, so that its share of the source says nothing about the time left."""
        self._first_share = share or 0.0
        self._first_time = time.perf_counter()

    def add(self, info: PartInfo, share: float | None) -> None:
        """Note that a part was written.

        info: the part.
        share: share of the source that is done now, if known.
        """
        now = time.perf_counter()
        if not self.new_documents:  # Loading pipelines and starting workers says nothing about the speed.
            self._first_time = max(self._first_time, now - info.seconds)
        self._counts.add(info)
        self.new_documents += info.documents
        self.new_words += info.words
        if self._report is None:
            return
        left = None
        if share is not None and share > self._first_share:
            left = max(0.0, (1 - share) / (share - self._first_share) * (now - self._first_time))
        seconds = now - self._start
        speed = self.new_words / max(now - self._first_time, 1e-9)
        counts = self._counts
        self._report(Progress(counts.documents, counts.words, counts.bad, share, seconds, speed, left))

    def summarise(self, directory: str, counts: Counts) -> PartsSummary:
        """Return the counts at the end of the run."""
        seconds = time.perf_counter() - self._start
        totals = (counts.parts, counts.records, counts.documents, counts.words, counts.bad)
        return PartsSummary(directory, *totals, self.new_documents, self.new_words, seconds)
