"""spaCy's own commands on pipelines with our encoders: each command and each way to train has a test."""

import importlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from packaging.requirements import Requirement
from spacy import registry
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.vocab import Vocab
from thinc.api import Adam, Config, require_cpu, require_gpu
from toy_corpus import make_docs, make_examples
from toy_pipelines import (
    BILSTM,
    WIDTH,
    get_annotations,
    get_distance,
    get_files,
    get_shims,
    get_weights,
    has_gpu,
    make_tok2vec,
    reduce_config,
)

Run = Callable[..., Any]
needs_gpu = pytest.mark.skipif(not has_gpu(), reason="needs CUDA and CuPy")
TEXTS = ["", *(doc.text for doc in make_docs(Vocab(), seed=5))]


@pytest.fixture
def on_cpu_afterwards() -> Iterator[None]:
    """Switch back to the CPU after a test on a GPU."""
    yield
    require_cpu()


def train(run_spacy: Run, config: Config, path: Path, *args: str, name: str = "model-last") -> Language:
    """Train a config on the command line and load the result."""
    path.mkdir()
    config.to_disk(path / "config.cfg")
    run_spacy("train", path / "config.cfg", "--output", path, *args)
    return spacy.load(path / name)


def get_tags(nlp: Language, attribute: str = "tag_") -> list[list[str]]:
    """Return a pipeline's tags, or another token attribute, for texts not seen in training."""
    return [[getattr(token, attribute) for token in doc] for doc in nlp.pipe(TEXTS)]


def make_endless_corpus() -> Callable[[Language], Iterator[Example]]:
    """Return a corpus reader that never ends."""
    return lambda nlp: (example for seed in itertools.count() for example in make_examples(nlp.vocab, 32, seed))


def test_fill_config_adds_our_defaults_to_a_config_of_init_config(config_path: Path) -> None:
    config = Config().from_disk(config_path)
    encode = config["components"]["tok2vec"]["model"]["encode"]
    assert encode == BILSTM | {"depth": 1, "merge": "concat", "dropout": 0.0}
    assert config["components"]["tagger"]["model"]["tok2vec"]["width"] == WIDTH
    assert config["components"]["tok2vec"]["model"]["embed"]["width"] == WIDTH


def test_fill_config_keeps_a_filled_config(config_path: Path, tmp_path: Path, run_spacy: Run) -> None:
    run_spacy("init", "fill-config", config_path, tmp_path / "again.cfg")
    assert (tmp_path / "again.cfg").read_text() == config_path.read_text()


def test_fill_config_fills_our_factories(tmp_path: Path, run_spacy: Run) -> None:
    """A config with nothing but the names of our factories gets their default models, and loads."""
    pipes = ["bilstm_tok2vec", "bilstm_tagger", "bilstm_morphologizer"]
    lines = ["[nlp]", 'lang = "en"', f"pipeline = {json.dumps(pipes)}", "[components]"]
    lines += [f'[components.{pipe}]\nfactory = "{pipe}"' for pipe in pipes]
    (tmp_path / "partial.cfg").write_text("\n".join(lines))
    run_spacy("init", "fill-config", tmp_path / "partial.cfg", tmp_path / "config.cfg")
    config = Config().from_disk(tmp_path / "config.cfg")
    for name in pipes:
        assert "spacy-bilstm.RecurrentEncoder.v1" in json.dumps(config["components"][name]["model"])
    assert spacy.util.load_model_from_config(config).pipe_names == pipes


def test_init_labels_and_training_from_them(config: Config, tmp_path: Path, run_spacy: Run) -> None:
    """`init labels` writes the labels of the corpus, and a training that reads the files has exactly these labels."""
    config = reduce_config(config, ["tok2vec", "tagger", "morphologizer", "ner"])
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("init", "labels", tmp_path / "config.cfg", tmp_path / "labels")
    for name in ("tagger", "morphologizer", "ner"):
        path = tmp_path / "labels" / f"{name}.json"
        config["initialize"]["components"][name] = {"labels": {"@readers": "spacy.read_labels.v1", "path": str(path)}}
    tags = srsly.read_json(tmp_path / "labels" / "tagger.json")
    assert tags == [".", "DT", "IN", "JJ", "NN", "NNP", "NNS", "VBD", "VBZ"]
    srsly.write_json(tmp_path / "labels" / "tagger.json", [*tags, "ZZ"])
    nlp = train(run_spacy, config, tmp_path / "trained", "--training.max_steps=1")
    assert nlp.get_pipe("tagger").labels == (*tags, "ZZ")
    assert nlp.get_pipe("morphologizer").label_data == srsly.read_json(tmp_path / "labels" / "morphologizer.json")
    assert nlp.get_pipe("ner").labels == ("GPE", "PERSON")


def test_debug_config(config: Config, tmp_path: Path, run_spacy: Run) -> None:
    """`debug config` accepts the config and shows our functions. It reports an argument that our encoder lacks."""
    # `debug config` can't show the default logger.
    config["training"]["logger"] = {"@loggers": "spacy.ConsoleLogger.v3"}
    config.to_disk(tmp_path / "config.cfg")
    result = run_spacy("debug", "config", tmp_path / "config.cfg", "--show-functions")
    assert "spacy_bilstm.architectures.encoder" in result.output
    config["components"]["tok2vec"]["model"]["encode"]["window_size"] = 1
    config.to_disk(tmp_path / "config.cfg")
    result = run_spacy("debug", "config", tmp_path / "config.cfg", exit_code=1)
    assert "window_size" in result.output


def test_debug_data(config_path: Path, corpus: Path, run_spacy: Run) -> None:
    """`debug data` can initialise the pipeline with the data."""
    result = run_spacy("debug", "data", config_path, f"--paths.train={corpus / 'many.spacy'}")
    assert "Pipeline can be initialized with data" in result.output


@pytest.mark.parametrize("name", ["tok2vec", "tagger", "ner"])
def test_debug_model(name: str, config_path: Path, run_spacy: Run) -> None:
    """`debug model` prints the layers, updates the model and predicts."""
    show = ["-DIM", "-PAR", "-GRAD", "-ATTR", "-P0", "-P1", "-P2", "-P3"]
    result = run_spacy("debug", "model", config_path, name, *show)
    assert "model looks good" in result.output
    assert ("recurrent_encoder" in result.output) == (name == "tok2vec")


def test_train_learns_all_components_on_our_encoder(trained_path: Path, corpus: Path) -> None:
    nlp = spacy.load(trained_path)
    assert nlp.config["components"]["tok2vec"]["model"]["encode"]["@architectures"] == BILSTM["@architectures"]
    scores = nlp.evaluate(list(Corpus(corpus / "dev.spacy")(nlp)))
    for name in ("tag_acc", "pos_acc", "morph_acc", "dep_uas", "dep_las", "sents_f", "ents_f", "spans_sc_f"):
        assert scores[name] > 0.9, name
    assert scores["cats_score"] > 0.9


def test_train_accumulates_gradients(config: Config, tmp_path: Path, run_spacy: Run) -> None:
    """Accumulating two half batches gives the same weights as whole batches, up to rounding."""
    config = reduce_config(config, ["tok2vec", "tagger"])
    config["training"]["optimizer"] = {"@optimizers": "SGD.v1", "learn_rate": 0.05, "use_averages": False}
    args = ["--training.dropout=0.0", "--training.max_steps=5"]
    whole = train(run_spacy, config, tmp_path / "whole", *args)
    halves = train(run_spacy, config, tmp_path / "halves", *args, "--training.accumulate_gradient=2")
    for name in ("tok2vec", "tagger"):
        start = get_weights(init_nlp(config).get_pipe(name).model)
        weights = get_weights(whole.get_pipe(name).model)
        assert get_distance(weights, start, torch_only=name == "tok2vec") > 1e-3
        assert get_distance(weights, get_weights(halves.get_pipe(name).model)) < 1e-5


def test_train_beside_frozen_annotating_tok2vec(
    trained_path: Path, config: Config, tmp_path: Path, run_spacy: Run
) -> None:
    """A component learns from our frozen, annotating tok2vec, and the frozen components do not change."""
    config = reduce_config(config, ["tok2vec", "tagger", "morphologizer"])
    frozen = ["tok2vec", "tagger"]
    for name in frozen:
        config["components"][name] = {"source": str(trained_path)}
    config["components"]["morphologizer"]["model"]["tok2vec"]["width"] = WIDTH
    config["training"] |= {"frozen_components": frozen, "annotating_components": ["tok2vec"]}
    nlp = train(run_spacy, config, tmp_path / "trained", name="model-best")
    for name in frozen:
        assert get_files(tmp_path / "trained" / "model-best" / name) == get_files(trained_path / name)
    docs = make_docs(nlp.vocab, seed=5)
    predicted = list(nlp.pipe(doc.text for doc in docs))
    assert [[token.pos_ for token in doc] for doc in predicted] == [[token.pos_ for token in doc] for doc in docs]
    assert get_tags(nlp) == get_tags(spacy.load(trained_path))


def test_train_sourced_component_with_replaced_listener(
    trained_path: Path, config: Config, tmp_path: Path, run_spacy: Run
) -> None:
    """A sourced tagger with a replaced listener has its own copy of our encoder, which is trained separately."""
    config = reduce_config(config, ["tok2vec", "tagger", "ner"])
    config["components"]["tagger"] = {"source": str(trained_path), "replace_listeners": ["model.tok2vec"]}
    for name in ("tok2vec", "ner"):
        config["components"][name] = {"source": str(trained_path)}
    ids = [shim.id for shim in get_shims(init_nlp(config))]
    assert len(ids) == 2
    assert len(set(ids)) == 2
    nlp = train(run_spacy, config, tmp_path / "trained", "--training.max_steps=5")
    own_config = nlp.config["components"]["tagger"]["model"]["tok2vec"]
    assert own_config["encode"]["@architectures"] == BILSTM["@architectures"]
    source = get_weights(spacy.load(trained_path).get_pipe("tok2vec").model)
    shared = get_weights(nlp.get_pipe("tok2vec").model)
    own = get_weights(nlp.get_pipe("tagger").model.get_ref("tok2vec"))
    assert get_distance(source, shared, torch_only=True) > 1e-4
    own_torch, shared_torch = ([w for name, w in x.items() if ".torch." in name] for x in (own, shared))
    assert any(not numpy.array_equal(*pair) for pair in zip(own_torch, shared_torch, strict=True))
    assert get_tags(nlp) == get_tags(spacy.load(trained_path))


def test_train_sourced_frozen_component_predicts_as_before(
    trained_path: Path, config: Config, tmp_path: Path, run_spacy: Run
) -> None:
    """A frozen, sourced tagger with a replaced listener predicts the same as its source, next to a new tok2vec."""
    config = reduce_config(config, ["tok2vec", "tagger", "morphologizer"])
    config["components"]["tagger"] = {"source": str(trained_path), "replace_listeners": ["model.tok2vec"]}
    config["training"]["frozen_components"] = ["tagger"]
    nlp = train(run_spacy, config, tmp_path / "trained", "--training.max_steps=5")
    assert get_tags(nlp) == get_tags(spacy.load(trained_path))


def test_train_streams_a_corpus(config: Config, tmp_path: Path, run_spacy: Run) -> None:
    """With `max_epochs = -1`, training streams an endless corpus and reads its labels from a file."""
    config = reduce_config(config, ["tok2vec", "tagger"])
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("init", "labels", tmp_path / "config.cfg", tmp_path / "labels")
    labels = {"@readers": "spacy.read_labels.v1", "path": str(tmp_path / "labels" / "tagger.json")}
    config["initialize"]["components"]["tagger"] = {"labels": labels}
    config["corpora"]["train"] = {"@readers": "toy.EndlessCorpus.v1"}
    registry.readers.register("toy.EndlessCorpus.v1", func=make_endless_corpus)
    config["training"] |= {"max_epochs": -1, "max_steps": 40, "eval_frequency": 10}
    nlp = train(run_spacy, config, tmp_path / "trained", name="model-best")
    assert nlp.evaluate(make_examples(nlp.vocab, seed=5))["tag_acc"] > 0.95


@pytest.mark.gpu
@needs_gpu
@pytest.mark.usefixtures("on_cpu_afterwards")
def test_train_on_gpu(config: Config, tmp_path: Path, run_spacy: Run) -> None:
    """`train --gpu-id 0` learns, and the pipeline predicts the same on GPU and CPU."""
    config = reduce_config(config, ["tok2vec", "tagger"])
    nlp = train(run_spacy, config, tmp_path / "trained", "--gpu-id", "0", name="model-best")
    assert all(shim.device.type == "cuda" for shim in get_shims(nlp))
    assert nlp.evaluate(make_examples(nlp.vocab, seed=5))["tag_acc"] > 0.95
    tags = get_tags(nlp)
    require_cpu()
    nlp = spacy.load(tmp_path / "trained" / "model-best")
    assert all(shim.device.type == "cpu" for shim in get_shims(nlp))
    assert get_tags(nlp) == tags


def test_pretrain(config: Config, tmp_path: Path, run_spacy: Run) -> None:
    """`pretrain` saves the averages of our torch weights, and `init_tok2vec` loads them into a training."""
    reduce_config(config, ["tok2vec", "tagger"]).to_disk(tmp_path / "config.cfg")
    run_spacy("init", "fill-config", "--pretraining", tmp_path / "config.cfg", tmp_path / "pretrain.cfg")
    srsly.write_jsonl(tmp_path / "raw.jsonl", [{"text": doc.text} for doc in make_docs(Vocab())])
    config = Config().from_disk(tmp_path / "pretrain.cfg", interpolate=False)
    config["paths"]["raw_text"] = str(tmp_path / "raw.jsonl")
    pretraining = config["pretraining"]
    assert pretraining["objective"]["@architectures"] == "spacy.PretrainCharacters.v1"
    assert pretraining["optimizer"]["use_averages"]
    optimizers = []
    registry.optimizers.register("toy.RecordedAdam.v1", func=lambda: optimizers.append(Adam(0.01)) or optimizers[-1])
    pretraining["optimizer"] = {"@optimizers": "toy.RecordedAdam.v1"}
    config.to_disk(tmp_path / "pretrain.cfg")
    run_spacy("pretrain", tmp_path / "pretrain.cfg", tmp_path / "pretrained", "--pretraining.max_epochs=2")

    path = tmp_path / "pretrained" / "model1.bin"
    tok2vec = init_nlp(config).get_pipe("tok2vec").model
    start = get_weights(tok2vec)
    pretrained = get_weights(tok2vec.from_bytes(path.read_bytes()))
    assert get_distance(start, pretrained, torch_only=True) > 1e-3
    averages = {key[1]: array for key, array in optimizers[0].averages.items() if "." in key[1]}
    assert averages
    for name, average in averages.items():
        (saved,) = [weights for key, weights in pretrained.items() if key.endswith(f".torch.{name}")]
        numpy.testing.assert_array_equal(saved, average)

    args = [f"--paths.init_tok2vec={path}", "--training.optimizer.learn_rate=0.0", "--training.max_steps=1"]
    nlp = train(run_spacy, config, tmp_path / "trained", *args)
    assert get_distance(get_weights(nlp.get_pipe("tok2vec").model), pretrained) == 0.0


@pytest.mark.parametrize("command", [["evaluate"], ["benchmark", "accuracy"]], ids=["evaluate", "benchmark accuracy"])
def test_evaluate(command: list[str], trained_path: Path, corpus: Path, tmp_path: Path, run_spacy: Run) -> None:
    """`evaluate` and `benchmark accuracy` write the scores of `Language.evaluate`."""
    run_spacy(*command, trained_path, corpus / "dev.spacy", "--output", tmp_path / "scores.json")
    scores = srsly.read_json(tmp_path / "scores.json")
    nlp = spacy.load(trained_path)
    expected = nlp.evaluate(list(Corpus(corpus / "dev.spacy")(nlp)))
    for name in ("tag_acc", "morph_acc", "dep_las", "ents_f", "spans_sc_f", "cats_score"):
        assert scores[name] == pytest.approx(expected[name])


def test_benchmark_speed(trained_path: Path, corpus: Path, run_spacy: Run) -> None:
    args = ["--batches", "30", "--warmup", "1", "--batch-size", "4"]
    result = run_spacy("benchmark", "speed", trained_path, corpus / "dev.spacy", *args)
    assert "Mean:" in result.output


def test_find_threshold(trained_path: Path, corpus: Path, run_spacy: Run) -> None:
    """`find-threshold` finds the best threshold of a text classifier on our encoder."""
    result = run_spacy(
        "find-threshold", trained_path, corpus / "dev.spacy", "textcat_multilabel", "threshold", "cats_macro_f", "-n", 5
    )
    (best,) = [line for line in result.output.splitlines() if "Best threshold" in line]
    assert "value of 1.0" in best


@pytest.mark.parametrize("n_process", [1, 2])
def test_apply(n_process: int, trained_path: Path, tmp_path: Path, run_spacy: Run) -> None:
    """`apply` annotates texts the same as the pipeline itself, in one process and in two."""
    srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in TEXTS])
    args = ["--batch-size", "2", "--n-process", n_process]
    run_spacy("apply", trained_path, tmp_path / "texts.jsonl", tmp_path / "docs.spacy", *args)
    nlp = spacy.load(trained_path)
    docs = list(DocBin().from_disk(tmp_path / "docs.spacy").get_docs(nlp.vocab))
    assert get_annotations(docs) == get_annotations(nlp.pipe(TEXTS))


def test_assemble(trained_path: Path, config: Config, tmp_path: Path, run_spacy: Run) -> None:
    """`assemble` builds a pipeline from trained components, which predict as before."""
    config = reduce_config(config, ["tok2vec", "ner", "tagger"])
    for name in config["nlp"]["pipeline"]:
        config["components"][name] = {"source": str(trained_path)}
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("assemble", tmp_path / "config.cfg", tmp_path / "assembled")
    nlp = spacy.load(tmp_path / "assembled")
    assert nlp.pipe_names == ["tok2vec", "ner", "tagger"]
    for attribute in ("tag_", "ent_type_"):
        assert get_tags(nlp, attribute) == get_tags(spacy.load(trained_path), attribute)


def package(run_spacy: Run, source: Path, path: Path, name: str) -> Path:
    """Package a pipeline without building a wheel and return the directory of the importable package."""
    path.mkdir()
    run_spacy("package", source, path, "--name", name, "--version", "1.2.3", "--build", "none")
    directory = path / f"en_{name}-1.2.3"
    shutil.copy(directory / "meta.json", directory / f"en_{name}")  # setup.py does this when it builds a wheel.
    return directory


@pytest.mark.parametrize("kind", ["architecture", "factory"])
def test_package_requires_us(kind: str, tmp_path: Path, run_spacy: Run) -> None:
    """`package` detects that a pipeline requires this package, from an architecture or from a factory alone."""
    nlp = spacy.blank("en")
    if kind == "architecture":
        nlp.add_pipe("tok2vec", config={"model": make_tok2vec(BILSTM)})
    else:
        cnn = {"@architectures": "spacy.HashEmbedCNN.v2", "width": WIDTH, "depth": 1, "embed_size": 50}
        cnn |= {"window_size": 1, "maxout_pieces": 2, "subword_features": True, "pretrained_vectors": None}
        nlp.add_pipe("bilstm_tok2vec", config={"model": cnn})
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    directory = package(run_spacy, tmp_path / "nlp", tmp_path / "packages", kind)
    requirements = srsly.read_json(directory / "meta.json")["requirements"]
    (requirement,) = [Requirement(line) for line in requirements if line.startswith("spacy-bilstm")]
    assert requirement.name == "spacy-bilstm"
    assert version("spacy-bilstm") in requirement.specifier
    assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}


def test_package_loads(trained_path: Path, tmp_path: Path, run_spacy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packaged pipeline can be imported and loaded, and predicts as before."""
    monkeypatch.syspath_prepend(package(run_spacy, trained_path, tmp_path / "packages", "toy_cpu"))
    module = importlib.import_module("en_toy_cpu")
    assert module.__version__ == "1.2.3"
    assert get_tags(module.load()) == get_tags(spacy.load(trained_path))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.usefixtures("on_cpu_afterwards")
def test_package_loads_on_gpu(
    trained_path: Path, tmp_path: Path, run_spacy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package trained on a CPU loads on a GPU and predicts the same."""
    tags = get_tags(spacy.load(trained_path))
    monkeypatch.syspath_prepend(package(run_spacy, trained_path, tmp_path / "packages", "toy_gpu"))
    require_gpu()
    nlp = importlib.import_module("en_toy_gpu").load()
    assert all(shim.device.type == "cuda" for shim in get_shims(nlp))
    assert get_tags(nlp) == tags
