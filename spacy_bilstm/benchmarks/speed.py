"""Compare how fast pipelines annotate a stream of texts, and how much memory they need."""

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
from .texts import TextsError, Tokens, cut_tokens, join_tokens, read_texts, split_texts, tokenize
from .workers import Worker, start_workers

# Latency is that of a short text, as an interactive user sends it.
LATENCY_WORDS = 20
_LATENCY_TEXTS = 100
# The texts are split into parts: the last is for latency. Without other texts to warm up on, every second one is.
_N_PARTS = 10


@dataclass
class SpeedSettings:
    """What `compare_speed` measured.

    texts, warm_up: the files of texts; `warm_up` is None if half of the texts were used to warm up.
    join_words, limit_words, batch_size, rounds, threads, gpu_id: the arguments.
    n_docs, n_words: size of the stream.
    n_warm_up_words: number of words that a pipeline annotates before the stream.
    n_cold_words: number of the first of them, which measure the cold start.
    latency_words: number of words in a text whose latency is measured.
    """

    texts: str
    warm_up: str | None
    join_words: int | None
    limit_words: int | None
    n_docs: int
    n_words: int
    n_warm_up_words: int
    n_cold_words: int
    batch_size: int | None
    rounds: int
    threads: int
    gpu_id: int
    latency_words: int = LATENCY_WORDS

    @property
    def title(self) -> str:
        """The title of the plot, which is also announced."""
        return (
            f"{self.n_docs:,} documents, {self.n_words:,} words after {self.n_warm_up_words:,} others, "
            f"{self.threads} thread(s), {self.rounds} rounds"
        )


@dataclass
class SpeedTexts:
    """The documents of a round, each as its tokens.

    cold: the first documents of the warm-up, with about as many words as the stream, or all of the warm-up.
    warm_up: the other documents of the warm-up.
    stream: the documents to measure.
    short: texts of `LATENCY_WORDS` words, to annotate one at a time.
    """

    cold: list[Tokens]
    warm_up: list[Tokens]
    stream: list[Tokens]
    short: list[Tokens]


@dataclass
class SpeedRound:
    """What one pipeline used in one round, in the order of measurement.

    cold: time and memory of `nlp.pipe` over the first texts of the warm-up, by a pipeline that has seen no text.
    stream: time and memory of `nlp.pipe` over the stream, after the warm-up.
    latencies: seconds of `nlp` for each short text. The texts are new to the pipeline.
    repeated: time and memory of `nlp.pipe` over the stream, a second time.
    """

    cold: Usage
    stream: Usage
    latencies: list[float]
    repeated: Usage


@dataclass
class PassSpeed:
    """The speed of one pass of `nlp.pipe` over the rounds.

    words_per_second: quartiles over the rounds.
    ratio: median over rounds of the speed divided by the first pipeline's speed in the same round.
    """

    words_per_second: Quartiles
    ratio: float


@dataclass
class SpeedResult:
    """The measurements of one pipeline.

    pipeline: its path or name.
    facts: facts about it before it runs.
    stream: speed on texts that are new to the pipeline, after it has annotated other texts.
    repeated: speed on the same texts a second time. All words are then in caches.
    cold: speed on the first texts after loading.
    latency_ms: milliseconds for a short text that is new to the pipeline, over all rounds, under `"p50"`, `"p95"` and
        `"p99"`.
    peak_memory, peak_gpu_memory: as in `Usage`, after the last round.
    rounds: the numbers of every round.
    """

    pipeline: str
    facts: PipelineFacts
    stream: PassSpeed
    repeated: PassSpeed
    cold: PassSpeed
    latency_ms: dict[str, float]
    peak_memory: int
    peak_gpu_memory: int | None
    rounds: list[SpeedRound]


SpeedComparison = Comparison[SpeedSettings, SpeedResult]


def compare_speed(
    pipelines: Sequence[str | Path],
    texts: str | Path,
    *,
    warm_up: str | Path | None = None,
    join_words: int | None = None,
    limit_words: int | None = None,
    batch_size: int | None = None,
    rounds: int = 10,
    threads: int = 1,
    gpu_id: int = -1,
    announce: Callable[[str], object] | None = None,
    progress: bool = False,
) -> SpeedComparison:
    """Compare pipelines on the same stream of texts: words per second, latency, memory and size.

    Each pipeline runs in its own process, and the pipelines take turns in rounds. In every round each pipeline is
    loaded again, so that it has seen no text. It annotates with `nlp.pipe` first the warm-up, then the stream, whose
    texts are new to it; then 100 new texts of 20 words, one at a time; then the stream a second time. The first part of
    the warm-up measures the cold start. Words are spaCy's tokens in the first pipeline's language. Ctrl-C ends the
    measurement after the last complete round. A script must call this function below `if __name__ == "__main__":`,
    because each process imports the script.

    pipelines: paths or names of pipelines, at least one. The others are compared with the first.
    texts: a `.txt` file with one text per line, a `.jsonl` file with `text` in each line, or a `.spacy` file. At least
        10 texts. A tenth of them is for latency, the others are the stream.
    warm_up: a file of other texts of the same kind to warm up on. With None, the texts are split into tenths; every
        second one is for the warm-up.
    join_words: join neighbouring texts into documents of about this many words, >= 1; None leaves them separate.
    limit_words: take texts until they have this many words, >= 1; None takes all. All of `warm_up` is taken.
    batch_size: texts in a batch of `nlp.pipe`, >= 1; None for each pipeline's own.
    rounds: number of rounds, >= 1.
    threads: threads that each process computes on, >= 1.
    gpu_id: ID of the GPU, or -1 for the CPU.
    announce: called with a line that describes the measurement, before the first round.
    progress: whether to show a progress bar on a terminal.
    RETURNS: the comparison, with one result for each pipeline.
    RAISES: TextsError if the texts can't be read or are too few; WorkerError if a pipeline can't be loaded or fails;
        KeyboardInterrupt on Ctrl-C before the first round is complete.
    """
    names = [str(pipeline) for pipeline in pipelines]
    read = read_texts(Path(texts))
    read_warm_up = None if warm_up is None else read_texts(Path(warm_up))
    with start_workers(names, LoadedPipeline, [(name, gpu_id, threads) for name in names], threads) as workers:
        facts: list[PipelineFacts] = [worker.call("describe") for worker in workers]
        tokens = tokenize(read, facts[0].lang, limit_words)
        warm_up_tokens = None if read_warm_up is None else tokenize(read_warm_up, facts[0].lang, None)
        chosen = _choose_texts(tokens, warm_up_tokens, join_words)
        n_cold_words = _count_words(chosen.cold)
        settings = SpeedSettings(
            texts=str(texts),
            warm_up=None if warm_up is None else str(warm_up),
            join_words=join_words,
            limit_words=limit_words,
            n_docs=len(chosen.stream),
            n_words=_count_words(chosen.stream),
            n_warm_up_words=n_cold_words + _count_words(chosen.warm_up),
            n_cold_words=n_cold_words,
            batch_size=batch_size,
            rounds=rounds,
            threads=threads,
            gpu_id=gpu_id,
        )
        if announce is not None:
            announce(settings.title)
        measured = _measure_rounds(workers, chosen, settings, progress)
    return Comparison("speed", settings, describe_machine(gpu_id), _summarise(names, facts, settings, measured))


def _choose_texts(texts: Sequence[Tokens], warm_up: Sequence[Tokens] | None, join_words: int | None) -> SpeedTexts:
    """Choose the texts of a round, each text for one purpose, or raise an error if there are too few."""
    if len(texts) < _N_PARTS:
        raise TextsError(f"{len(texts)} texts are too few to measure. Give at least {_N_PARTS}.")
    *parts, for_latency = split_texts(texts, _N_PARTS)
    # Parts, not texts, take turns: neighbouring texts of a file often share their topic and so their words.
    to_warm_up, to_measure = (parts[::2], parts[1::2]) if warm_up is None else ([list(warm_up)], parts)
    stream = _join_parts(to_measure, join_words)
    cold, others = _split_at_word(_join_parts(to_warm_up, join_words), _count_words(stream))
    n_short_words = min(_count_words(for_latency), LATENCY_WORDS * _LATENCY_TEXTS)
    return SpeedTexts(cold, others, stream, cut_tokens(for_latency, LATENCY_WORDS, n_short_words))


def _join_parts(parts: Sequence[Sequence[Tokens]], n_words: int | None) -> list[Tokens]:
    return list(chain.from_iterable(part if n_words is None else join_tokens(part, n_words) for part in parts))


def _split_at_word(documents: Sequence[Tokens], n_words: int) -> tuple[list[Tokens], list[Tokens]]:
    """Split documents after the one that has the `n_words`-th word, or after the last."""
    n_before = 0
    for i, document in enumerate(documents, start=1):
        n_before += len(document)
        if n_before >= n_words:
            return list(documents[:i]), list(documents[i:])
    return list(documents), []


def _count_words(documents: Sequence[Tokens]) -> int:
    return sum(map(len, documents))


def _measure_rounds(
    workers: Sequence[Worker], texts: SpeedTexts, settings: SpeedSettings, progress: bool
) -> list[list[SpeedRound]]:
    """Return the rounds, each with one entry for each worker."""
    cold, warm_up, stream, short = (
        ["".join(tokens) for tokens in documents]
        for documents in (texts.cold, texts.warm_up, texts.stream, texts.short)
    )

    def pipe(worker: Worker, documents: Sequence[str]) -> Usage:
        worker.call("set_texts", documents)
        usage: Usage = worker.call("pipe", settings.batch_size)
        return usage

    def measure(worker: Worker, _: int) -> SpeedRound:
        worker.call("reload", cold[0])
        cold_start = pipe(worker, cold)
        if warm_up:
            pipe(worker, warm_up)
        return SpeedRound(cold_start, pipe(worker, stream), worker.call("call_each", short), pipe(worker, stream))

    return interleave(workers, measure, settings.rounds, progress)


def _summarise(
    names: Sequence[str],
    facts: Sequence[PipelineFacts],
    settings: SpeedSettings,
    measured: Sequence[Sequence[SpeedRound]],
) -> list[SpeedResult]:
    by_pipeline = list(zip(*measured, strict=True))
    n_words = {"stream": settings.n_words, "repeated": settings.n_words, "cold": settings.n_cold_words}
    speeds = [
        {name: [n / getattr(turn, name).seconds for turn in turns] for name, n in n_words.items()}
        for turns in by_pipeline
    ]
    passes = [
        {name: PassSpeed(get_quartiles(own[name]), get_ratio(own[name], speeds[0][name])) for name in n_words}
        for own in speeds
    ]
    return [
        SpeedResult(
            pipeline=names[i],
            facts=facts[i],
            **passes[i],
            latency_ms=_get_latencies(turns),
            peak_memory=turns[-1].repeated.peak_memory,
            peak_gpu_memory=turns[-1].repeated.peak_gpu_memory,
            rounds=list(turns),
        )
        for i, turns in enumerate(by_pipeline)
    ]


def _get_latencies(turns: Sequence[SpeedRound]) -> dict[str, float]:
    seconds = list(chain.from_iterable(turn.latencies for turn in turns))
    return {f"p{percent}": 1e3 * float(numpy.percentile(seconds, percent)) for percent in (50, 95, 99)}
