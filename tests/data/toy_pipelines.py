"""Small configs and pipelines with recurrent encoders, and functions to train and inspect them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import Config, Model, Optimizer
from toy_corpus import make_examples

WIDTH = 16
BILSTM = {"@architectures": "spacy-bilstm.BiLSTMEncoder.v1", "width": WIDTH}
GRU = {"@architectures": "spacy-bilstm.RecurrentEncoder.v1", "width": WIDTH, "cell": "gru", "merge": "sum"}
EMBED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": WIDTH,
    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
    "rows": [100, 100, 100, 100],
    "include_static_vectors": False,
}
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": WIDTH}
MODELS: dict[str, dict[str, Any]] = {
    "tagger": {"@architectures": "spacy.Tagger.v2"},
    "morphologizer": {"@architectures": "spacy.Tagger.v2"},
    "senter": {"@architectures": "spacy.Tagger.v2"},
    "parser": {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "parser", "hidden_width": WIDTH},
    "ner": {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "hidden_width": WIDTH},
    "spancat": {
        "@architectures": "spacy.SpanCategorizer.v1",
        "reducer": {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": WIDTH},
        "scorer": {"@layers": "spacy.LinearLogistic.v1"},
    },
    "textcat": {
        "@architectures": "spacy.TextCatEnsemble.v2",
        "linear_model": {
            "@architectures": "spacy.TextCatBOW.v3",
            "exclusive_classes": True,
            "ngram_size": 1,
            "no_output_layer": False,
        },
    },
    "textcat_multilabel": {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": False,
        "use_reduce_first": False,  # Of these, only the mean takes an empty doc.
        "use_reduce_last": False,
        "use_reduce_max": False,
        "use_reduce_mean": True,
    },
}
for _name in ("parser", "ner"):
    MODELS[_name] |= {"extra_state_tokens": False, "maxout_pieces": 2, "use_upper": True}


def make_tok2vec(encode: dict[str, Any], embed_width: int = WIDTH) -> dict[str, Any]:
    """Return the config of spaCy's Tok2Vec with one of our encoders."""
    return {"@architectures": "spacy.Tok2Vec.v2", "embed": EMBED | {"width": embed_width}, "encode": encode}


def add_stock_pipe(nlp: Language, name: str, tok2vec: dict[str, Any]) -> None:
    """Add one of spaCy's components that reads a tok2vec or listens to one."""
    config: dict[str, Any] = {"model": MODELS[name] | {"tok2vec": tok2vec}}
    if name == "parser":
        config["min_action_freq"] = 1  # The default drops labels that are rare, and in a small corpus all are.
    nlp.add_pipe(name, config=config)


def overfit(nlp: Language, epochs: int = 10, learn_rate: float = 0.02, **kwargs: Any) -> Optimizer:
    """Initialise a pipeline and train it on few examples. RETURNS: the optimizer."""
    examples = make_examples(nlp.vocab)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = learn_rate
    update(nlp, optimizer, epochs, **kwargs)
    return optimizer


def update(nlp: Language, optimizer: Optimizer, epochs: int = 1, **kwargs: Any) -> None:
    """Train a pipeline on few examples, without dropout except for that of its models."""
    for _ in range(epochs):
        for batch in minibatch(make_examples(nlp.vocab), 8):
            nlp.update(batch, sgd=optimizer, drop=0.0, **kwargs)


def get_weights(model: Model) -> dict[str, numpy.ndarray]:
    """Return copies of all weights of a model, including those of torch modules, by position and name."""
    weights = {}
    for i, node in enumerate(model.walk()):
        for name in node.param_names:
            weights[f"{i}.{name}"] = node.ops.to_numpy(node.get_param(name)).copy()
        for shim in node.shims:
            for name, tensor in shim.module.state_dict().items():
                weights[f"{i}.torch.{name}"] = tensor.detach().cpu().numpy().copy()
    return weights


def get_distance(left: dict[str, numpy.ndarray], right: dict[str, numpy.ndarray], torch_only: bool = False) -> float:
    """Return the largest absolute difference between two sets of weights with the same names."""
    assert left.keys() == right.keys()
    names = [name for name in left if ".torch." in name or not torch_only]
    assert names
    return max(float(numpy.abs(left[name] - right[name]).max()) for name in names)


def get_shims(nlp: Language) -> list[Any]:
    """Return all shims of a pipeline."""
    return [shim for _, pipe in nlp.pipeline for node in pipe.model.walk() for shim in node.shims]


def get_annotations(docs: Iterable[Doc]) -> list[dict[str, Any]]:
    """Return all annotations of docs as data that can be compared, with rounded scores."""
    return [
        {
            "tokens": [(t.text, t.tag_, t.pos_, str(t.morph), t.head.i, t.dep_, t.is_sent_start) for t in doc],
            "ents": [(ent.start, ent.end, ent.label_) for ent in doc.ents],
            "spans": {key: [(span.start, span.end, span.label_) for span in doc.spans[key]] for key in doc.spans},
            # spaCy's text classifiers give an empty doc other scores when its whole batch is empty.
            "cats": {name: round(score, 4) for name, score in doc.cats.items()} if len(doc) else {},
        }
        for doc in docs
    ]


def assert_same_annotations(
    predicted: list[dict[str, Any]], expected: list[dict[str, Any]], atol: float = 1e-4
) -> None:
    """Check that two results of `get_annotations` are equal; scores of categories with an absolute tolerance."""
    for found, wanted in zip(predicted, expected, strict=True):
        assert found | {"cats": None} == wanted | {"cats": None}
        assert found["cats"] == pytest.approx(wanted["cats"], abs=atol, rel=0)


def get_files(path: Path) -> dict[str, bytes]:
    """Return the content of all files in a directory by relative path."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def reduce_config(config: Config, pipes: list[str]) -> Config:
    """Return a copy of a training config with only some of its components."""
    config = config.copy()
    config["nlp"]["pipeline"] = pipes
    config["components"] = {name: config["components"][name] for name in pipes}
    return config


def has_gpu() -> bool:
    """Return whether both torch and thinc can compute on a GPU."""
    from thinc.util import has_cupy_gpu

    return bool(torch.cuda.is_available() and has_cupy_gpu)
