"""`spacy bilstm benchmark`: its commands measure, print, write and draw, and end with a reason when they cannot."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from thinc.api import Config
from typer.testing import CliRunner

from spacy_bilstm.cli import app

PROJECT = Path(__file__).parents[2]


def run(*arguments: object, exit_code: int = 0) -> str:
    result = CliRunner().invoke(app, ["benchmark", *map(str, arguments)])
    assert result.exit_code == exit_code, result.output
    return " ".join(result.output.split())


def run_and_read(path: Path, *arguments: object) -> tuple[str, dict[str, Any]]:
    """Run a command that writes and draws; give what it printed and wrote."""
    printed = run(*arguments, "--output", path, "--plot", path / "plot.svg")
    assert (path / "plot.svg").read_text(encoding="utf8").startswith("<?xml")
    written = srsly.read_json(path / f"{arguments[0]}.json")
    assert written["command"] == arguments[0]
    assert {"cpu", "cores", "python", "torch", "spacy"} <= set(written["machine"])
    return printed, written


def list_running(group: int) -> list[str]:
    """List the workers that run in a process group."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [args for pgid, state, args in lines if int(pgid) == group and state[0] != "Z" and "spawn_main" in args]


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with pipelines that are quick to load, and one that fails as soon as it runs."""
    path = tmp_path_factory.mktemp("pipelines")
    for name, pipe in {"first": "sentencizer", "second": "sentencizer", "broken": "tagger"}.items():
        nlp = spacy.blank("en")
        nlp.add_pipe(pipe)
        nlp.to_disk(path / name)
    (path / "texts.txt").write_text("She reads a book.\nHe doesn't.\n" * 20, encoding="utf8")
    return path


def test_speed(pipelines: Path, tmp_path: Path) -> None:
    names = [pipelines / "first", pipelines / "second"]
    options = ["--texts", pipelines / "texts.txt", "--join-words", 50, "--rounds", 3]
    printed, written = run_and_read(tmp_path / "metrics", "speed", *names, *options)
    assert "first" in printed
    assert "4 documents, 180 words, 1 thread(s), 3 rounds" in printed
    assert written["settings"]["n_words"] == 20 * (5 + 4)
    first, second = written["results"]
    assert first["ratio"] == 1.0
    assert second["pipeline"] == str(pipelines / "second")
    files = [file for file in (pipelines / "second").rglob("*") if file.is_file()]
    assert second["facts"]["bytes_on_disk"] == sum(file.stat().st_size for file in files)
    ratios = [
        a["pipe"]["seconds"] / b["pipe"]["seconds"] for a, b in zip(first["rounds"], second["rounds"], strict=True)
    ]
    assert second["ratio"] == pytest.approx(sorted(ratios)[1], rel=1e-6)
    speeds = sorted(written["settings"]["n_words"] / turn["pipe"]["seconds"] for turn in second["rounds"])
    assert second["words_per_second"]["median"] == pytest.approx(speeds[1], rel=1e-3)
    latencies = sorted(1e3 * seconds for turn in second["rounds"] for seconds in turn["latencies"])
    assert latencies[0] <= second["latency_ms"]["p50"] <= second["latency_ms"]["p99"] <= latencies[-1]
    assert second["peak_memory"] >= second["facts"]["loaded_memory"] > 50_000_000


def test_scaling(pipelines: Path, tmp_path: Path) -> None:
    options = ["--texts", pipelines / "texts.txt", "--lengths", "100,10,5000", "--batch-sizes", "1,8"]
    arguments = [pipelines / "first", *options, "--words", 1000, "--rounds", 2]
    printed, written = run_and_read(tmp_path, "scaling", *arguments)
    assert "5,000" in printed
    settings = [tuple(row["setting"].values()) for row in written["results"]]
    lengths = [("length", length, None) for length in (10, 100, 5000)]
    assert settings == [*lengths, ("batch_size", 20, 1), ("batch_size", 20, 8)]
    assert [row["n_docs"] for row in written["results"]] == [100, 10, 1, 50, 50]
    assert [row["n_words"] for row in written["results"]] == [1000, 1000, 5000, 1000, 1000]
    assert all(row["words_per_second"]["median"] > 0 and len(row["rounds"]) == 2 for row in written["results"])


def test_training(corpus: Path, tmp_path: Path) -> None:
    """Each config trains with batches of its own over the same words, and its memory is known from epoch to epoch."""
    for name, size in {"small": 50, "large": 100_000}.items():
        config = Config().from_disk(PROJECT / "configs" / "cnn.cfg", interpolate=False)
        config["training"]["batcher"]["size"] = size
        config.to_disk(tmp_path / f"{name}.cfg")
    configs = [tmp_path / "small.cfg", tmp_path / "large.cfg"]
    arguments = ["training", *configs, "--corpus", corpus / "train.spacy", "--epochs", 3, "--limit-words", 120]
    printed, written = run_and_read(tmp_path, *arguments)
    assert "small.cfg" in printed
    small, large = written["results"]
    assert [epoch["n_steps"] for epoch in large["epochs"]] == [1, 1, 1]
    assert all(epoch["n_steps"] > 1 for epoch in small["epochs"])
    assert len({epoch["n_words"] for row in (small, large) for epoch in row["epochs"]}) == 1
    peaks = [small["initial_memory"], *(epoch["usage"]["peak_memory"] for epoch in small["epochs"])]
    assert peaks == sorted(peaks)


def test_encoder(tmp_path: Path) -> None:
    options = ["--width", 16, "--n-docs", 6, "--max-length", 30, "--rounds", 2]
    printed, written = run_and_read(tmp_path, "encoder", *options)
    measured = {row["name"]: row for row in written["results"]}
    assert all(name in printed for name in measured)
    ours, theirs = measured["spacy-bilstm.BiLSTMEncoder.v1"], measured["spacy.TorchBiLSTMEncoder.v1"]
    assert ours["predict_ratio"] == ours["train_ratio"] == 1.0
    assert ours["batch_dependence"] < 1e-5 < theirs["batch_dependence"]
    assert written["machine"]["matmul_gflops"] > 0
    assert all(row["predict_words_per_second"] > 0 and row["matmul_share"] > 0 for row in measured.values())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["first", "no_such_pipeline"], "no_such_pipeline: OSError: [E050]"),
        (["broken"], "broken: ValueError: [E109] Component 'tagger' could not be run"),
    ],
)
def test_a_failure_in_a_worker_is_told_and_ends_all(
    pipelines: Path, names: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pipelines)
    printed = run("speed", *names, "--texts", "texts.txt", "--rounds", 1, exit_code=1)
    assert "Nothing was measured." in printed
    assert message in printed
    assert not multiprocessing.active_children()


def test_what_cannot_work_is_refused_before_anything_is_started(
    pipelines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.txt").touch()
    texts = ["--texts", pipelines / "texts.txt"]
    pipeline = pipelines / "first"
    assert "holds no text" in run("speed", pipeline, "--texts", tmp_path / "empty.txt", exit_code=1)
    assert "End its name with .svg or .png" in run("speed", pipeline, *texts, "--plot", "speed.gif", exit_code=1)
    assert "--lengths 10,x: give whole numbers" in run("scaling", pipeline, *texts, "--lengths", "10,x", exit_code=1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    printed = run("speed", pipeline, *texts, "--plot", tmp_path / "speed.svg", exit_code=1)
    assert "python -m pip install 'spacy-bilstm[plots]'" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_an_interrupt_keeps_whole_rounds_and_ends_the_workers(pipelines: Path, tmp_path: Path) -> None:
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
