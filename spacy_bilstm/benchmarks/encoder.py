"""Compare our encoder's speed with that of spaCy's encoders, side by side in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any, cast

import numpy
import torch
from spacy.util import registry
from thinc.api import fix_random_seed
from thinc.types import Floats2d

from ..bridge.model_types import EncoderModel
from ..util.machine import describe_machine
from .comparison import Comparison
from .rounds import get_ratio, interleave

OURS = "spacy-bilstm.BiLSTMEncoder.v1"
_LSTM = "spacy.TorchBiLSTMEncoder.v1"
_CNN = "spacy.MaxoutWindowEncoder.v2"
_CNN_DEPTH, _WINDOW, _PIECES = 4, 1, 3
_MATRIX_PRODUCT = "matrix product"
# The logarithm of the lengths of UD English-EWT's sentences has about these two figures.
_MEDIAN_LENGTH, _LOG_DEVIATION = 10, 0.9


@dataclass
class BatchSettings:
    """A batch of documents that `compare_encoders` measures.

    lengths: how lengths are distributed: `"text"` or `"uniform"`.
    n_docs: number of documents.
    max_length: length of the longest possible document.
    n_words: number of words.
    """

    lengths: str
    n_docs: int
    max_length: int
    n_words: int

    @property
    def title(self) -> str:
        """A description for tables."""
        lengths = f"median {_MEDIAN_LENGTH}, up to" if self.lengths == "text" else "1 to"
        return f"{self.n_docs} documents, {self.n_words:,} words, lengths {lengths} {self.max_length}"


@dataclass
class EncoderSettings:
    """What `compare_encoders` measured.

    width, depth, rounds, threads, seed: the arguments.
    batches: the batches of documents.
    """

    width: int
    depth: int
    batches: list[BatchSettings]
    rounds: int
    threads: int
    seed: int

    @property
    def title(self) -> str:
        """The title of the plot, which is also announced."""
        return f"width {self.width}, depth {self.depth}, {self.threads} thread(s), {self.rounds} rounds"


@dataclass
class EncoderRound:
    """The seconds that one encoder took in one round.

    predict: a prediction.
    train: a forward and backward pass.
    """

    predict: float
    train: float


@dataclass
class EncoderResult:
    """The measurements of one encoder with one batch.

    batch: the batch.
    name: the encoder's registered name.
    predict_words_per_second, train_words_per_second: medians over rounds.
    predict_ratio, train_ratio: median over rounds of its speed divided by our encoder's speed in the same round.
    matmul_share: arithmetic per second of its matrix products in prediction, as a share of the arithmetic per second
        of one large matrix product in the same round. Median over rounds.
    batch_dependence: largest absolute difference between a document's output in the batch and its output alone.
    rounds: the numbers of every round.
    """

    batch: BatchSettings
    name: str
    predict_words_per_second: float
    train_words_per_second: float
    predict_ratio: float
    train_ratio: float
    matmul_share: float
    batch_dependence: float
    rounds: list[EncoderRound]


EncoderComparison = Comparison[EncoderSettings, EncoderResult]


def compare_encoders(
    *,
    width: int = 256,
    depth: int = 1,
    lengths: Sequence[str] = ("text", "uniform"),
    n_docs: int | None = None,
    max_length: int | None = None,
    rounds: int = 15,
    threads: int = 1,
    seed: int = 0,
    announce: Callable[[str], object] | None = None,
    progress: bool = False,
) -> EncoderComparison:
    """Compare our encoder with spaCy's on the same random arrays.

    The encoders are `spacy-bilstm.BiLSTMEncoder.v1`, `spacy.TorchBiLSTMEncoder.v1` and `spacy.MaxoutWindowEncoder.v2`
    (depth 4, window 1, 3 pieces). They take turns within each round, together with one large float32 matrix product.
    Ctrl-C ends the measurement after the last complete round.

    width: width of input and output, >= 2.
    depth: number of layers of the recurrent encoders, >= 1.
    lengths: one batch of documents for each of these distributions of their lengths, at least one. `"text"`: as in
        text, log-normal with a median of 10. `"uniform"`: uniform, from 1.
    n_docs: number of documents in each batch, >= 1; None for 256 with `"text"` and 64 with `"uniform"`.
    max_length: length of the longest possible document, >= 1; None for 120 with `"text"` and 40 with `"uniform"`.
    rounds: number of rounds, >= 1.
    threads: threads that torch computes on, >= 1.
    seed: seed of the arrays and weights. It also seeds Python's, NumPy's and torch's random generators.
    announce: called with a line that describes the measurement, before the first round.
    progress: whether to show a progress bar on a terminal.
    RETURNS: the comparison, with one result for each batch and encoder. Its `machine["matmul_gflops"]` is the speed of
        the matrix product, in 10^9 additions and multiplications per second.
    RAISES: ValueError for another distribution; KeyboardInterrupt on Ctrl-C before the first round is complete.
    """
    drawn = [_make_batch(width, name, n_docs, max_length, seed) for name in lengths]
    settings = EncoderSettings(width, depth, [batch for batch, _ in drawn], rounds, threads, seed)
    if announce is not None:
        announce(settings.title)
    fix_random_seed(seed)
    with _torch_threads(threads):
        results, gflops = _measure([documents for _, documents in drawn], settings, progress)
    return Comparison("encoder", settings, describe_machine() | {"matmul_gflops": gflops}, results)


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _make_batch(
    width: int, distribution: str, n_docs: int | None, max_length: int | None, seed: int
) -> tuple[BatchSettings, list[Floats2d]]:
    """Return the settings of a batch, with `None` replaced, and its documents."""
    defaults = {"text": (256, 120), "uniform": (64, 40)}
    if distribution not in defaults:
        raise ValueError(f"'{distribution}' is no distribution of lengths. Choose from {', '.join(defaults)}.")
    n_docs, max_length = n_docs or defaults[distribution][0], max_length or defaults[distribution][1]
    random = numpy.random.default_rng(seed)
    if distribution == "text":
        drawn = random.lognormal(numpy.log(_MEDIAN_LENGTH), _LOG_DEVIATION, size=n_docs)
        lengths = drawn.round().clip(1, max_length).astype(int)
    else:
        lengths = random.integers(1, max_length + 1, size=n_docs)
    documents = [cast(Floats2d, random.normal(size=(length, width)).astype("float32")) for length in lengths]
    return BatchSettings(distribution, n_docs, max_length, int(lengths.sum())), documents


def _make_encoders(width: int, depth: int, documents: list[Floats2d]) -> dict[str, EncoderModel]:
    arguments: dict[str, dict[str, Any]] = {
        OURS: {"width": width, "depth": depth},
        _LSTM: {"width": width, "depth": depth, "dropout": 0.0},
        _CNN: {"width": width, "depth": _CNN_DEPTH, "window_size": _WINDOW, "maxout_pieces": _PIECES},
    }
    models = {name: registry.get("architectures", name)(**given) for name, given in arguments.items()}
    for model in models.values():
        model.initialize(X=documents)
    return models


def _count_flops(width: int, depth: int) -> dict[str, int]:
    """Count the additions and multiplications in each encoder's matrix products for one word."""
    hidden = width // 2
    # Two directions, each with four gates that read the input and the hidden state.
    lstm = depth * 2 * 2 * 4 * hidden * (width + hidden)
    cnn = _CNN_DEPTH * 2 * (2 * _WINDOW + 1) * width * _PIECES * width
    return {OURS: lstm, _LSTM: lstm, _CNN: cnn}


def _measure(
    batches: list[list[Floats2d]], settings: EncoderSettings, progress: bool
) -> tuple[list[EncoderResult], float]:
    """Return the results, and the speed of the matrix product in 10^9 additions and multiplications per second."""
    models = _make_encoders(settings.width, settings.depth, batches[0])
    # As large as the product that computes the input gates of both directions for the largest batch.
    n_rows = max(batch.n_words for batch in settings.batches)
    left, right = torch.randn(n_rows, settings.width), torch.randn(settings.width, 4 * settings.width)

    def measure(subject: tuple[int, str], _: int) -> EncoderRound:
        number, name = subject
        if name == _MATRIX_PRODUCT:
            return EncoderRound(_time(lambda: torch.mm(left, right)), 0.0)
        model, documents = models[name], batches[number]
        return EncoderRound(_time(lambda: model.predict(documents)), _time(lambda: _train(model, documents)))

    subjects = [*product(range(len(batches)), models), (0, _MATRIX_PRODUCT)]
    interleave(subjects, measure, 1, progress)  # Warms up.
    *by_subject, products = zip(*interleave(subjects, measure, settings.rounds, progress), strict=True)
    matmul_speeds = [2 * left.numel() * right.shape[1] / turn.predict for turn in products]
    results = []
    for i, documents in enumerate(batches):
        turns = by_subject[i * len(models) : (i + 1) * len(models)]
        rounds: dict[str, Sequence[EncoderRound]] = dict(zip(models, turns, strict=True))
        dependence = {name: _get_batch_dependence(model, documents) for name, model in models.items()}
        results += _summarise(rounds, settings, settings.batches[i], matmul_speeds, dependence)
    return results, median(matmul_speeds) / 1e9


def _summarise(
    rounds: dict[str, Sequence[EncoderRound]],
    settings: EncoderSettings,
    batch: BatchSettings,
    matmul_speeds: list[float],
    dependence: dict[str, float],
) -> list[EncoderResult]:
    flops = _count_flops(settings.width, settings.depth)
    predict = {name: [batch.n_words / turn.predict for turn in turns] for name, turns in rounds.items()}
    train = {name: [batch.n_words / turn.train for turn in turns] for name, turns in rounds.items()}
    return [
        EncoderResult(
            batch=batch,
            name=name,
            predict_words_per_second=median(predict[name]),
            train_words_per_second=median(train[name]),
            predict_ratio=get_ratio(predict[name], predict[OURS]),
            train_ratio=get_ratio(train[name], train[OURS]),
            matmul_share=get_ratio([flops[name] * speed for speed in predict[name]], matmul_speeds),
            batch_dependence=dependence[name],
            rounds=list(turns),
        )
        for name, turns in rounds.items()
    ]


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _train(model: EncoderModel, documents: list[Floats2d]) -> None:
    output, backprop = model.begin_update(documents)
    backprop(output)


def _get_batch_dependence(model: EncoderModel, documents: list[Floats2d]) -> float:
    together = model.predict(documents)
    alone = [model.predict([document])[0] for document in documents]
    return max(float(abs(a - b).max()) for a, b in zip(together, alone, strict=True))
