"""Time entity recognition by the number of labels, `bilstm_ner` beside spaCy's `ner`.

python -m spacy_bilstm.experiments.many_labels
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from tqdm import tqdm

from ..benchmarks.device import get_peak_memory
from ..benchmarks.workers import Worker, start_workers
from .tables import Table
from .timing_program import run_timings

N_LABELS = (3, 18, 50, 200, 500, 1000)
N_TEXTS, N_WORDS = 256, 5
N_UPDATES = 12
_TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": 64,
    "depth": 1,
    "embed_size": 2000,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": False,
    "pretrained_vectors": None,
}
_MODELS: dict[str, dict[str, Any]] = {
    "bilstm_ner": {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": _TOK2VEC},
    "ner": {"@architectures": "spacy.TransitionBasedParser.v2", "hidden_width": 64, "tok2vec": _TOK2VEC},
}


@dataclass(frozen=True)
class Cost:
    """What a recogniser takes for one batch.

    predict_seconds: time of `predict` after the tok2vec.
    update_seconds: time of one update of the weights, the tok2vec included.
    peak_memory: largest resident memory of the process, in bytes.
    """

    predict_seconds: float
    update_seconds: float
    peak_memory: int


class Recogniser:
    """An entity recogniser trained for a few updates on texts in which each word has one label or none.

    factory: `"bilstm_ner"` or `"ner"`. Both read the same tok2vec.
    n_labels: number of labels, >= 1.
    """

    def __init__(self, factory: str, n_labels: int) -> None:
        torch.set_num_threads(1)
        fix_random_seed(0)
        self._nlp = spacy.blank("en")
        recogniser: Any = self._nlp.add_pipe(factory, config={"model": _MODELS[factory]})
        self._pipe = recogniser
        self._examples = [self._make_example(i, n_labels) for i in range(N_TEXTS)]
        labels = [f"L{label}" for label in range(n_labels)]

        for label in labels:
            recogniser.add_label(label)
        self._optimizer = self._nlp.initialize(lambda: self._examples)
        self._optimizer.learn_rate = 0.01
        self._update_seconds = [self._update() for _ in range(N_UPDATES)]

    def measure(self, rounds: int) -> Cost:
        """Measure one batch of 256 texts of 5 words.

        rounds: number of rounds of which the median is taken, >= 1.
        """
        docs = [example.predicted for example in self._examples]
        tok2vec: Any = self._pipe.model.get_ref("tok2vec")
        with_tok2vec = median(self._time(lambda: self._pipe.predict(docs)) for _ in range(rounds))
        alone = median(self._time(lambda: tok2vec.predict(docs)) for _ in range(rounds))
        return Cost(with_tok2vec - alone, median(self._update_seconds[1:]), get_peak_memory())

    def _update(self) -> float:
        return self._time(lambda: self._nlp.update(self._examples, sgd=self._optimizer))

    @staticmethod
    def _time(call: Any) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    def _make_example(self, seed: int, n_labels: int) -> Example:
        rng = random.Random(seed)
        label = rng.randrange(n_labels)
        words = [f"w{rng.randrange(500)}" for _ in range(N_WORDS)]
        tags = ["O"] * N_WORDS
        place = rng.randrange(N_WORDS - 1)
        words[place : place + 2] = [f"n{label}", f"m{label}"]
        tags[place : place + 2] = [f"B-L{label}", f"I-L{label}"]
        vocab = self._nlp.vocab
        return Example(Doc(vocab, words=words), Doc(vocab, words=words, ents=tags))


def time_recognisers(rounds: int, n_labels: Sequence[int] = N_LABELS) -> Table:
    """Time `bilstm_ner` and spaCy's `ner` on one thread, each number of labels in two processes of its own.

    rounds: number of rounds of which the median is taken, >= 1.
    n_labels: numbers of entity labels.
    RETURNS: the table.
    """
    rows = []
    for n in tqdm(n_labels, disable=None, leave=False):
        costs = []
        for factory in _MODELS:
            with start_workers([f"{factory}, {n} labels"], Recogniser, [(factory, n)], 1) as workers:
                costs.append(_measure(workers[0], rounds))
        rows.append((f"{n:,}", *(text for cost in costs for text in _format(cost))))
    header = (f"{factory}: {what}" for factory in _MODELS for what in ("predict", "update", "memory"))
    return Table(("labels", *header), rows)


def _measure(worker: Worker, rounds: int) -> Cost:
    cost: Cost = worker.call("measure", rounds)
    return cost


def _format(cost: Cost) -> tuple[str, str, str]:
    n_tokens = N_TEXTS * N_WORDS
    return (
        f"{1e6 * cost.predict_seconds / n_tokens:.1f} us/token",
        f"{1e3 * cost.update_seconds:,.0f} ms",
        f"{cost.peak_memory / 1e6:,.0f} MB",
    )


if __name__ == "__main__":
    run_timings(__doc__, {"recognisers": time_recognisers})
