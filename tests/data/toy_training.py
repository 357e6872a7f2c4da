"""Small trainings that can be interrupted: configs, readers and callbacks. Also a file for `--code`."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Config
from toy_corpus import make_docs, make_examples
from toy_pipelines import LISTENER, MODELS, WIDTH

from spacy_bilstm.recipes import Recipe, make_config

STOPS: list[int] = []
"""The steps before which the callback stops a training, in order. Each stops it once."""
SPOILED: list[int] = []
"""The step before which the callback makes a weight of the tagger NaN."""


@registry.readers("toy_stream.v1")
def make_stream(n: int, seed: int) -> Callable[[Language], Iterator[Example]]:
    """Make a reader that shuffles the examples and draws random numbers from Python and NumPy while it reads them."""

    def read(nlp: Language) -> Iterator[Example]:
        examples = make_examples(nlp.vocab, n, seed)
        random.shuffle(examples)
        for example in examples:
            if random.random() < 0.9 and numpy.random.random() < 0.9:
                yield example

    return read


@registry.callbacks("toy_stop.v1")
def make_stop() -> Callable[[Language, dict[str, Any]], None]:
    """Make a callback that stops the training or spoils a weight before the steps in `STOPS` and `SPOILED`."""

    def act(nlp: Language, arguments: dict[str, Any]) -> None:
        if STOPS and arguments["step"] == STOPS[0]:
            del STOPS[0]
            raise KeyboardInterrupt
        if arguments["step"] in SPOILED:
            model: Any = nlp.get_pipe("tagger").model  # type: ignore[attr-defined]
            model.get_ref("softmax").get_param("b")[0] = float("nan")

    return act


def make_our_config(corpus: Path, **training: Any) -> Config:
    """Make the config of a recipe with small layers: identity dropout, augmentation, averages and a CRF."""
    config = make_config("en", ["tagger", "ner"], Recipe.efficiency)
    config["paths"] |= {"train": str(corpus / "train.spacy"), "dev": str(corpus / "dev.spacy")}
    model = config["components"]["tok2vec"]["model"]
    model["embed"] |= {"width": WIDTH, "attr_width": WIDTH, "char_width": WIDTH}
    model["encode"]["width"] = WIDTH
    config["training"] |= {"max_steps": 10, "patience": 0, "eval_frequency": 4} | training
    config["training"]["batcher"]["batcher"]["size"] = 40
    config["training"]["before_update"] = {"@callbacks": "toy_stop.v1"}
    return config


def make_stock_config(parts: Path, **training: Any) -> Config:
    """Make a config of spaCy's components on a CNN, with a frozen tagger that annotates, and a corpus that streams.

    parts: the folder that `write_stock_parts` wrote to.
    """
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": WIDTH, "depth": 1}
    encode |= {"window_size": 1, "maxout_pieces": 2}
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": WIDTH, "attrs": ["NORM", "TAG"], "rows": [50, 50]}
    embed["include_static_vectors"] = False
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    components: dict[str, Any] = {
        "tagger": {"source": str(parts / "tagger")},
        "tok2vec": {"factory": "tok2vec", "model": tok2vec},
    }
    for name in ("parser", "ner", "textcat"):
        components[name] = {"factory": name, "model": MODELS[name] | {"tok2vec": LISTENER}}
    components["parser"]["min_action_freq"] = 1
    settings: dict[str, Any] = {
        "seed": 1,
        "gpu_allocator": None,
        "max_epochs": -1,
        "max_steps": 10,
        "eval_frequency": 4,
        "accumulate_gradient": 2,
        "frozen_components": ["tagger"],
        "annotating_components": ["tagger"],
        "dropout": 0.2,
        "optimizer": {
            "@optimizers": "Adam.v1",
            "learn_rate": {
                "@schedules": "warmup_linear.v1",
                "initial_rate": 0.01,
                "warmup_steps": 3,
                "total_steps": 20,
            },
        },
        "batcher": {
            "@batchers": "spacy.batch_by_words.v1",
            "size": {"@schedules": "compounding.v1", "start": 20, "stop": 60, "compound": 1.1},
            "tolerance": 0.2,
            "discard_oversize": False,
        },
        "before_update": {"@callbacks": "toy_stop.v1"},
    }
    labels: dict[str, Any] = {
        name: {"labels": {"@readers": "spacy.read_labels.v1", "path": str(parts / f"{name}.json")}}
        for name in ("parser", "ner")
    }
    labels["textcat"] = {"labels": ["ANIMAL", "TRAVEL"]}
    readers = {name: {"@readers": "toy_stream.v1", "n": 12, "seed": seed} for seed, name in enumerate(("dev", "train"))}
    return Config(
        {
            "paths": {"train": None, "dev": None},
            "nlp": {"lang": "en", "pipeline": list(components)},
            "components": components,
            "corpora": readers,
            "training": settings | training,
            "initialize": {"components": labels},
        }
    )


def write_stock_parts(directory: Path) -> Path:
    """Write what the config of spaCy's components reads: a tagger, and labels, of which a stream shows only a part."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger")
    nlp.initialize(lambda: make_examples(nlp.vocab, 4))
    nlp.to_disk(directory / "tagger")
    for name in ("parser", "ner"):
        pipe: Any = nlp.add_pipe(name, config={"min_action_freq": 1} if name == "parser" else {})
        nlp.initialize(lambda: make_examples(nlp.vocab))
        srsly.write_json(directory / f"{name}.json", pipe.label_data)
    return directory


def write_corpus(directory: Path, n: int = 10) -> Path:
    """Write train.spacy with n docs and dev.spacy, both without spans, which take long to read."""
    for seed, (name, size) in enumerate({"train": n, "dev": 3}.items()):
        docs = make_docs(Vocab(), size, seed)
        for doc in docs:
            doc.spans.clear()
        DocBin(docs=docs).to_disk(directory / f"{name}.spacy")
    return directory


def get_digests(directory: Path) -> dict[str, str]:
    """Return a digest of each file of a directory, by its relative path."""
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
