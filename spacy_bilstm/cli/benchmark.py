"""Room cli: `spacy bilstm benchmark`: encoders run side by side in one process, and their times are compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, cast

import numpy
import srsly
import torch
import typer
from spacy.util import registry
from thinc.api import Model, fix_random_seed
from thinc.types import Floats2d
from wasabi import msg

from .files import written_whole

benchmark = typer.Typer(help="Measure speed.", no_args_is_help=True)

EncoderModel = Model[list[Floats2d], list[Floats2d]]
OURS = "spacy-bilstm.BiLSTMEncoder.v1"


@dataclass
class EncoderResult:
    """What was measured of one encoder.

    name: its registered name.
    predict_words_per_second, train_words_per_second: medians over rounds.
    predict_ratio, train_ratio: median over rounds of the speed in relation to our encoder's in the same round.
    batch_dependence: largest difference of a document's output in a batch from its output alone.
    """

    name: str
    predict_words_per_second: float
    train_words_per_second: float
    predict_ratio: float
    train_ratio: float
    batch_dependence: float


@benchmark.callback()
def callback() -> None:
    """Measure speed."""


@benchmark.command("encoder")
def encoder(
    width: Annotated[int, typer.Option(help="Width of input and output", min=2)] = 256,
    depth: Annotated[int, typer.Option(help="Number of layers of the recurrent encoders", min=1)] = 1,
    n_docs: Annotated[int, typer.Option(help="Documents in the batch", min=1)] = 64,
    max_length: Annotated[int, typer.Option(help="Lengths are drawn evenly from 1 to this", min=1)] = 40,
    rounds: Annotated[int, typer.Option(help="Rounds; each runs every encoder once", min=1)] = 15,
    threads: Annotated[int, typer.Option(help="Threads that torch computes on", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the arrays and weights")] = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file to write", dir_okay=False)] = None,
) -> None:
    """Compare our encoder with spaCy's on the same arrays.

    The encoders are spacy-bilstm.BiLSTMEncoder.v1, spacy.TorchBiLSTMEncoder.v1 and spacy.MaxoutWindowEncoder.v2 (depth
    4, window 1, 3 pieces). They take turns within each round, so that a machine's changing speed meets all alike. The
    last column says how far a document's vectors depend on the documents beside it.
    """
    torch.set_num_threads(threads)
    fix_random_seed(seed)
    documents = _make_documents(width, n_docs, max_length, seed)
    models = _make_encoders(width, depth, documents)
    results = _measure(models, documents, rounds)
    n_words = sum(len(document) for document in documents)
    msg.info(f"{n_docs} documents, {n_words} words, width {width}, depth {depth}, {threads} thread(s), {rounds} rounds")
    _print_results(results)
    if output is not None:
        settings = {"width": width, "depth": depth, "n_docs": n_docs, "n_words": n_words, "threads": threads}
        with written_whole(output) as draft:
            srsly.write_json(draft, {"settings": settings, "results": [asdict(result) for result in results]})
        msg.good(f"Wrote {output}")


def _make_documents(width: int, n_docs: int, max_length: int, seed: int) -> list[Floats2d]:
    random = numpy.random.default_rng(seed)
    lengths = random.integers(1, max_length + 1, size=n_docs)
    return [cast(Floats2d, random.normal(size=(length, width)).astype("float32")) for length in lengths]


def _make_encoders(width: int, depth: int, documents: list[Floats2d]) -> dict[str, EncoderModel]:
    arguments: dict[str, dict[str, Any]] = {
        OURS: {"width": width, "depth": depth},
        "spacy.TorchBiLSTMEncoder.v1": {"width": width, "depth": depth, "dropout": 0.0},
        "spacy.MaxoutWindowEncoder.v2": {"width": width, "depth": 4, "window_size": 1, "maxout_pieces": 3},
    }
    models = {name: registry.get("architectures", name)(**given) for name, given in arguments.items()}
    for model in models.values():
        model.initialize(X=documents)
    return models


def _measure(models: dict[str, EncoderModel], documents: list[Floats2d], rounds: int) -> list[EncoderResult]:
    seconds: dict[Callable[..., None], dict[str, list[float]]] = {
        run: {name: [] for name in models} for run in (_predict, _train)
    }
    for i in range(rounds + 1):
        for run, times in seconds.items():
            for name, model in models.items():
                start = time.perf_counter()
                run(model, documents)
                if i:  # The first round warms up.
                    times[name].append(time.perf_counter() - start)
    n_words = sum(len(document) for document in documents)
    return [
        EncoderResult(
            name=name,
            predict_words_per_second=n_words / median(seconds[_predict][name]),
            train_words_per_second=n_words / median(seconds[_train][name]),
            predict_ratio=_ratio(seconds[_predict], name),
            train_ratio=_ratio(seconds[_train], name),
            batch_dependence=_batch_dependence(model, documents),
        )
        for name, model in models.items()
    ]


def _predict(model: EncoderModel, documents: list[Floats2d]) -> None:
    model.predict(documents)


def _train(model: EncoderModel, documents: list[Floats2d]) -> None:
    output, backprop = model.begin_update(documents)
    backprop(output)


def _ratio(times: dict[str, list[float]], name: str) -> float:
    return median(ours / theirs for ours, theirs in zip(times[OURS], times[name], strict=True))


def _batch_dependence(model: EncoderModel, documents: list[Floats2d]) -> float:
    together = model.predict(documents)
    alone = [model.predict([document])[0] for document in documents]
    return max(float(abs(a - b).max()) for a, b in zip(together, alone, strict=True))


def _print_results(results: list[EncoderResult]) -> None:
    header = ("Encoder", "predict words/s", "ratio", "train words/s", "ratio", "batch dependence")
    rows = [
        (
            result.name,
            f"{result.predict_words_per_second:,.0f}",
            f"{result.predict_ratio:.2f}",
            f"{result.train_words_per_second:,.0f}",
            f"{result.train_ratio:.2f}",
            f"{result.batch_dependence:.1e}",
        )
        for result in results
    ]
    msg.table(rows, header=header, divider=True, aligns=("l", "r", "r", "r", "r", "r"))
