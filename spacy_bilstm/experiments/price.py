"""The price of a second direction: compares the speed of encoders that take turns on the same arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy
import srsly
import torch
from thinc.types import Floats2d

from ..bridge.model_types import EncoderModel
from ..util.files import atomic_write
from ..util.model_size import count_parameters
from .timing import time_in_turns
from .variants import CNN, Variant, build_encoder


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
        with atomic_write(path) as draft:
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
    rounds: number of rounds. Each round runs every encoder once. Ctrl-C after the first round ends them.
    seed: seed of the arrays.
    progress: whether to show a progress bar on a terminal.
    RETURNS: the prices in the order of the variants, and the number of completed rounds among the settings.
    RAISES: ValueError if an encoder can't have this width.
    """
    documents = _make_documents(width, n_docs, max_length, seed)
    models = {variant: build_encoder(variant, width) for variant in variants}
    for model in models.values():
        model.initialize(X=documents)
    seconds = time_in_turns(_make_calls(models, documents), rounds, progress)
    n_words = sum(len(document) for document in documents)
    prices = [_make_price(variant, model, seconds, n_words) for variant, model in models.items()]
    n_completed = min(map(len, seconds.values()), default=rounds)
    settings = {"width": width, "n_docs": n_docs, "max_length": max_length, "rounds": n_completed}
    return PriceComparison({**settings, "threads": torch.get_num_threads()}, prices)


def _make_documents(width: int, n_docs: int, max_length: int, seed: int) -> list[Floats2d]:
    random = numpy.random.default_rng(seed)
    lengths = random.integers(1, max_length + 1, size=n_docs)
    return [cast(Floats2d, random.normal(size=(n, width)).astype("float32")) for n in lengths]


Work = tuple[str, Variant]
"""`"predict"` or `"train"`, and an encoder."""


def _make_calls(models: Mapping[Variant, EncoderModel], documents: list[Floats2d]) -> dict[Work, Callable[[], object]]:
    def train(model: EncoderModel) -> None:
        output, backprop = model.begin_update(documents)
        backprop(output)

    predict = {("predict", variant): partial(model.predict, documents) for variant, model in models.items()}
    return {**predict, **{("train", variant): partial(train, model) for variant, model in models.items()}}


def _make_price(variant: Variant, model: EncoderModel, seconds: Mapping[Work, list[float]], n_words: int) -> Price:
    return Price(
        variant=variant,
        parameters=count_parameters(model),
        predict_words_per_second=n_words / median(seconds["predict", variant]),
        predict_ratio=_compare_with_one_direction(seconds, "predict", variant),
        train_words_per_second=n_words / median(seconds["train", variant]),
        train_ratio=_compare_with_one_direction(seconds, "train", variant),
    )


def _compare_with_one_direction(seconds: Mapping[Work, list[float]], work: str, variant: Variant) -> float | None:
    one_direction = replace(variant, directions=1, merge="concat")
    if variant.cell == CNN or (work, one_direction) not in seconds:
        return None
    pairs = zip(seconds[work, variant], seconds[work, one_direction], strict=True)
    return median(own / other for own, other in pairs)
