"""A trained pipeline whose speed and memory are measured, loaded in a worker process."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import spacy
from spacy.language import Language

from .device import Device, Usage, get_peak_memory


@dataclass
class PipelineFacts:
    """Facts about a loaded pipeline before it runs.

    lang: code of its language.
    components: names of its components.
    bytes_on_disk: size of its files; None if it was not loaded from files.
    loaded_memory: largest resident memory of its process so far, in bytes.
    """

    lang: str
    components: list[str]
    bytes_on_disk: int | None
    loaded_memory: int


class LoadedPipeline:
    """A pipeline to measure.

    name: path or name of an installed package.
    gpu_id, threads: as for `Device`.
    RAISES: OSError if there is no such pipeline.
    """

    def __init__(self, name: str, gpu_id: int, threads: int) -> None:
        self._device = Device(gpu_id, threads)
        self._name = name
        self._loaded: Language | None = spacy.load(name)
        self._texts: Sequence[str] = []

    @property
    def _nlp(self) -> Language:
        assert self._loaded is not None
        return self._loaded

    def describe(self) -> PipelineFacts:
        """Return facts about the pipeline before it runs."""
        path = self._nlp.path
        size = path and sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return PipelineFacts(str(self._nlp.lang), list(self._nlp.pipe_names), size, get_peak_memory())

    def reload(self, text: str) -> None:
        """Load the pipeline again, so that it has seen no text, and run a few words to trigger lazy initialisation.

        text: the text whose first 100 characters are run.
        """
        self._loaded = None
        gc.collect()  # Two pipelines at the same time would raise the memory peak.
        self._loaded = spacy.load(self._name)
        self._nlp(text[:100])

    def set_texts(self, texts: Sequence[str]) -> None:
        """Set the texts for `pipe`.

        texts: at least one text, of any length.
        """
        self._texts = texts
        self._nlp.max_length = max(self._nlp.max_length, *map(len, texts))

    def reset_peaks(self) -> None:
        """Reset the memory peaks to the memory held now."""
        self._device.reset_peaks()

    def pipe(self, batch_size: int | None) -> Usage:
        """Annotate the texts with `nlp.pipe`, without keeping the docs.

        batch_size: number of texts in a batch; None for the pipeline's own.
        RETURNS: time and memory.
        """
        return self._device.measure(lambda: deque(self._nlp.pipe(self._texts, batch_size=batch_size), maxlen=0))

    def call_each(self, texts: Sequence[str]) -> list[float]:
        """Annotate texts one at a time.

        texts: the texts.
        RETURNS: seconds for each text.
        """
        return [self._device.measure(lambda text=text: self._nlp(text)).seconds for text in texts]  # type: ignore[misc]
