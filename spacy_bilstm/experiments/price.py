"""What a second direction costs. Encoders take turns on the same arrays, their times are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, cast

import numpy
from spacy.util import registry
from thinc.api import Model
from thinc.types import Floats2d
from tqdm import tqdm

from ..util.model_size import count_parameters
from .variants import CNN, Variant

EncoderModel = Model[list[Floats2d], list[Floats2d]]


@dataclass(frozen=True)
class Price:
    """What an encoder costs.

    variant: the encoder.
    parameters: number of its weights.
    predict_words_per_second, train_words_per_second: medians over rounds.
    predict_ratio, train_ratio: median over rounds of its time in relation to that of the same cell and depth in one
        direction in the same round; None if that was not measured.
    """

    variant: Variant
    parameters: int
    predict_words_per_second: float
    predict_ratio: float | None
    train_words_per_second: float
    train_ratio: float | None


def measure_prices(
    variants: Sequence[Variant], width: int, n_docs: int, max_length: int, rounds: int, seed: int
) -> list[Price]:
    """Measure prediction and training steps of encoders by themselves.

    variants: the encoders.
    width: width of their input and output.
    n_docs: documents in the batch.
    max_length: lengths are drawn evenly from 1 to this.
    rounds: number of rounds; in each every encoder runs once.
    seed: seed of the arrays.
    RETURNS: the prices in the order of the variants.
    """
    random = numpy.random.default_rng(seed)
    lengths = random.integers(1, max_length + 1, size=n_docs)
    documents = [cast(Floats2d, random.normal(size=(n, width)).astype("float32")) for n in lengths]
    models = {variant: make_encoder(variant, width) for variant in variants}
    for model in models.values():
        model.initialize(X=documents)
    predict, train = _time_turns(models, documents, rounds)
    n_words = int(lengths.sum())
    return [
        Price(
            variant=variant,
            parameters=count_parameters(models[variant]),
            predict_words_per_second=n_words / median(predict[variant]),
            predict_ratio=_ratio(predict, variant),
            train_words_per_second=n_words / median(train[variant]),
            train_ratio=_ratio(train, variant),
        )
        for variant in variants
    ]


def make_encoder(variant: Variant, width: int) -> EncoderModel:
    """Make a variant's encoder from its config.

    RAISES: ValueError for a width that the variant cannot have.
    """
    model: EncoderModel = registry.resolve({"encode": variant.encoder_config(width)})["encode"]
    return model


Times = dict[Variant, list[float]]


def _time_turns(models: dict[Variant, EncoderModel], documents: list[Floats2d], rounds: int) -> tuple[Times, Times]:
    predict: Times = {variant: [] for variant in models}
    train: Times = {variant: [] for variant in models}
    for i in tqdm(range(rounds + 1), unit="round", disable=None, dynamic_ncols=True):
        for run, times in ((_predict, predict), (_train, train)):
            for variant, model in models.items():
                seconds = _time(run, model, documents)
                if i:  # The first round warms up.
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


def _ratio(times: Times, variant: Variant) -> float | None:
    one = replace(variant, directions=1, merge="concat")
    if variant.cell == CNN or one not in times:
        return None
    return median(own / other for own, other in zip(times[variant], times[one], strict=True))
