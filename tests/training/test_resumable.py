"""Trainings that are interrupted and continue from a checkpoint."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
import toy_training
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config
from toy_corpus import make_examples
from toy_training import get_digests, make_our_config, make_stock_config, write_corpus, write_stock_parts

from spacy_bilstm.training.checkpoints import CheckpointError
from spacy_bilstm.training.divergence import DivergedError
from spacy_bilstm.training.recorded_batches import CorpusChangedError
from spacy_bilstm.training.resumable import TrainingResult, train_with_checkpoints
from spacy_bilstm.util.lock import DirectoryLockedError

MODELS = ("model-best", "model-last")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stock_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module", params=["ours", "stock"])
def config(request: pytest.FixtureRequest, corpus: Path, parts: Path) -> Config:
    return make_our_config(corpus) if request.param == "ours" else make_stock_config(parts)


@pytest.fixture(scope="module")
def _interrupted(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("interrupted")
    interrupt(make_our_config(corpus), output, 8)
    return output


@pytest.fixture
def interrupted(_interrupted: Path, tmp_path: Path) -> Path:
    """Return a copy of the output of a training with the config `ours` that was interrupted before step 8."""
    shutil.copytree(_interrupted, tmp_path / "interrupted")
    return tmp_path / "interrupted"


@pytest.fixture(scope="module")
def models(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Return the digests of the models that `spacy train` makes with the config `ours`."""
    return train_with_spacy(make_our_config(corpus), tmp_path_factory.mktemp("spacy"))


@pytest.fixture
def ours(corpus: Path) -> Config:
    return make_our_config(corpus)


@pytest.fixture(autouse=True)
def _clear() -> Iterator[None]:
    yield
    toy_training.STOPS.clear()
    toy_training.SPOILED.clear()


def run_to_end(config: Config, output: Path, stops: list[int], **settings: Any) -> TrainingResult:
    """Train, and call again after each interruption."""
    toy_training.STOPS[:] = stops
    while True:
        try:
            return train_with_checkpoints(config, output, **{"checkpoint_steps": 3} | settings)
        except KeyboardInterrupt:
            pass


def interrupt(config: Config, output: Path, stop: int) -> None:
    toy_training.STOPS[:] = [stop]
    with pytest.raises(KeyboardInterrupt):
        train_with_checkpoints(config, output, checkpoint_steps=3)


def get_models(output: Path) -> list[dict[str, str]]:
    return [get_digests(output / name) for name in MODELS]


def train_with_spacy(config: Config, output: Path) -> list[dict[str, str]]:
    """Train, and sort labels in meta.json, whose order in spaCy is that of a set."""
    train(init_nlp(config), output, stdout=io.StringIO(), stderr=io.StringIO())
    for name in MODELS:
        meta = srsly.read_json(output / name / "meta.json")
        for key, score in meta["performance"].items():
            if isinstance(score, dict):
                meta["performance"][key] = dict(sorted(score.items()))
        srsly.write_json(output / name / "meta.json", meta)
    return get_models(output)


def test_interrupted_three_times_ends_with_the_bytes_of_spacy_train(config: Config, tmp_path: Path) -> None:
    """The stops are before the first checkpoint, right after one, and between two."""
    result = run_to_end(config, tmp_path / "interrupted", [2, 6, 8])
    assert (result.n_steps, result.resumed_at) == (11, 6)
    (tmp_path / "spacy").mkdir()
    assert get_models(tmp_path / "interrupted") == train_with_spacy(config, tmp_path / "spacy")


def test_a_log_is_complete_after_an_interruption(corpus: Path, tmp_path: Path) -> None:
    logs = []
    for name, stops in {"whole": [], "interrupted": [1, 5]}.items():
        config = make_our_config(corpus, max_steps=8)
        config["training"]["logger"]["output_file"] = str(tmp_path / f"{name}.jsonl")
        run_to_end(config, tmp_path / name, stops)
        logs.append(list(srsly.read_jsonl(tmp_path / f"{name}.jsonl")))
    assert logs[0] == logs[1]
    assert [line["step"] for line in logs[0]] == [0, 4, 8]


def test_a_log_that_was_there_before_is_kept(corpus: Path, tmp_path: Path) -> None:
    """The second training is interrupted before its first checkpoint, so it may have another log."""
    for name, stop in (("mine", 4), ("other", 1), ("mine", 1)):
        config = make_our_config(corpus, max_steps=4)
        log = tmp_path / f"{name}.jsonl"
        if name == "mine":
            log.write_text("mine", encoding="utf8")
        config["training"]["logger"]["output_file"] = str(log)
        interrupt(config, tmp_path / f"output-{min(stop, 2)}", stop)
    train_with_checkpoints(config, tmp_path / "output-1")
    assert (tmp_path / "mine.jsonl").read_text(encoding="utf8") == "mine"


def test_each_evaluation_is_reported_after_its_model_is_saved_and_again_after_an_interruption(
    interrupted: Path, ours: Config
) -> None:
    """The training was interrupted before step 8. Its evaluations are at steps 0, 4 and 8."""
    saved = interrupted / "model-last" / "meta.json"
    reported = []

    def report(info: dict[str, Any]) -> None:
        reported.append((info["step"], info["score"], json.loads(saved.read_text())["performance"]["tag_acc"]))

    result = train_with_checkpoints(ours, interrupted, on_evaluation=report)
    assert [step for step, _, _ in reported] == [0, 4, 8]
    assert max(score for _, score, _ in reported) == result.best_score
    assert len({accuracy for step, _, accuracy in reported if step < 8}) == 1


def test_of_equal_scores_the_best_step_is_that_of_the_saved_model(corpus: Path, tmp_path: Path) -> None:
    """Without weights all scores are 0. `model-best` is then the same as `model-last`, from the last evaluation."""
    weights = dict.fromkeys(("tag_acc", "ents_f", "ents_p", "ents_r"), 0.0)
    config = make_our_config(corpus, max_steps=2, eval_frequency=2, score_weights=weights)
    result = train_with_checkpoints(config, tmp_path)
    assert get_digests(tmp_path / "model-best") == get_digests(tmp_path / "model-last")
    assert (result.best_score, result.best_step) == (0.0, 2)


def test_the_last_two_checkpoints_are_kept(interrupted: Path) -> None:
    states = sorted(path.name for path in (interrupted / "checkpoints").glob("step-*"))
    assert states == ["step-000000003.msgpack", "step-000000006.msgpack"]


@pytest.mark.parametrize("option", ["restart", "repeat"])
def test_a_complete_training_is_not_repeated_unless_asked_for(option: str, corpus: Path, tmp_path: Path) -> None:
    config = make_our_config(corpus, max_steps=1)
    first = train_with_checkpoints(config, tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "_lock",
        "complete.json",
        "training.json",
    ]
    before = (tmp_path / "model-best" / "meta.json").stat().st_mtime_ns
    assert train_with_checkpoints(config, tmp_path) == replace(first, was_complete=True)
    assert (tmp_path / "model-best" / "meta.json").stat().st_mtime_ns == before
    assert train_with_checkpoints(config, tmp_path, **{option: True}) == first
    assert (tmp_path / "model-best" / "meta.json").stat().st_mtime_ns > before


def test_restart_begins_afresh(ours: Config, interrupted: Path, models: list[dict[str, str]]) -> None:
    assert train_with_checkpoints(ours, interrupted, restart=True).resumed_at == 0
    assert get_models(interrupted) == models


def test_another_config_is_refused_by_the_names_of_its_settings(ours: Config, interrupted: Path) -> None:
    ours["training"]["max_steps"] = 20
    ours["components"]["tagger"]["label_smoothing"] = 0.5
    with pytest.raises(CheckpointError) as error:
        train_with_checkpoints(ours, interrupted)
    assert "- components.tagger.label_smoothing: 0.05 in the checkpoint, 0.5 now" in str(error.value)
    assert "- training.max_steps: 10 in the checkpoint, 20 now" in str(error.value)


def test_another_corpus_is_refused_by_its_path(tmp_path: Path) -> None:
    config = make_our_config(write_corpus(tmp_path))
    interrupt(config, tmp_path / "output", 4)
    write_corpus(tmp_path, 11)
    with pytest.raises(CheckpointError, match=r"the content of .*train\.spacy"):
        train_with_checkpoints(config, tmp_path / "output")


def test_a_training_without_checkpoint_may_change(corpus: Path, tmp_path: Path) -> None:
    interrupt(make_our_config(corpus), tmp_path, 1)
    assert train_with_checkpoints(make_our_config(corpus, max_steps=1), tmp_path).n_steps == 2


def test_a_corpus_that_changes_by_itself_is_refused(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_stock_config(parts)
    interrupt(config, tmp_path, 4)
    changed: Callable[..., Any] = lambda vocab, n, seed: make_examples(vocab, n, seed + 5)  # noqa: E731
    monkeypatch.setattr(toy_training, "make_examples", changed)
    with pytest.raises(CorpusChangedError, match="does not return the same batches"):
        train_with_checkpoints(config, tmp_path)


def test_a_damaged_checkpoint_is_not_used(ours: Config, interrupted: Path, models: list[dict[str, str]]) -> None:
    state = interrupted / "checkpoints" / "step-000000006.msgpack"
    state.write_bytes(state.read_bytes()[:-100] + bytes(100))
    assert train_with_checkpoints(ours, interrupted).resumed_at == 3
    assert get_models(interrupted) == models


def test_a_model_lost_between_two_renames_is_moved_back(
    ours: Config, interrupted: Path, models: list[dict[str, str]]
) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    (interrupted / "model-best").rename(interrupted / f".model-best.{process.pid}-1.old")
    train_with_checkpoints(ours, interrupted)
    assert sorted(path.name for path in interrupted.iterdir()) == ["checkpoints", "model-best", "model-last"]
    assert get_models(interrupted) == models


def test_a_missing_model_is_reported(ours: Config, interrupted: Path) -> None:
    (interrupted / "model-best").rename(interrupted / "elsewhere")
    with pytest.raises(CheckpointError, match="model-best is missing"):
        train_with_checkpoints(ours, interrupted)


@pytest.mark.parametrize("optimizer", ["spacy-bilstm.Adam.v1", "Adam.v1"])
def test_a_weight_that_is_not_finite_stops_the_training(optimizer: str, corpus: Path, tmp_path: Path) -> None:
    config = make_our_config(corpus, optimizer={"@optimizers": optimizer, "learn_rate": 0.001})
    toy_training.SPOILED[:] = [2]
    with pytest.raises(DivergedError) as error:
        train_with_checkpoints(config, tmp_path)
    assert error.value.step == 2
    assert ("tagger", "3.softmax.b") in error.value.found
    assert error.value.texts
    assert all(text in str(error.value) for text in error.value.texts[:5])
    assert "learning rate" in str(error.value)
    for name in MODELS:
        spacy.load(tmp_path / name)


def test_another_error_is_raised_as_it_is(ours: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacy.pipeline.tagger.Tagger.update", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_with_checkpoints(ours, tmp_path)


def test_a_second_training_in_the_same_folder_is_refused(ours: Config, corpus: Path, tmp_path: Path) -> None:
    """Otherwise, both would write the same models, and one could pass for the other."""
    refused = []

    def train_again(information: dict[str, Any]) -> None:
        with pytest.raises(DirectoryLockedError, match=f"is writing to {tmp_path}"):
            train_with_checkpoints(make_our_config(corpus, seed=1), tmp_path)
        refused.append(True)

    train_with_checkpoints(ours, tmp_path, on_evaluation=train_again)
    assert refused


def test_other_threads_are_reported(ours: Config, interrupted: Path) -> None:
    path = interrupted / "checkpoints" / "training.json"
    description = json.loads(path.read_text(encoding="utf8"))
    description["machine"]["threads"] = 77
    path.write_text(json.dumps(description), encoding="utf8")
    stdout = io.StringIO()
    train_with_checkpoints(ours, interrupted, stdout=stdout)
    assert "threads: 77, now 1" in stdout.getvalue()
    assert "Continuing after 6 steps" in stdout.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ours", "stock"])
def test_killed_50_times_ends_with_the_same_bytes(name: str, corpus: Path, parts: Path, tmp_path: Path) -> None:
    """A training that ends between two kills is compared and begun afresh.

    Run with: python -m pytest -m slow tests/training/test_resumable.py
    """
    settings: dict[str, Any] = {"max_steps": 60, "eval_frequency": 5}
    config = make_our_config(corpus, **settings) if name == "ours" else make_stock_config(parts, **settings)
    config.to_disk(tmp_path / "config.cfg")
    code = Path(toy_training.__file__)
    command = [sys.executable, "-m", "spacy_bilstm", "train", tmp_path / "config.cfg", "--code", code]
    command += ["--checkpoint-steps", "3"]
    environment = os.environ | {"PYTHONPATH": str(code.parent), "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "--output", tmp_path / "whole"], check=True, env=environment, capture_output=True)
    rng = random.Random(0)
    output, log = tmp_path / "killed", tmp_path / "log"
    n_killed = n_complete = 0
    while n_killed < 50 or not n_complete:
        states = list_states(output)
        with log.open("w") as stream:
            process = subprocess.Popen([*command, "--output", output], env=environment, stdout=stream, stderr=stream)
            while process.poll() is None and "SCORE" not in log.read_text(encoding="utf8"):
                time.sleep(0.02)  # Training begins after the table's header.
            while process.poll() is None and n_killed % 2 and list_states(output) == states:
                time.sleep(0.01)  # Every second time, it gets to another checkpoint.
            try:
                process.wait(rng.uniform(0.0, 1.0) if n_killed < 50 else None)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                n_killed += 1
                continue
        assert process.returncode == 0, log.read_text(encoding="utf8")
        for model in MODELS:
            ended, wanted = get_digests(output / model), get_digests(tmp_path / "whole" / model)
            assert [file for file in {**ended, **wanted} if ended.get(file) != wanted.get(file)] == []
        shutil.rmtree(output)
        n_complete += 1


def list_states(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "checkpoints").glob("step-*"))
