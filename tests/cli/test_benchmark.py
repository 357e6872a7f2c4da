"""`spacy bilstm benchmark`: options, tables, files and exit statuses."""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import srsly
from toy_benchmarks import make_encoders, make_scaling, make_speed, make_training, write_pipelines
from typer.testing import CliRunner

from spacy_bilstm.benchmarks.workers import WorkerError
from spacy_bilstm.cli import app

FUNCTIONS = {
    "speed": "compare_speed",
    "scaling": "compare_scaling",
    "training": "compare_training",
    "encoder": "compare_encoders",
}


def run(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    return " ".join(result.output.split())


def list_running(group: int) -> list[str]:
    """List the workers that run in a process group."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [args for pgid, state, args in lines if int(pgid) == group and state[0] != "Z" and "spawn_main" in args]


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write pipelines and texts, and return their folder."""
    return write_pipelines(tmp_path_factory.mktemp("pipelines"))


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, list[Any]]:
    """Return the required arguments of each command, with files that exist."""
    for name in ("texts.txt", "first.cfg", "train.spacy"):
        (tmp_path / name).touch()
    texts = ["--texts", tmp_path / "texts.txt"]
    training = [tmp_path / "first.cfg", "--corpus", tmp_path / "train.spacy"]
    return {"speed": ["first", *texts], "scaling": ["first", "second", *texts], "training": training, "encoder": []}


@pytest.fixture
def return_from(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], dict[str, Any]]:
    """Make a command get a result without measuring. Returns the arguments that the command passes on."""

    def replace(command: str, comparison: object) -> dict[str, Any]:
        passed: dict[str, Any] = {}

        def compare(*positional: object, **named: object) -> object:
            passed.update(named, positional=positional)
            return comparison

        module = importlib.import_module(f"spacy_bilstm.cli.benchmark.{command}")
        monkeypatch.setattr(module, FUNCTIONS[command], compare)
        return passed

    return replace


@pytest.mark.parametrize(
    ("command", "comparison", "table"),
    [
        ("speed", make_speed(), "second 1,000 900 to 1,234 1.00 2,000 1.50 400 0.50"),
        ("speed", make_speed(), "second 2.00 ms 3.00 ms 4.50 ms 300 MB - 6 MB"),
        ("scaling", make_scaling(), "10 own second 1,000 900 to 1,234 1.00 300 MB -"),
        ("training", make_training(), "second 1,000 900 to 1,234 1.00 200 MB 300 MB 300 MB -"),
        ("encoder", make_encoders(), "6 documents, 90 words, lengths median 10, up to 30 Encoder predict words/s"),
        ("encoder", make_encoders(), "3 documents, 60 words, lengths 1 to 20 Encoder predict words/s"),
        ("encoder", make_encoders(), "theirs 1,000 1.00 25% 500 1.00 1.0e-06"),
        ("encoder", make_encoders(), "The share is of 56 GFLOP/s"),
    ],
)
def test_a_table_is_printed(
    command: str, comparison: Any, table: str, arguments: dict[str, list[Any]], return_from: Callable[..., Any]
) -> None:
    return_from(command, comparison)
    assert table in run(command, *arguments[command])


@pytest.mark.parametrize(
    ("command", "comparison"),
    [("speed", make_speed()), ("scaling", make_scaling()), ("training", make_training()), ("encoder", make_encoders())],
)
def test_json_and_plot_are_written(
    command: str, comparison: Any, arguments: dict[str, list[Any]], return_from: Callable[..., Any], tmp_path: Path
) -> None:
    return_from(command, comparison)
    run(command, *arguments[command], "--output", tmp_path / "metrics", "--plot", tmp_path / "plot.svg")
    assert srsly.read_json(tmp_path / "metrics" / f"{command}.json")["command"] == command
    assert (tmp_path / "plot.svg").read_text(encoding="utf8").startswith("<?xml")


def test_json_is_written_to_the_given_file(
    arguments: dict[str, list[Any]], return_from: Callable[..., Any], tmp_path: Path
) -> None:
    return_from("speed", make_speed())
    run("speed", *arguments["speed"], "--output", tmp_path / "mine.json")
    assert (tmp_path / "mine.json").is_file()


def test_options_are_passed_on(arguments: dict[str, list[Any]], return_from: Callable[..., Any]) -> None:
    passed = return_from("speed", make_speed())
    run("speed", *arguments["speed"], "--join-words", 50, "--limit-words", 9, "--batch-size", 8, "--rounds", 2)
    wanted = {"join_words": 50, "limit_words": 9, "batch_size": 8, "rounds": 2, "threads": 1, "gpu_id": -1}
    assert wanted.items() <= passed.items()


def test_texts_to_warm_up_on_are_passed_on(arguments: dict[str, list[Any]], return_from: Callable[..., Any]) -> None:
    passed = return_from("speed", make_speed())
    texts = arguments["speed"][-1]
    run("speed", *arguments["speed"], "--warm-up", texts)
    assert passed["warm_up"] == texts


def test_lengths_of_documents_are_passed_on(return_from: Callable[..., Any]) -> None:
    passed = return_from("encoder", make_encoders())
    run("encoder")
    assert passed["lengths"] == ["text", "uniform"]
    run("encoder", "--lengths", "uniform", "--n-docs", 5)
    assert (passed["lengths"], passed["n_docs"], passed["max_length"]) == (["uniform"], 5, None)


def test_an_unknown_distribution_of_lengths_is_refused() -> None:
    printed = run("encoder", "--lengths", "normal", exit_code=1)
    assert "'normal' is no distribution of lengths. Choose from text, uniform." in printed


def test_numbers_of_scaling_are_parsed(arguments: dict[str, list[Any]], return_from: Callable[..., Any]) -> None:
    passed = return_from("scaling", make_scaling())
    run("scaling", *arguments["scaling"], "--lengths", "100, 10", "--batch-sizes", "1")
    assert (passed["lengths"], passed["batch_sizes"]) == ([100, 10], [1])


def test_scaling_has_default_numbers(arguments: dict[str, list[Any]], return_from: Callable[..., Any]) -> None:
    passed = return_from("scaling", make_scaling())
    run("scaling", *arguments["scaling"])
    assert passed["lengths"] == [10, 100, 1000, 10_000, 100_000]
    assert passed["batch_sizes"] == [1, 4, 16, 64, 256, 1024, 4096]


def test_configs_that_train_on_other_words_are_reported(
    arguments: dict[str, list[Any]], return_from: Callable[..., Any]
) -> None:
    warning = "The configs do not train on the same number of words."
    return_from("training", make_training())
    assert warning not in run("training", *arguments["training"])
    return_from("training", make_training(n_words=(500, 400)))
    assert warning in run("training", *arguments["training"])


@pytest.mark.parametrize(
    ("command", "comparison", "done"),
    [
        ("speed", make_speed(1), "1 of 2 rounds"),
        ("training", make_training(1), "1 of 2 rounds"),
        ("encoder", make_encoders(1), "1 of 2 rounds"),
        ("scaling", make_scaling(3, KeyboardInterrupt()), "3 of 4 measurements"),
    ],
)
def test_an_interrupted_command_reports_the_completed_rounds(
    command: str, comparison: Any, done: str, arguments: dict[str, list[Any]], return_from: Callable[..., Any]
) -> None:
    return_from(command, comparison)
    printed = run(command, *arguments[command], exit_code=130)
    assert done in printed
    assert "1.00" in printed


def test_scaling_reports_the_measurements_before_a_failure(
    arguments: dict[str, list[Any]], return_from: Callable[..., Any]
) -> None:
    return_from("scaling", make_scaling(1, WorkerError("first: its process ended with exit code -9")))
    printed = run("scaling", *arguments["scaling"], exit_code=1)
    assert "Stopped after 1 of 4 measurements." in printed
    assert "first: its process ended with exit code -9" in printed


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["first", "no_such_pipeline"], "no_such_pipeline: OSError: [E050]"),
        (["broken"], "broken: ValueError: [E109] Component 'tagger' could not be run"),
    ],
)
def test_a_failure_in_a_worker_is_reported_and_ends_all_workers(
    pipelines: Path, names: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pipelines)
    printed = run("speed", *names, "--texts", "texts.txt", "--rounds", 1, exit_code=1)
    assert "Nothing was measured." in printed
    assert message in printed
    assert not multiprocessing.active_children()


def test_empty_texts_are_refused(arguments: dict[str, list[Any]]) -> None:
    assert "holds no text" in run("speed", *arguments["speed"], exit_code=1)


def test_an_unknown_plot_format_is_refused(arguments: dict[str, list[Any]]) -> None:
    printed = run("speed", *arguments["speed"], "--plot", "speed.gif", exit_code=1)
    assert "End its name with .svg or .png" in printed


@pytest.mark.parametrize("numbers", ["10,x", "", "0"])
def test_numbers_that_are_not_whole_numbers_from_1_are_refused(numbers: str, arguments: dict[str, list[Any]]) -> None:
    printed = run("scaling", *arguments["scaling"], "--lengths", numbers, exit_code=1)
    assert "Nothing was measured." in printed
    assert "lengths" in printed


def test_a_plot_without_matplotlib_is_refused(
    arguments: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    printed = run("speed", *arguments["speed"], "--plot", tmp_path / "speed.svg", exit_code=1)
    assert "python -m pip install 'spacy-bilstm[plots]'" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_an_interrupt_keeps_completed_rounds_and_ends_the_workers(pipelines: Path, tmp_path: Path) -> None:
    """As with Ctrl-C in a terminal, the signal reaches the command and its workers."""
    command = [sys.executable, "-m", "spacy_bilstm", "benchmark", "speed", pipelines / "first", "--rounds", "100000"]
    options = ["--texts", pipelines / "texts.txt", "--output", tmp_path / "speed.json"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    while "rounds" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted after" in output
    assert "Traceback" not in errors
    assert 0 < len(srsly.read_json(tmp_path / "speed.json")["results"][0]["rounds"]) < 100000
    assert not list_running(process.pid)
