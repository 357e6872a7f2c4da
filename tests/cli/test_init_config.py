"""`spacy bilstm init-config`: for any language and mix of components it writes a config that is complete and trains."""

import pkgutil
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import spacy.lang
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.util import load_config_from_str, load_model_from_config
from thinc.api import Config
from toy_corpus import WORDS
from typer.testing import Result

from spacy_bilstm.recipes import RECIPES, RecipeError, make_config

Run = Callable[..., Result]
PIPES = ["tagger", "morphologizer", "senter", "parser", "ner", "textcat", "textcat_multilabel"]
LANGUAGES = sorted(module.name for module in pkgutil.iter_modules(spacy.lang.__path__) if module.ispkg)
OPTIMIZE = ["efficiency", "accuracy"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the directory of a pipeline that holds vectors of some words."""
    nlp = spacy.blank("en")
    random = numpy.random.default_rng(0)
    for word in WORDS:
        nlp.vocab.set_vector(word, random.normal(size=8).astype("float32"))
    path = tmp_path_factory.mktemp("vectors")
    nlp.to_disk(path)
    return str(path)


def collect(config: dict[str, Any], key: str) -> list[Any]:
    """Give all values of a key anywhere in a config."""
    values = [config[key]] if key in config else []
    return values + [
        value for section in config.values() if isinstance(section, dict) for value in collect(section, key)
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_any_language(lang: str) -> None:
    """Every language of spaCy has its config; one that needs a further package says which."""
    try:
        config = make_config(lang, ["tagger"])
    except RecipeError:
        with pytest.raises(ImportError) as missing:
            spacy.blank(lang)
        with pytest.raises(RecipeError, match=re.escape(str(missing.value))):
            make_config(lang, ["tagger"])
        pytest.skip("the language needs a further package")
    assert config["nlp"]["lang"] == lang
    assert config["nlp"]["pipeline"] == ["tok2vec", "tagger"]


@pytest.mark.parametrize("with_vectors", [False, True])
@pytest.mark.parametrize("pipeline", [*([pipe] for pipe in PIPES), PIPES], ids=",".join)
@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_a_config_is_complete(optimize: str, pipeline: list[str], with_vectors: bool, vectors: str) -> None:
    """There is nothing left to fill, and every component listens to the shared tok2vec."""
    config = make_config("en", pipeline, optimize, vectors=vectors if with_vectors else None)
    assert config["paths"]["vectors"] == (vectors if with_vectors else None)
    assert collect(config, "include_static_vectors") == [with_vectors]
    assert collect(config, "upstream") == ["*"] * len(pipeline)
    nlp = load_model_from_config(config, auto_fill=True)
    assert nlp.config.to_str() == config.to_str()
    assert nlp.get_pipe("tok2vec").listening_components == pipeline


@settings(max_examples=10, deadline=None)
@given(
    pipeline=st.lists(st.sampled_from([*PIPES, "tok2vec"]), unique=True).filter(lambda pipes: set(pipes) - {"tok2vec"})
)
def test_the_order_of_components_does_not_matter(pipeline: list[str]) -> None:
    config = make_config("xx", pipeline)
    assert config["nlp"]["pipeline"] == ["tok2vec", *(pipe for pipe in PIPES if pipe in pipeline)]
    assert list(config["components"]) == config["nlp"]["pipeline"]


@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_a_gpu_is_made_use_of(optimize: str) -> None:
    on_cpu, on_gpu = (make_config("en", PIPES, optimize, gpu=gpu) for gpu in (False, True))
    assert on_gpu["system"]["gpu_allocator"] == "pytorch"
    assert set(collect(on_gpu, "mixed_precision")) == {True}
    assert set(collect(on_cpu, "mixed_precision")) == {False}
    assert on_gpu["training"]["batcher"]["batcher"]["size"] > on_cpu["training"]["batcher"]["batcher"]["size"]
    assert load_model_from_config(on_gpu).pipe_names == ["tok2vec", *PIPES]


def test_the_recipes_differ_in_their_numbers_only() -> None:
    """What a recipe sets in its file is in its config, and the recipes set the same things."""
    configs = {name: make_config("en", PIPES, name) for name in OPTIMIZE}
    own = {name: Config().from_disk(RECIPES / f"{name}.cfg") for name in OPTIMIZE}
    assert configs["efficiency"]["components"]["tok2vec"]["model"]["encode"]["depth"] == 1
    for name, config in configs.items():
        assert config.merge(own[name]) == config
    assert own["accuracy"].merge(own["efficiency"]).merge(own["accuracy"]) == own["accuracy"]


@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_the_learning_rate_ends_with_the_training(optimize: str) -> None:
    training = make_config("en", ["ner"], optimize)["training"]
    assert training["optimizer"]["learn_rate"]["total_steps"] == training["max_steps"]


@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_the_printed_command_trains_what_was_asked_for(
    optimize: str, vectors: str, corpus: Path, tmp_path: Path, run_spacy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that is shown runs as it is, and the losses of all components fall."""
    monkeypatch.chdir(tmp_path)
    for name in ("train", "dev"):
        (tmp_path / f"{name}.spacy").symlink_to(corpus / f"{name}.spacy")
    given = ["--vectors", vectors] if optimize == "accuracy" else []
    result = run_spacy("bilstm", "init-config", "my config.cfg", "-p", ",".join(PIPES), "-o", optimize, *given)
    command = shlex.split(result.output.splitlines()[-1])
    assert command[:3] == ["python", "-m", "spacy"]
    path, *paths = command[4:]
    run_spacy("debug", "config", path, *paths, "--show-functions")
    run_spacy("init", "fill-config", path, "filled.cfg")
    assert Path("filled.cfg").read_text(encoding="utf8") == Path(path).read_text(encoding="utf8")
    shorten = {
        "max_steps": 16,
        "eval_frequency": 8,
        "batcher.batcher.size": 120,
        "optimizer.learn_rate.warmup_steps": 5,
    }
    arguments = [f"--training.{name}={value}" for name, value in shorten.items()]
    run_spacy(*command[3:], "--output", "trained", *arguments, "--training.logger.output_file=log.jsonl")
    untrained, early, late = srsly.read_jsonl("log.jsonl")
    assert late["losses"].keys() == {"tok2vec", *PIPES}
    for name in PIPES:
        assert late["losses"][name] < early["losses"][name], name
    assert late["score"] > untrained["score"] + 0.2
    nlp = spacy.load("trained/model-last")
    assert nlp.pipe_names == ["tok2vec", *PIPES]
    assert nlp.vocab.has_vector("cat") == bool(given)


def test_stdout_gets_the_config_and_nothing_else(tmp_path: Path, run_spacy: Run) -> None:
    arguments = ["-l", "de", "-p", "[ner, tagger]", "-G"]
    printed = run_spacy("bilstm", "init-config", "-", *arguments).output
    run_spacy("bilstm", "init-config", tmp_path / "new" / "config.cfg", *arguments)
    assert (tmp_path / "new" / "config.cfg").read_text(encoding="utf8").strip() == printed.strip()
    assert load_config_from_str(printed)["nlp"]["pipeline"] == ["tok2vec", "tagger", "ner"]


def test_defaults_are_those_of_spacys_init_config(tmp_path: Path, run_spacy: Run) -> None:
    run_spacy("bilstm", "init-config", tmp_path / "ours.cfg")
    run_spacy("init", "config", tmp_path / "stock.cfg")
    ours, stock = (Config().from_disk(tmp_path / f"{name}.cfg") for name in ("ours", "stock"))
    assert ours["nlp"]["pipeline"] == stock["nlp"]["pipeline"]
    assert ours["nlp"]["lang"] == stock["nlp"]["lang"]


def test_an_output_file_is_not_overwritten_unasked(tmp_path: Path, run_spacy: Run) -> None:
    path = tmp_path / "config.cfg"
    path.write_text("mine")
    assert "--force" in run_spacy("bilstm", "init-config", path, exit_code=1).output
    assert path.read_text() == "mine"
    run_spacy("bilstm", "init-config", path, "-F")
    assert Config().from_disk(path)["nlp"]["lang"] == "en"


def test_another_code_of_a_language_is_understood() -> None:
    assert make_config("deu", ["tagger"])["nlp"]["lang"] == "de"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-l", "qq"], ["'qq'", " en,"]),
        (["-l", "../en"], ["'../en'", " en,"]),
        (["-p", "tagger,nre"], ["'nre'", *PIPES]),
        (["-p", "tagger,"], ["''", *PIPES]),
        (["-p", ""], PIPES),
        (["-p", "tok2vec"], PIPES),
        (["-p", "ner,tagger,ner"], ["'ner'", "more than once"]),
        (["--vectors", "no/such/place"], ["no/such/place", "spacy init vectors"]),
    ],
    ids=lambda given: " ".join(given[:2]),
)
def test_errors_say_what_there_is(arguments: list[str], expected: list[str], tmp_path: Path, run_spacy: Run) -> None:
    result = run_spacy("bilstm", "init-config", tmp_path / "config.cfg", *arguments, exit_code=1)
    for words in expected:
        assert words in " ".join(result.output.split())
    assert not (tmp_path / "config.cfg").exists()


def test_a_pipeline_without_vectors_is_an_error(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(RecipeError, match="holds no vectors"):
        make_config("en", ["tagger"], vectors=str(tmp_path))


def test_the_help_names_every_component(run_spacy: Run) -> None:
    assert Config().from_disk(RECIPES / "base.cfg", interpolate=False)["nlp"]["pipeline"] == ["tok2vec", *PIPES]
    words = " ".join(run_spacy("bilstm", "init-config", "--help").output.split())
    assert ", ".join(PIPES) in words
