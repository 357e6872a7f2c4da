"""Evaluates a pipeline on a corpus: everything that the HTML page shows, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.language import Language

from .annotation import annotate
from .confusions import TagConfusions, find_tag_confusions
from .corpus import read_examples, read_training_corpus
from .description import PipelineDescription, describe_pipeline
from .outcomes import compare_corpus
from .reliability import Reliability, measure_reliability
from .scores import Scores, score
from .training_log import TrainingLog, read_log
from .worst_sentences import Sentence, find_worst_sentences


@dataclass(frozen=True)
class Settings:
    """The arguments of `evaluate`.

    model: the path or name of the pipeline.
    corpus: the corpus that it annotated.
    train: the corpus that it was trained on, or None.
    log: the log of its training, or None.
    n_resamples, seed: the number of resamples for the intervals and the seed of their draws.
    """

    model: str
    corpus: Path
    train: Path | None
    log: Path | None
    n_resamples: int
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """The results of evaluating a pipeline on a corpus.

    settings: the arguments of the evaluation.
    pipeline: the pipeline's name, components and size, and the machine.
    n_docs, n_words: the number of docs and tokens that it annotated.
    words_per_second: its speed, without the tokenizer.
    with_confidences: whether it computed confidences of entities, which takes time.
    scores: the scores with their intervals.
    training_log: the learning curves, or None without a log.
    reliability: how well the confidences of entities match their accuracy, or None without confidences or entities.
    confusions: the confusions of each kind of tag that has any.
    worst_sentences: the sentences with the most errors, the worst first.
    """

    settings: Settings
    pipeline: PipelineDescription
    n_docs: int
    n_words: int
    words_per_second: float
    with_confidences: bool
    scores: Scores
    training_log: TrainingLog | None
    reliability: Reliability | None
    confusions: list[TagConfusions]
    worst_sentences: list[Sentence]


def evaluate(
    model: Language | str | Path,
    corpus: str | Path,
    *,
    train: str | Path | None = None,
    log: str | Path | None = None,
    n_worst: int = 20,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: bool = False,
) -> Evaluation:
    """Evaluate a pipeline on a corpus, which it annotates once.

    model: the pipeline, or its path or name.
    corpus: the annotated corpus, a `.spacy` file.
    train: the `.spacy` file that the pipeline was trained on, to compare seen with unseen words, or None.
    log: the log of the training, the `output_file` of `spacy.ConsoleLogger.v3`, or None.
    n_worst: how many of the sentences with the most errors to return, >= 0.
    n_resamples: the number of bootstrap resamples for the intervals, >= 1.
    seed: the seed of the bootstrap.
    progress: whether to show progress bars in a terminal.
    RETURNS: the results. `write_report` makes an HTML page of them.
    RAISES: OSError if there is no such pipeline; CorpusError or LogError if a file can't be read.
    """
    corpus, train, log = Path(corpus), _to_path(train), _to_path(log)
    training_log = None if log is None else read_log(log)
    seen = None if train is None else read_training_corpus(train)
    nlp = model if isinstance(model, Language) else spacy.load(model)
    source = nlp.path or nlp.meta["name"] if isinstance(model, Language) else model
    predicted = annotate(nlp, read_examples(nlp, corpus), progress)
    outcomes = compare_corpus(nlp, predicted)
    return Evaluation(
        settings=Settings(str(source), corpus, train, log, n_resamples, seed),
        pipeline=describe_pipeline(nlp),
        n_docs=len(predicted.examples),
        n_words=predicted.n_words,
        words_per_second=predicted.n_words / predicted.seconds,
        with_confidences=predicted.confidences is not None,
        scores=score(predicted, outcomes, seen, n_resamples, seed, progress),
        training_log=training_log,
        reliability=measure_reliability(predicted),
        confusions=find_tag_confusions(predicted.examples, outcomes),
        worst_sentences=find_worst_sentences(predicted, outcomes, n_worst),
    )


def _to_path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
