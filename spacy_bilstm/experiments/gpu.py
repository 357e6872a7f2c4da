"""Measure training and prediction on a GPU: speed, memory and where the time goes, beside spaCy's encoders.

python -m spacy_bilstm.experiments.gpu TRAIN.spacy --gpu-id 0

On a CPU (`--gpu-id -1`), everything but the GPU's memory is measured as well.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Any, cast

import numpy
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus
from spacy.training.loop import create_train_batches
from spacy.util import load_model_from_config, registry
from thinc.api import Config, Model, fix_random_seed, get_current_ops
from thinc.types import Floats2d

from ..benchmarks.device import Device
from ..recipes import make_config
from ..training.loop import Batch, resolve_training_settings
from ..util.machine import describe_machine
from .tables import Table

PIPES = ("tagger", "ner")
BATCH_WORDS = 2000
N_WARM_UP = 10
_RECIPES = ("efficiency", "accuracy")
_OURS = "spacy-bilstm.RecurrentEncoder.v1"
_TORCH = "spacy.TorchBiLSTMEncoder.v1"
_CNN = "spacy.MaxoutWindowEncoder.v2"
_ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": (_OURS, {}),
    "ours, half precision": (_OURS, {"mixed_precision": True}),
    "spaCy's TorchBiLSTMEncoder": (_TORCH, {"depth": 1, "dropout": 0.0}),
    "spaCy's MaxoutWindowEncoder": (_CNN, {"depth": 4, "window_size": 1, "maxout_pieces": 3}),
}


@dataclass(frozen=True)
class PipelineCost:
    """What training and prediction of one pipeline cost.

    train_words_per_second: words trained on per second, after the warm-up.
    predict_words_per_second: words annotated per second by `nlp.pipe`, from tokens: median over rounds.
    peak_gpu_memory: largest memory of the GPU held while training, in bytes; None on a CPU.
    losses: loss for each word in the first and in the last tenth of the training.
    stages: seconds of each stage of one prediction: the parts of tok2vec, and each component after it.
    """

    train_words_per_second: float
    predict_words_per_second: float
    peak_gpu_memory: int | None
    losses: tuple[float, float]
    stages: Mapping[str, float]


def make_configs() -> dict[str, Config]:
    """Make the configs to compare: both recipes, in single and half precision, and spaCy's encoders.

    RETURNS: the configs by name. All train on batches of the same size.
    """
    stock = Config(init_config(lang="en", pipeline=list(PIPES), optimize="efficiency", gpu=False, silent=True))
    recurrent = stock.copy()
    recurrent["components"]["tok2vec"]["model"]["encode"] = {
        "@architectures": _TORCH,
        "width": 96,
        "depth": 1,
        "dropout": 0.0,
    }
    configs = {
        **{f"{recipe}, half precision": make_config("en", PIPES, recipe, gpu=True) for recipe in _RECIPES},
        **{recipe: make_config("en", PIPES, recipe) for recipe in _RECIPES},
        "spaCy's default": stock,
        "spaCy's TorchBiLSTMEncoder": recurrent,
    }
    for config in configs.values():
        config["training"]["batcher"] = {
            "@batchers": "spacy.batch_by_words.v1",
            "size": BATCH_WORDS,
            "discard_oversize": False,
            "tolerance": 0.2,
            "get_length": None,
        }
    return configs


def measure_encoders(device: Device, rounds: int, width: int = 256, n_docs: int = 256) -> Table:
    """Measure encoders on one batch of documents whose lengths are distributed as those of texts.

    device: the device.
    rounds: number of rounds of which medians are taken, after one that warms up.
    width: width of input and output.
    n_docs: number of documents.
    RETURNS: the table, in words per second.
    """
    random = numpy.random.default_rng(0)
    lengths = numpy.clip(random.lognormal(numpy.log(10), 0.8, n_docs), 1, 120).astype(int)
    ops = get_current_ops()
    documents = [ops.asarray2f(cast(Floats2d, random.normal(size=(n, width)).astype("f"))) for n in lengths]
    rows = []
    for name, (architecture, arguments) in _ENCODERS.items():
        fix_random_seed(0)
        model = registry.get("architectures", architecture)(width, **arguments)
        model.initialize(X=documents)
        calls = (partial(model.predict, documents), partial(_train_once, model, documents))
        speeds = (lengths.sum() / _get_median_seconds(device, call, rounds) for call in calls)
        rows.append((name, *(f"{speed:,.0f}" for speed in speeds)))
    return Table(("encoder", "predict words/s", "train words/s"), rows)


def measure_pipeline(device: Device, config: Config, corpus: Path, steps: int, rounds: int) -> PipelineCost:
    """Train a pipeline for some steps and let it predict.

    device: the device.
    config: the training config.
    corpus: a `.spacy` file.
    steps: number of updates, more than the warm-up's 10.
    rounds: number of predictions of which the median is taken, after one that warms up.
    RETURNS: what it cost.
    """
    fix_random_seed(0)
    nlp = load_model_from_config(config, auto_fill=True)
    reader = Corpus(corpus)
    nlp.initialize(lambda: reader(nlp))
    settings = resolve_training_settings(nlp)
    batches = islice(create_train_batches(nlp, reader, settings["batcher"], 0), steps)
    losses: list[float] = []

    def train(batches: Iterable[Batch]) -> None:
        for _, batch in batches:
            of_batch: dict[str, float] = {}
            nlp.update(batch, sgd=settings["optimizer"], drop=settings["dropout"], losses=of_batch)
            settings["optimizer"].step_schedules()
            losses.append(sum(float(of_batch[name]) for name in PIPES) / sum(map(len, batch)))

    device.reset_peaks()
    train(islice(batches, N_WARM_UP))
    measured = list(batches)
    usage = device.measure(partial(train, measured))
    n_words = sum(len(example) for _, batch in measured for example in batch)
    docs = [example.predicted for example in islice(reader(nlp), 2000)]
    seconds = _get_median_seconds(device, lambda: list(nlp.pipe(_copy(docs), batch_size=256)), rounds)
    n_tenth = max(1, len(losses) // 10)
    return PipelineCost(
        train_words_per_second=n_words / usage.seconds,
        predict_words_per_second=sum(map(len, docs)) / seconds,
        peak_gpu_memory=usage.peak_gpu_memory,
        losses=(mean(losses[:n_tenth]), mean(losses[-n_tenth:])),
        stages=dict(_time_stages(device, nlp, _copy(docs[:256]), rounds)),
    )


def _time_stages(device: Device, nlp: Language, docs: list[Doc], rounds: int) -> Iterator[tuple[str, float]]:
    for name, pipe in nlp.pipeline:
        component = cast(Any, pipe)
        if name == "tok2vec":
            embed, encode = component.model.layers
            vectors = embed.predict(docs)
            yield "embed", _get_median_seconds(device, partial(embed.predict, docs), rounds)
            yield "encode", _get_median_seconds(device, partial(encode.predict, vectors), rounds)
        else:
            yield name, _get_median_seconds(device, partial(component.predict, docs), rounds)
        deque(component.pipe(docs), maxlen=0)


def _get_median_seconds(device: Device, call: Callable[[], object], rounds: int) -> float:
    return median([device.measure(call).seconds for _ in range(rounds + 1)][1:])


def _train_once(model: Model[list[Floats2d], list[Floats2d]], documents: list[Floats2d]) -> None:
    output, backprop = model.begin_update(documents)
    backprop(output)


def _copy(docs: Sequence[Doc]) -> list[Doc]:
    return [Doc(doc.vocab, words=[token.text for token in doc]) for doc in docs]


def make_cost_table(costs: Mapping[str, PipelineCost]) -> Table:
    """Make a table of what pipelines cost.

    costs: the costs by name.
    RETURNS: the table.
    """
    header = ("pipeline", "train words/s", "predict words/s", "peak GPU memory", "loss, first", "loss, last")
    rows = []
    for name, cost in costs.items():
        memory = "-" if cost.peak_gpu_memory is None else f"{cost.peak_gpu_memory / 1e6:,.0f} MB"
        speeds = (f"{cost.train_words_per_second:,.0f}", f"{cost.predict_words_per_second:,.0f}")
        rows.append((name, *speeds, memory, *(f"{loss:.3f}" for loss in cost.losses)))
    return Table(header, rows)


def make_stage_table(costs: Mapping[str, PipelineCost]) -> Table:
    """Make a table of the share of each stage in the time of a prediction.

    costs: the costs by name.
    RETURNS: the table, in per cent.
    """
    stages = ("embed", "encode", *PIPES)
    rows = [
        (name, *(f"{100 * cost.stages[stage] / sum(cost.stages.values()):.0f} %" for stage in stages))
        for name, cost in costs.items()
    ]
    return Table(("pipeline", *stages), rows)


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "corpus",
        type=Path,
        nargs="?",
        help="a .spacy file with tags and entities; without it, only encoders are measured",
    )
    parser.add_argument("--gpu-id", type=int, default=0, help="ID of the GPU, or -1 for the CPU")
    parser.add_argument("--steps", type=int, default=100, help="updates of each pipeline")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which medians are taken")
    parser.add_argument("--width", type=int, default=256, help="width of the encoders that are measured alone")
    parser.add_argument("--threads", type=int, default=1, help="number of threads on the CPU")
    arguments = parser.parse_args()
    device = Device(arguments.gpu_id, arguments.threads)
    print(json.dumps(describe_machine(arguments.gpu_id)), end="\n\n", flush=True)
    print(measure_encoders(device, arguments.rounds, arguments.width).to_markdown(), flush=True)
    if arguments.corpus is None:
        return
    costs = {}
    for name, config in make_configs().items():
        costs[name] = measure_pipeline(device, config, arguments.corpus, arguments.steps, arguments.rounds)
        print(make_cost_table({name: costs[name]}).rows[0], flush=True)
    print(f"\n{make_cost_table(costs).to_markdown()}\n{make_stage_table(costs).to_markdown()}", end="")


if __name__ == "__main__":
    main()
