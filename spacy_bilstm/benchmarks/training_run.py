"""The training of one config, run in a worker process and measured epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spacy.cli._util import parse_config_overrides
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches
from spacy.util import load_config, resolve_dot_names
from thinc.api import fix_random_seed

from ..training.loop import Batch, iterate_updates, resolve_training_settings
from .device import Device, Usage, get_peak_memory

Corpus = Callable[[Language], Iterable[Example]]


@dataclass
class Epoch:
    """The measurements of one epoch.

    usage: its time, and the memory peaks so far.
    n_steps: number of updates of the weights.
    n_words: number of words trained on.
    """

    usage: Usage
    n_steps: int
    n_words: int


class TrainingRun:
    """A pipeline that is initialised from a config and trained as by `spacy train`, one epoch at a time.

    config_path: the training config.
    corpus: the corpus to train on. It replaces the config's `paths.train` and `paths.dev`.
    limit_words: number of words after which an epoch ends early, >= 1, or None.
    gpu_id, threads: as for `Device`.
    """

    def __init__(self, config_path: Path, corpus: Path, limit_words: int | None, gpu_id: int, threads: int) -> None:
        self._device = Device(gpu_id, threads)
        # As in `spacy train`, these arguments take precedence over the environment's overrides.
        overrides = parse_config_overrides([]) | {"paths.train": str(corpus), "paths.dev": str(corpus)}
        config = load_config(config_path, overrides=overrides, interpolate=False)
        nlp = init_nlp(config, use_gpu=gpu_id)
        self._initial_memory = get_peak_memory()
        self._epoch_ends = False
        self._updates = self._start(nlp, limit_words)

    def get_initial_memory(self) -> int:
        """Return the largest resident memory until the pipeline was initialised, in bytes."""
        return self._initial_memory

    def train_epoch(self) -> Epoch:
        """Train over the corpus once."""
        n_steps = n_words = 0

        def train() -> None:
            nonlocal n_steps, n_words
            self._epoch_ends = False
            while not self._epoch_ends:
                batch = next(self._updates)
                n_steps += 1
                n_words += sum(len(example) for example in batch)

        usage = self._device.measure(train)
        return Epoch(usage, n_steps, n_words)

    def _start(self, nlp: Language, limit_words: int | None) -> Iterator[list[Example]]:
        """Start spaCy's training loop over endless epochs, without evaluation."""
        config = nlp.config.interpolate()
        if config["training"]["seed"] is not None:
            fix_random_seed(config["training"]["seed"])
        settings = resolve_training_settings(nlp)
        (corpus,) = resolve_dot_names(config, [settings["train_corpus"]])
        # Both 0 and -1 mean endless epochs; -1 also streams the corpus, which a config may need.
        max_epochs = min(settings["max_epochs"], 0)
        batches = create_train_batches(nlp, _limit(corpus, limit_words), settings["batcher"], max_epochs)
        return iterate_updates(nlp, self._mark_ends(batches), settings)

    def _mark_ends(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Pass batches through, one batch behind, to detect the last one of each epoch."""
        batch = next(batches)
        for following in batches:
            self._epoch_ends = following[0] != batch[0]
            yield batch
            batch = following


def _limit(corpus: Corpus, n_words: int | None) -> Corpus:
    def read(nlp: Language) -> Iterator[Example]:
        n_read = 0
        for example in corpus(nlp):
            if n_words is not None and n_read >= n_words:
                break
            yield example
            n_read += len(example)

    return read
