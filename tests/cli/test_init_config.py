"""`spacy bilstm init-config`."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.util import load_config_from_str
from thinc.api import Config
from toy_vectors import write_vectors
from typer.testing import Result

from spacy_bilstm.recipes import RECIPES

Run = Callable[..., Result]
PIPES = ["tagger", "morphologizer", "senter", "parser", "ner", "textcat", "textcat_multilabel"]
SHORT_TRAINING = {
    "max_steps": 16,
    "eval_frequency": 8,
    "batcher.batcher.size": 120,
    "optimizer.learn_rate.warmup_steps": 5,
}


@pytest.mark.parametrize("optimize", ["efficiency", "accuracy"])
def test_the_printed_command_trains_all_components(
    optimize: str, corpus: Path, tmp_path: Path, run_spacy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command runs as printed, the loss of every component falls, and vectors are included if requested."""
    monkeypatch.chdir(tmp_path)
    for name in ("train", "dev"):
        (tmp_path / f"{name}.spacy").symlink_to(corpus / f"{name}.spacy")
    with_vectors = ["--vectors", write_vectors(tmp_path / "vectors")] if optimize == "accuracy" else []
    result = run_spacy("bilstm", "init-config", "my config.cfg", "-p", ",".join(PIPES), "-o", optimize, *with_vectors)
    command = shlex.split(result.output.splitlines()[-1])
    assert command[:5] == ["python", "-m", "spacy", "train", "my config.cfg"]
    arguments = [f"--training.{name}={value}" for name, value in SHORT_TRAINING.items()]
    arguments.append("--components.tok2vec.model.encode.width=96")
    run_spacy(*command[3:], "--output", "trained", *arguments, "--training.logger.output_file=log.jsonl")
    untrained, early, late = srsly.read_jsonl("log.jsonl")
    assert late["losses"].keys() == {"tok2vec", *PIPES}
    for name in PIPES:
        assert late["losses"][name] < early["losses"][name], name
    assert late["score"] > untrained["score"] + 0.2
    nlp = spacy.load("trained/model-last")
    assert nlp.pipe_names == ["tok2vec", *PIPES]
    assert nlp.vocab.has_vector("cat") == bool(with_vectors)


def test_the_printed_command_saves_the_model_and_loads_the_knowledge_base(tmp_path: Path, run_spacy: Run) -> None:
    printed = run_spacy("bilstm", "init-config", tmp_path / "a.cfg", "-p", "ner,entity_linker").output
    assert printed.splitlines()[-1].endswith("--output ./model --paths.kb ./kb")
    assert "--paths.kb" not in run_spacy("bilstm", "init-config", tmp_path / "b.cfg", "-p", "ner").output


def test_an_entity_linker_without_entities_is_a_warning(tmp_path: Path, run_spacy: Run) -> None:
    warning = "Add ner to --pipeline"
    output = run_spacy("bilstm", "init-config", tmp_path / "a.cfg", "-p", "entity_linker").output
    assert warning in " ".join(output.split())
    assert warning not in run_spacy("bilstm", "init-config", tmp_path / "b.cfg", "-p", "ner,entity_linker").output


def test_empty_vectors_are_an_error(tmp_path: Path, run_spacy: Run) -> None:
    output = run_spacy("bilstm", "init-config", tmp_path / "a.cfg", "--vectors", "", exit_code=1).output
    assert "Can't find the vectors ''" in output


@pytest.mark.parametrize("optimize", ["efficiency", "accuracy"])
def test_the_config_passes_debug_config_and_fill_config_unchanged(
    optimize: str, corpus: Path, tmp_path: Path, run_spacy: Run
) -> None:
    path, filled = tmp_path / "config.cfg", tmp_path / "filled.cfg"
    run_spacy("bilstm", "init-config", path, "-p", ",".join(PIPES), "-o", optimize)
    paths = [f"--paths.{name}={corpus / name}.spacy" for name in ("train", "dev")]
    run_spacy("debug", "config", path, *paths, "--show-functions")
    run_spacy("init", "fill-config", path, filled)
    assert filled.read_text(encoding="utf8") == path.read_text(encoding="utf8")


def test_stdout_receives_only_the_config(tmp_path: Path, run_spacy: Run) -> None:
    arguments = ["-l", "de", "-p", "[ner, tagger]", "-G"]
    printed = run_spacy("bilstm", "init-config", "-", *arguments).output
    run_spacy("bilstm", "init-config", tmp_path / "new" / "config.cfg", *arguments)
    assert (tmp_path / "new" / "config.cfg").read_text(encoding="utf8").strip() == printed.strip()
    assert load_config_from_str(printed)["nlp"]["pipeline"] == ["tok2vec", "tagger", "ner"]


def test_the_defaults_are_those_of_spacys_init_config(tmp_path: Path, run_spacy: Run) -> None:
    run_spacy("bilstm", "init-config", tmp_path / "ours.cfg")
    run_spacy("init", "config", tmp_path / "stock.cfg")
    ours, stock = (Config().from_disk(tmp_path / f"{name}.cfg") for name in ("ours", "stock"))
    assert ours["nlp"]["pipeline"] == stock["nlp"]["pipeline"]
    assert ours["nlp"]["lang"] == stock["nlp"]["lang"]


def test_more_words_train_for_longer(run_spacy: Run) -> None:
    printed = run_spacy("bilstm", "init-config", "-", "-p", "tagger", "-o", "fast", "--words", "5000000").output
    config = load_config_from_str(printed)
    assert config["training"]["max_steps"] == 10_000
    assert config["nlp"]["after_creation"]["max_size"] == 200_000


def test_an_existing_file_is_overwritten_only_with_force(tmp_path: Path, run_spacy: Run) -> None:
    path = tmp_path / "config.cfg"
    path.write_text("mine")
    assert "--force" in run_spacy("bilstm", "init-config", path, exit_code=1).output
    assert path.read_text() == "mine"
    run_spacy("bilstm", "init-config", path, "-F")
    assert Config().from_disk(path)["nlp"]["lang"] == "en"


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
def test_an_error_names_the_bad_value_and_the_valid_ones(
    arguments: list[str], expected: list[str], tmp_path: Path, run_spacy: Run
) -> None:
    result = run_spacy("bilstm", "init-config", tmp_path / "config.cfg", *arguments, exit_code=1)
    for words in expected:
        assert words in " ".join(result.output.split())
    assert not (tmp_path / "config.cfg").exists()


def test_the_help_names_every_component(run_spacy: Run) -> None:
    _, *names = Config().from_disk(RECIPES / "base.cfg", interpolate=False)["nlp"]["pipeline"]
    assert set(PIPES) < set(names)
    words = " ".join(run_spacy("bilstm", "init-config", "--help").output.split())
    assert ", ".join(names) in words
