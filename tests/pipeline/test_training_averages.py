"""`use_averages = true`: averages of torch weights are evaluated and saved, and the raw weights are trained."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from spacy import registry
from spacy.language import Language
from spacy.training import loop
from spacy.training.initialize import init_nlp
from thinc.api import Adam, Config, Optimizer
from toy_corpus import make_docs
from toy_pipelines import get_annotations, get_weights, reduce_config


@pytest.fixture
def optimizers() -> list[Optimizer]:
    """The optimizers that configs have made in this test. The last one is that of the training."""
    made: list[Optimizer] = []
    registry.optimizers.register(
        "toy.AveragingAdam.v1", func=lambda: made.append(Adam(0.01, use_averages=True)) or made[-1]
    )
    return made


@pytest.fixture
def nlp(config: Config, optimizers: list[Optimizer]) -> Language:
    """An initialised tagger on our tok2vec, whose training computes averages."""
    config = reduce_config(config, ["tok2vec", "tagger"])
    config["training"]["optimizer"] = {"@optimizers": "toy.AveragingAdam.v1"}
    config["training"] |= {"max_steps": 11, "eval_frequency": 5}
    return init_nlp(config)


def get_torch_weights(nlp: Language) -> dict[str, numpy.ndarray]:
    """Return the torch weights of a pipeline's tok2vec by their name in the torch module."""
    weights = get_weights(nlp.get_pipe("tok2vec").model)
    return {name.split(".torch.")[1]: array for name, array in weights.items() if ".torch." in name}


def get_averages(optimizer: Optimizer) -> dict[str, numpy.ndarray]:
    """Return copies of an optimizer's averages of torch weights by their name in the torch module."""
    return {key[1]: array.copy() for key, array in optimizer.averages.items() if "." in key[1]}


def are_equal(left: dict[str, numpy.ndarray], right: dict[str, numpy.ndarray]) -> bool:
    """Return whether two sets of weights are equal."""
    assert left
    assert left.keys() == right.keys()
    return all(numpy.array_equal(left[name], right[name]) for name in left)


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch, optimizers: list[Optimizer]) -> list[tuple[Any, Any]]:
    """The weights and the averages at each evaluation of the training."""
    seen: list[tuple[Any, Any]] = []
    evaluate = Language.evaluate

    def record(nlp: Language, *args: Any, **kwargs: Any) -> Any:
        seen.append((get_torch_weights(nlp), get_averages(optimizers[-1])))
        return evaluate(nlp, *args, **kwargs)

    monkeypatch.setattr(Language, "evaluate", record)
    return seen


def test_every_evaluation_uses_the_averages(
    nlp: Language, optimizers: list[Optimizer], evaluated: list[tuple[Any, Any]], tmp_path: Path
) -> None:
    loop.train(nlp, tmp_path)
    assert len(evaluated) == 3
    assert all(are_equal(weights, averages) for weights, averages in evaluated)


def test_the_saved_pipeline_has_the_averages(nlp: Language, optimizers: list[Optimizer], tmp_path: Path) -> None:
    _, path = loop.train(nlp, tmp_path)
    saved = spacy.load(path)
    assert are_equal(get_torch_weights(saved), get_averages(optimizers[-1]))
    texts = [doc.text for doc in make_docs(nlp.vocab, seed=5)]
    with nlp.use_params(optimizers[-1].averages):
        assert get_annotations(nlp.pipe(texts)) == get_annotations(saved.pipe(texts))


def test_the_pipeline_keeps_the_raw_weights(nlp: Language, optimizers: list[Optimizer], tmp_path: Path) -> None:
    loop.train(nlp, tmp_path)
    assert not are_equal(get_torch_weights(nlp), get_averages(optimizers[-1]))


def test_raw_weights_are_restored_if_an_evaluation_raises(
    nlp: Language, optimizers: list[Optimizer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The averages are saved."""
    raw: list[dict[str, numpy.ndarray]] = []
    use_params = Language.use_params
    evaluate = Language.evaluate
    calls: Iterator[Callable[..., Any]] = iter([evaluate, evaluate])

    def record(self: Language, params: Any) -> Any:
        raw.append(get_torch_weights(self))
        return use_params(self, params)

    def fail_later(self: Language, *args: Any, **kwargs: Any) -> Any:
        call = next(calls, None)
        if call is None:
            assert not are_equal(get_torch_weights(self), raw[-1])
            raise RuntimeError("evaluation failed")
        return call(self, *args, **kwargs)

    monkeypatch.setattr(Language, "use_params", record)
    monkeypatch.setattr(Language, "evaluate", fail_later)
    with pytest.raises(RuntimeError, match="evaluation failed"):
        loop.train(nlp, tmp_path)
    assert are_equal(get_torch_weights(nlp), raw[-1])
    assert are_equal(get_torch_weights(spacy.load(tmp_path / "model-last")), get_averages(optimizers[-1]))
