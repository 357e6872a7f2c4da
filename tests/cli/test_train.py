"""`spacy bilstm train`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import srsly
import toy_training
from toy_training import make_our_config, write_corpus
from typer.testing import Result

RunSpacy = Callable[..., Result]


@pytest.fixture(scope="module")
def config_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config")
    make_our_config(write_corpus(path), max_steps=4).to_disk(path / "config.cfg")
    return path / "config.cfg"


@pytest.fixture
def run(config_path: Path, tmp_path: Path, run_spacy: RunSpacy) -> Callable[..., str]:
    def run_train(*options: Any, exit_code: int = 0) -> str:
        command = ["bilstm", "train", config_path, "--output", tmp_path / "output", "--checkpoint-steps", 2]
        return " ".join(run_spacy(*command, *options, exit_code=exit_code).output.split())

    return run_train


def test_an_interrupted_training_continues(run: Callable[..., str], tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("from spacy.util import registry", encoding="utf8")
    toy_training.STOPS[:] = [3]
    assert "Run the same command again to continue" in run("--code", code, exit_code=130)
    assert "the content of" in run(exit_code=1)
    printed = run("--code", code, "--repeat")
    assert "Continuing after 2 steps" in printed
    assert "after step" in printed
    assert "is complete" in run("--code", code)
    assert "Continuing" not in run("--code", code, "--repeat")
    assert srsly.read_json(tmp_path / "output" / "checkpoints" / "complete.json")["n_steps"] == 5


def test_overrides_reach_the_config(run: Callable[..., str], tmp_path: Path) -> None:
    run("--training.max_steps", 1, "--verbose")
    assert srsly.read_json(tmp_path / "output" / "checkpoints" / "complete.json")["n_steps"] == 2
    printed = run("--training.max_steps", 3, exit_code=1)
    assert "Can't continue the training." in printed
    assert "training.max_steps: 1 in the checkpoint, 3 now" in printed
    run("--training.max_steps", 3, "--restart")


def test_each_difference_has_a_line(config_path: Path, tmp_path: Path, run_spacy: RunSpacy) -> None:
    command = ["bilstm", "train", config_path, "--output", tmp_path / "output", "--training.max_steps", 1]
    run_spacy(*command)
    lines = run_spacy(*command, "--training.seed", 5, "--training.patience", 7, exit_code=1).output.splitlines()
    assert [line for line in lines if line.startswith("- ")] == [
        "- training.patience: 0 in the checkpoint, 7 now",
        "- training.seed: 0 in the checkpoint, 5 now",
    ]


def test_a_training_that_diverged_is_reported(run: Callable[..., str]) -> None:
    toy_training.SPOILED[:] = [1]
    try:
        printed = run(exit_code=1)
    finally:
        toy_training.SPOILED.clear()
    assert "Training diverged in step 1. Not finite are: tagger: 3.softmax.b" in printed
    assert "model-best" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--paths.train", "missing.spacy"], "missing.spacy"),
        (["--training.max_stepz", 5], "[training] has no setting 'max_stepz'"),
        (["--initialize.init_tok2vec", "model0.bin"], "have no effect without [pretraining]"),
        (["--nlp.lang", "zz"], "zz"),
        (["--gpu-id", 99], "GPU"),
    ],
)
def test_what_stops_a_training_is_one_message(run: Callable[..., str], options: list[Any], message: str) -> None:
    printed = run(*options, exit_code=1)
    assert "Can't train." in printed
    assert message in printed


def test_a_file_in_the_place_of_the_output_folder_is_refused(run: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "output").write_text("mine", encoding="utf8")
    assert "is a file. Choose the path of a directory." in run(exit_code=1)
    assert (tmp_path / "output").read_text(encoding="utf8") == "mine"


def test_a_typing_error_does_not_cost_the_checkpoints(run: Callable[..., str], tmp_path: Path) -> None:
    toy_training.STOPS[:] = [3]
    run(exit_code=130)
    states = sorted((tmp_path / "output" / "checkpoints").iterdir())
    run("--restart", "--training.max_stepz", 5, exit_code=1)
    assert sorted((tmp_path / "output" / "checkpoints").iterdir()) == states
