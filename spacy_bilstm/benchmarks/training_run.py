"""A config's training in a worker process. A config and a corpus come in; time and memory go out."""

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
from ..util.machine import Device, Usage, get_peak_memory

Corpus = Callable[[Language], Iterable[Example]]


@dataclass
class Epoch:
    """What one epoch took.

    usage: its time, and the peaks of memory so far.
    n_steps: number of updates of the weights.
    n_words: number of words trained on.
    """

    usage: Usage
    n_steps: int
    n_words: int


class TrainingRun:
    """A pipeline that is initialised from a config and trained as `spacy train` does, an epoch at a time.

    config_path: a training config.
    corpus: what it trains on, in place of its `paths.train` and `paths.dev`.
    limit_words: number of words after which an epoch ends early, or None.
    gpu_id, threads: as `Device` takes them.
    """

    def __init__(self, config_path: Path, corpus: Path, limit_words: int | None, gpu_id: int, threads: int) -> None:
        self._device = Device(gpu_id, threads)
        # As `spacy train` does, the command's settings stand before those of the environment.
        overrides = parse_config_overrides([]) | {"paths.train": str(corpus), "paths.dev": str(corpus)}
        config = load_config(config_path, overrides=overrides, interpolate=False)
        nlp = init_nlp(config, use_gpu=gpu_id)
        self._initial_memory = get_peak_memory()
        self._epoch_ends = False
        self._updates = self._start(nlp, limit_words)

    def get_initial_memory(self) -> int:
        """Give the largest resident memory until the pipeline was initialised, in bytes."""
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
        """Start spaCy's own loop, which never evaluates and never ends."""
        config = nlp.config.interpolate()
        if config["training"]["seed"] is not None:
            fix_random_seed(config["training"]["seed"])
        settings = resolve_training_settings(nlp)
        (corpus,) = resolve_dot_names(config, [settings["train_corpus"]])
        max_epochs = min(settings["max_epochs"], 0)  # A corpus may be streamed, but not end.
        batches = create_train_batches(nlp, _limit(corpus, limit_words), settings["batcher"], max_epochs)
        return iterate_updates(nlp, self._mark_ends(batches), settings)

    def _mark_ends(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Look one batch ahead, to know which is an epoch's last."""
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
