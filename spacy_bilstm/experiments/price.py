"""The price of a second direction: compares the speed of encoders that take turns on the same arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy
import srsly
import torch
from thinc.types import Floats2d
from tqdm import tqdm

from ..util.files import written_whole
from ..util.model_size import count_parameters
from .variants import CNN, EncoderModel, Variant, build_encoder


@dataclass(frozen=True)
class Price:
    """The size and the speed of an encoder.

    variant: the encoder.
    parameters: number of its weights.
    predict_words_per_second, train_words_per_second: medians over rounds.
    predict_ratio, train_ratio: its time divided by the time of the same cell and depth in one direction in the same
        round, median over rounds; None if one direction was not measured.
    """

    variant: Variant
    parameters: int
    predict_words_per_second: float
    predict_ratio: float | None
    train_words_per_second: float
    train_ratio: float | None


@dataclass(frozen=True)
class PriceComparison:
    """The prices of encoders.

    settings: what was measured and how.
    prices: one for each encoder.
    """

    settings: dict[str, Any]
    prices: list[Price]

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        results = [{"name": price.variant.name, **asdict(price)} for price in self.prices]
        with written_whole(path) as draft:
            srsly.write_json(draft, {"experiment": "price", "settings": self.settings, "results": results})


def compare_prices(
    variants: Sequence[Variant],
    *,
    width: int = 128,
    n_docs: int = 64,
    max_length: int = 40,
    rounds: int = 30,
    seed: int = 0,
    progress: bool = False,
) -> PriceComparison:
    """Measure the prediction and the training step of encoders without the rest of a pipeline.

    variants: the encoders, such as those of `make_variants`.
    width: width of their input and output.
    n_docs: number of documents in the batch.
    max_length: largest length of a document in words. Lengths are drawn uniformly from 1 to this.
    rounds: number of rounds. Each round runs every encoder once.
    seed: seed of the arrays.
    progress: whether to show a progress bar, if standard error is a terminal.
    RETURNS: the prices in the order of the variants.
    RAISES: ValueError if an encoder can't have this width.
    """
    random = numpy.random.default_rng(seed)
    lengths = random.integers(1, max_length + 1, size=n_docs)
    documents = [cast(Floats2d, random.normal(size=(n, width)).astype("float32")) for n in lengths]
    models = {variant: build_encoder(variant, width) for variant in variants}
    for model in models.values():
        model.initialize(X=documents)
    predict, train = _time_rounds(models, documents, rounds, progress)
    n_words = int(lengths.sum())
    prices = [
        Price(
            variant=variant,
            parameters=count_parameters(models[variant]),
            predict_words_per_second=n_words / median(predict[variant]),
            predict_ratio=_compare_with_one_direction(predict, variant),
            train_words_per_second=n_words / median(train[variant]),
            train_ratio=_compare_with_one_direction(train, variant),
        )
        for variant in variants
    ]
    settings = {"width": width, "n_docs": n_docs, "max_length": max_length, "rounds": rounds}
    return PriceComparison({**settings, "threads": torch.get_num_threads()}, prices)


Times = dict[Variant, list[float]]


def _time_rounds(
    models: dict[Variant, EncoderModel], documents: list[Floats2d], rounds: int, progress: bool
) -> tuple[Times, Times]:
    predict: Times = {variant: [] for variant in models}
    train: Times = {variant: [] for variant in models}
    for i in tqdm(range(rounds + 1), unit="round", disable=None if progress else True, dynamic_ncols=True):
        for run, times in ((_predict, predict), (_train, train)):
            for variant, model in models.items():
                seconds = _time(run, model, documents)
                if i:  # The first round is a warm-up.
                    times[variant].append(seconds)
    return predict, train


def _time(run: Callable[[Any, Any], None], model: EncoderModel, documents: list[Floats2d]) -> float:
    start = time.perf_counter()
    run(model, documents)
    return time.perf_counter() - start


def _predict(model: EncoderModel, documents: list[Floats2d]) -> None:
    model.predict(documents)


def _train(model: EncoderModel, documents: list[Floats2d]) -> None:
    output, backprop = model.begin_update(documents)
    backprop(output)


def _compare_with_one_direction(times: Times, variant: Variant) -> float | None:
    one_direction = replace(variant, directions=1, merge="concat")
    if variant.cell == CNN or one_direction not in times:
        return None
    return median(own / other for own, other in zip(times[variant], times[one_direction], strict=True))
