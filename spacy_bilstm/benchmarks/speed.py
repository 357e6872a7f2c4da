"""Compare how fast pipelines annotate the same texts, and how much memory they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy

from ..util.machine import describe_machine
from .comparison import Comparison
from .device import Usage
from .pipelines import LoadedPipeline, PipelineFacts
from .rounds import Quartiles, get_quartiles, get_ratio, interleave
from .texts import Tokens, cut_tokens, join_tokens, read_texts, tokenize
from .workers import Worker, start_workers

# Latency is that of a short text, as an interactive user sends it. Each round takes other texts than the one before.
LATENCY_WORDS = 20
_LATENCY_TEXTS = 100


@dataclass
class SpeedSettings:
    """What `compare_speed` measured.

    texts: the file of texts.
    join_words, limit_words, batch_size, rounds, threads, gpu_id: the arguments.
    n_docs, n_words: size of the texts.
    latency_words: number of words in a text whose latency is measured.
    """

    texts: str
    join_words: int | None
    limit_words: int | None
    n_docs: int
    n_words: int
    batch_size: int | None
    rounds: int
    threads: int
    gpu_id: int
    latency_words: int = LATENCY_WORDS

    @property
    def title(self) -> str:
        """The title of the plot, which is also announced."""
        return f"{self.n_docs:,} documents, {self.n_words:,} words, {self.threads} thread(s), {self.rounds} rounds"


@dataclass
class SpeedRound:
    """What one pipeline used in one round.

    pipe: time and memory of `nlp.pipe` over all texts.
    latencies: seconds of `nlp` for each short text.
    """

    pipe: Usage
    latencies: list[float]


@dataclass
class SpeedResult:
    """The measurements of one pipeline.

    pipeline: its path or name.
    facts: facts about it before it runs.
    words_per_second, documents_per_second: speed of `nlp.pipe` over the rounds.
    ratio: median over rounds of its speed divided by the first pipeline's speed in the same round.
    first_pass_words_per_second: speed of the pass before the rounds, when the texts are new to the pipeline.
    latency_ms: milliseconds for a short text, over all rounds, under `"p50"`, `"p95"` and `"p99"`.
    peak_memory, peak_gpu_memory: as in `Usage`, after the last round.
    rounds: the numbers of every round.
    """

    pipeline: str
    facts: PipelineFacts
    words_per_second: Quartiles
    documents_per_second: Quartiles
    ratio: float
    first_pass_words_per_second: float
    latency_ms: dict[str, float]
    peak_memory: int
    peak_gpu_memory: int | None
    rounds: list[SpeedRound]


SpeedComparison = Comparison[SpeedSettings, SpeedResult]


def compare_speed(
    pipelines: Sequence[str | Path],
    texts: str | Path,
    *,
    join_words: int | None = None,
    limit_words: int | None = None,
    batch_size: int | None = None,
    rounds: int = 10,
    threads: int = 1,
    gpu_id: int = -1,
    announce: Callable[[str], object] | None = None,
    progress: bool = False,
) -> SpeedComparison:
    """Compare pipelines on the same texts: words per second, latency, memory and size.

    Each pipeline runs in its own process, and the pipelines take turns. First each annotates all texts once, while they
    are new to it. Then in every round each annotates all texts with `nlp.pipe`, and 100 texts of 20 words one at a
    time. Words are spaCy's tokens in the first pipeline's language. Ctrl-C ends the measurement after the last complete
    round. A script must call this function below `if __name__ == "__main__":`, because each process imports the script.

    pipelines: paths or names of pipelines, at least one. The others are compared with the first.
    texts: a `.txt` file with one text per line, a `.jsonl` file with `text` in each line, or a `.spacy` file.
    join_words: join neighbouring texts into documents of about this many words, >= 1; None leaves them separate.
    limit_words: take texts until they have this many words, >= 1; None takes all.
    batch_size: texts in a batch of `nlp.pipe`, >= 1; None for each pipeline's own.
    rounds: number of rounds, >= 1.
    threads: threads that each process computes on, >= 1.
    gpu_id: ID of the GPU, or -1 for the CPU.
    announce: called with a line that describes the measurement, before the first pass.
    progress: whether to show a progress bar on a terminal.
    RETURNS: the comparison, with one result for each pipeline.
    RAISES: TextsError if the texts can't be read; WorkerError if a pipeline can't be loaded or fails;
        KeyboardInterrupt on Ctrl-C before the first round is complete.
    """
    names = [str(pipeline) for pipeline in pipelines]
    read = read_texts(Path(texts))
    with start_workers(names, LoadedPipeline, [(name, gpu_id, threads) for name in names], threads) as workers:
        facts: list[PipelineFacts] = [worker.call("describe") for worker in workers]
        documents = tokenize(read, facts[0].lang, limit_words)
        if join_words is not None:
            documents = join_tokens(documents, join_words)
        n_docs, n_words = len(documents), sum(map(len, documents))
        settings = SpeedSettings(
            str(texts), join_words, limit_words, n_docs, n_words, batch_size, rounds, threads, gpu_id
        )
        if announce is not None:
            announce(settings.title)
        for worker in workers:
            worker.call("set_texts", ["".join(tokens) for tokens in documents])
        # The first pass comes before the rounds, because only then are the texts new to the pipelines.
        first_pass = _measure_first_pass(workers, batch_size, progress)
        measured = _measure_rounds(workers, documents, settings, progress)
    results = _summarise(names, facts, settings, first_pass, measured)
    return Comparison("speed", settings, describe_machine(gpu_id), results)


def _measure_first_pass(workers: Sequence[Worker], batch_size: int | None, progress: bool) -> list[Usage]:
    return interleave(workers, lambda worker, _: worker.call("pipe", batch_size), 1, progress)[0]


def _measure_rounds(
    workers: Sequence[Worker], documents: Sequence[Tokens], settings: SpeedSettings, progress: bool
) -> list[list[SpeedRound]]:
    """Return the rounds, each with one entry for each worker."""
    short_texts = ["".join(tokens) for tokens in cut_tokens(documents, LATENCY_WORDS, settings.n_words)]

    def measure(worker: Worker, number: int) -> SpeedRound:
        usage = worker.call("pipe", settings.batch_size)
        start = number * _LATENCY_TEXTS
        chosen = [short_texts[i % len(short_texts)] for i in range(start, start + _LATENCY_TEXTS)]
        return SpeedRound(usage, worker.call("call_each", chosen))

    return interleave(workers, measure, settings.rounds, progress)


def _summarise(
    names: Sequence[str],
    facts: Sequence[PipelineFacts],
    settings: SpeedSettings,
    first_pass: Sequence[Usage],
    measured: Sequence[Sequence[SpeedRound]],
) -> list[SpeedResult]:
    by_pipeline = list(zip(*measured, strict=True))
    speeds = [[settings.n_words / turn.pipe.seconds for turn in turns] for turns in by_pipeline]
    return [
        SpeedResult(
            pipeline=names[i],
            facts=facts[i],
            words_per_second=get_quartiles(speeds[i]),
            documents_per_second=get_quartiles(settings.n_docs / turn.pipe.seconds for turn in turns),
            ratio=get_ratio(speeds[i], speeds[0]),
            first_pass_words_per_second=settings.n_words / first_pass[i].seconds,
            latency_ms=_get_latencies(turns),
            peak_memory=turns[-1].pipe.peak_memory,
            peak_gpu_memory=turns[-1].pipe.peak_gpu_memory,
            rounds=list(turns),
        )
        for i, turns in enumerate(by_pipeline)
    ]


def _get_latencies(turns: Sequence[SpeedRound]) -> dict[str, float]:
    seconds = list(chain.from_iterable(turn.latencies for turn in turns))
    return {f"p{percent}": 1e3 * float(numpy.percentile(seconds, percent)) for percent in (50, 95, 99)}
