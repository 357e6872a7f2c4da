"""`spacy bilstm benchmark encoder`: encoders run side by side in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, cast

import numpy
import torch
import typer
from spacy.util import registry
from thinc.api import fix_random_seed
from thinc.types import Floats2d
from wasabi import msg

from ..bridge.model_types import EncoderModel
from ..util.machine import describe_machine
from ..util.plots import new_figure
from . import options
from .charts import draw_bars, draw_speeds, label_rows
from .report import check_plot, end_after, format_count, write_plot, write_report
from .rounds import get_quartiles, get_ratio, interleave

OURS = "spacy-bilstm.BiLSTMEncoder.v1"
_LSTM = "spacy.TorchBiLSTMEncoder.v1"
_CNN = "spacy.MaxoutWindowEncoder.v2"
_CNN_DEPTH, _WINDOW, _PIECES = 4, 1, 3


@dataclass
class EncoderRound:
    """What one encoder took in one round, in seconds.

    predict, train: a prediction, and a forward and backward pass.
    """

    predict: float
    train: float


@dataclass
class EncoderResult:
    """What was measured of one encoder.

    name: its registered name.
    predict_words_per_second, train_words_per_second: medians over rounds.
    predict_ratio, train_ratio: median over rounds of the speed in relation to our encoder's in the same round.
    matmul_share: median over rounds of the arithmetic of its matrix products a second in prediction, in relation to
        that of one large product in the same round.
    batch_dependence: largest difference of a document's output in a batch from its output alone.
    rounds: the single numbers.
    """

    name: str
    predict_words_per_second: float
    train_words_per_second: float
    predict_ratio: float
    train_ratio: float
    matmul_share: float
    batch_dependence: float
    rounds: list[EncoderRound]


def encoder(
    width: Annotated[int, typer.Option(help="Width of input and output", min=2)] = 256,
    depth: Annotated[int, typer.Option(help="Number of layers of the recurrent encoders", min=1)] = 1,
    n_docs: Annotated[int, typer.Option(help="Documents in the batch", min=1)] = 64,
    max_length: Annotated[int, typer.Option(help="Lengths are drawn evenly from 1 to this", min=1)] = 40,
    rounds: Annotated[int, typer.Option(help="Rounds; each runs every encoder once", min=1)] = 15,
    threads: Annotated[int, typer.Option(help="Threads that torch computes on", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the arrays and weights")] = 0,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Compare our encoder with spaCy's on the same arrays.

    The encoders are spacy-bilstm.BiLSTMEncoder.v1, spacy.TorchBiLSTMEncoder.v1 and spacy.MaxoutWindowEncoder.v2 (depth
    4, window 1, 3 pieces). They take turns within each round, so that a machine's changing speed meets all alike. The
    share is that of the rate at which the machine multiplies one large float32 matrix, of all words at once, by another
    with as many threads. The last column says how far a document's vectors depend on the documents beside it.
    """
    check_plot(plot)
    torch.set_num_threads(threads)
    fix_random_seed(seed)
    documents = _make_documents(width, n_docs, max_length, seed)
    n_words = sum(len(document) for document in documents)
    title = f"{n_docs} documents, {n_words} words, width {width}, depth {depth}, {threads} thread(s), {rounds} rounds"
    msg.info(title)
    results, gflops = _measure(documents, width, depth, rounds)
    _print_results(results, gflops)
    settings = {"width": width, "depth": depth, "n_docs": n_docs, "max_length": max_length, "n_words": n_words}
    settings |= {"rounds": rounds, "threads": threads, "seed": seed}
    machine = describe_machine() | {"matmul_gflops": gflops}
    write_report(output, "encoder", settings, machine, results)
    if plot is not None:
        _draw(results, n_words, title, plot)
    end_after(len(results[0].rounds), rounds)


def _make_documents(width: int, n_docs: int, max_length: int, seed: int) -> list[Floats2d]:
    random = numpy.random.default_rng(seed)
    lengths = random.integers(1, max_length + 1, size=n_docs)
    return [cast(Floats2d, random.normal(size=(length, width)).astype("float32")) for length in lengths]


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
    """Give the additions and multiplications in each encoder's matrix products for one word."""
    hidden = width // 2
    # Two directions, with four gates each, of the input and of the hidden state.
    lstm = depth * 2 * 2 * 4 * hidden * (width + hidden)
    cnn = _CNN_DEPTH * 2 * (2 * _WINDOW + 1) * width * _PIECES * width
    return {OURS: lstm, _LSTM: lstm, _CNN: cnn}


def _measure(documents: list[Floats2d], width: int, depth: int, n_rounds: int) -> tuple[list[EncoderResult], float]:
    """Give the results, and the machine's rate in 10^9 additions and multiplications a second."""
    models = _make_encoders(width, depth, documents)
    n_words = sum(len(document) for document in documents)
    # As large as the product that gives all gates of both directions their inputs.
    left, right = torch.randn(n_words, width), torch.randn(width, 4 * width)

    def measure(name: str, _: int) -> EncoderRound:
        if name in models:
            model = models[name]
            return EncoderRound(_time(lambda: model.predict(documents)), _time(lambda: _train(model, documents)))
        return EncoderRound(_time(lambda: torch.mm(left, right)), 0.0)

    subjects = [*models, "matrix product"]
    interleave(subjects, measure, 1)  # Warms up.
    *by_encoder, products = zip(*interleave(subjects, measure, n_rounds), strict=True)
    machine_rates = [2 * left.numel() * right.shape[1] / turn.predict for turn in products]
    flops = _count_flops(width, depth)
    rounds = dict(zip(models, by_encoder, strict=True))
    predict = {name: [n_words / turn.predict for turn in turns] for name, turns in rounds.items()}
    train = {name: [n_words / turn.train for turn in turns] for name, turns in rounds.items()}
    results = [
        EncoderResult(
            name=name,
            predict_words_per_second=median(predict[name]),
            train_words_per_second=median(train[name]),
            predict_ratio=get_ratio(predict[name], predict[OURS]),
            train_ratio=get_ratio(train[name], train[OURS]),
            matmul_share=get_ratio([flops[name] * speed for speed in predict[name]], machine_rates),
            batch_dependence=_get_batch_dependence(model, documents),
            rounds=list(rounds[name]),
        )
        for name, model in models.items()
    ]
    return results, median(machine_rates) / 1e9


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


def _print_results(results: Sequence[EncoderResult], gflops: float) -> None:
    header = ("Encoder", "predict words/s", "ratio", "share", "train words/s", "ratio", "batch dependence")
    rows = [
        (
            result.name,
            format_count(result.predict_words_per_second),
            f"{result.predict_ratio:.2f}",
            f"{result.matmul_share:.0%}",
            format_count(result.train_words_per_second),
            f"{result.train_ratio:.2f}",
            f"{result.batch_dependence:.1e}",
        )
        for result in results
    ]
    msg.table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r", "r", "r"))
    msg.text(f"The share is of {gflops:,.0f} GFLOP/s, the rate of a large matrix product here.")


def _draw(results: Sequence[EncoderResult], n_words: int, title: str, path: Path) -> None:
    figure, (predict, train, share) = new_figure(3, 4.0, 3.0, title)
    for axes, task in ((predict, "predict"), (train, "train")):
        speeds = [[n_words / getattr(turn, task) for turn in result.rounds] for result in results]
        draw_speeds(axes, [get_quartiles(numbers) for numbers in speeds])
    predict.set_xlabel("words per second, prediction")
    train.set_xlabel("words per second, forward and backward")
    draw_bars(share, [100 * result.matmul_share for result in results])
    share.set_xlim(0, 100)
    share.set_xlabel("% of the machine's matrix-multiply rate")
    label_rows((predict, train, share), [result.name for result in results])
    write_plot(figure, path)
