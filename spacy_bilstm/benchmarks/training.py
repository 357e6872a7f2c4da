"""Compare how fast configs train on the same corpus, and how much memory they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..util.machine import describe_machine
from .comparison import Comparison
from .rounds import Quartiles, get_quartiles, get_ratio, interleave
from .training_run import Epoch, TrainingRun
from .workers import Worker, start_workers


@dataclass
class TrainingSettings:
    """What `compare_training` measured.

    corpus: the file of the corpus.
    limit_words, epochs, threads, gpu_id: the arguments.
    """

    corpus: str
    limit_words: int | None
    epochs: int
    threads: int
    gpu_id: int

    @property
    def title(self) -> str:
        """The title of the plot, which is also announced."""
        return f"{Path(self.corpus).name}, {self.threads} thread(s), {self.epochs} epochs"


@dataclass
class TrainingResult:
    """The measurements of one config.

    config: its path.
    initial_memory: largest resident memory until the pipeline was initialised, in bytes.
    words_per_second: training speed over the epochs, without the first, which warms up.
    ratio: median over these epochs of its speed divided by the first config's speed in the same epoch.
    epochs: the numbers of every epoch, including the first. A peak is that of the process up to the end of the epoch.
    """

    config: str
    initial_memory: int
    words_per_second: Quartiles
    ratio: float
    epochs: list[Epoch]


TrainingComparison = Comparison[TrainingSettings, TrainingResult]


def compare_training(
    configs: Sequence[str | Path],
    corpus: str | Path,
    *,
    epochs: int = 10,
    limit_words: int | None = None,
    threads: int = 1,
    gpu_id: int = -1,
    announce: Callable[[str], object] | None = None,
    progress: bool = False,
) -> TrainingComparison:
    """Compare the training of configs on the same corpus: words per second, and memory from epoch to epoch.

    Each config trains in its own process as `spacy train` does, with its own batches, dropout and optimizer, but
    without evaluation. The configs take turns, one epoch each. The corpus replaces `paths.train` and `paths.dev`; the
    environment variable `SPACY_CONFIG_OVERRIDES` overrides other settings, as for `spacy train`. Ctrl-C ends the
    measurement after the last epoch that all configs have completed. A script must call this function below
    `if __name__ == "__main__":`, because each process imports the script.

    configs: paths of training configs, at least one. The others are compared with the first.
    corpus: the `.spacy` file to train on.
    epochs: number of epochs, >= 2; the first warms up.
    limit_words: end an epoch after this many words, >= 1; None trains on all.
    threads: threads that each process computes on, >= 1.
    gpu_id: ID of the GPU, or -1 for the CPU.
    announce: called with a line that describes the measurement, before the first epoch.
    progress: whether to show a progress bar on a terminal.
    RETURNS: the comparison, with one result for each config.
    RAISES: WorkerError if a pipeline can't be initialised or its training fails; KeyboardInterrupt on Ctrl-C before the
        first epoch is complete.
    """
    names = [str(config) for config in configs]
    arguments = [(Path(config), Path(corpus), limit_words, gpu_id, threads) for config in configs]
    settings = TrainingSettings(str(corpus), limit_words, epochs, threads, gpu_id)
    with start_workers(names, TrainingRun, arguments, threads) as workers:
        if announce is not None:
            announce(settings.title)
        results = _measure(workers, epochs, progress)
    return Comparison("training", settings, describe_machine(gpu_id), results)


def _measure(workers: Sequence[Worker], n_epochs: int, progress: bool) -> list[TrainingResult]:
    initial_memory: list[int] = [worker.call("get_initial_memory") for worker in workers]

    def train(worker: Worker, _: int) -> Epoch:
        epoch: Epoch = worker.call("train_epoch")
        return epoch

    by_config = list(zip(*interleave(workers, train, n_epochs, progress), strict=True))
    speeds = [[epoch.n_words / epoch.usage.seconds for epoch in epochs[1:] or epochs] for epochs in by_config]
    return [
        TrainingResult(
            config=workers[i].name,
            initial_memory=initial_memory[i],
            words_per_second=get_quartiles(speeds[i]),
            ratio=get_ratio(speeds[i], speeds[0]),
            epochs=list(epochs),
        )
        for i, epochs in enumerate(by_config)
    ]
