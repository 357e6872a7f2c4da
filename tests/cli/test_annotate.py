"""The command `annotate`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
from typer.testing import Result

from spacy_bilstm.annotation import Progress
from spacy_bilstm.cli.progress import ProgressLine, describe_progress, format_duration

Run = Callable[..., Result]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the path of a pipeline."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return the path of a file with two texts and a line that is not UTF-8."""
    (tmp_path / "texts.txt").write_bytes(b"One text.\n\xff\nAnother text.\n")
    return tmp_path / "texts.txt"


def test_texts_are_annotated_and_counted(run_spacy: Run, source: Path, model: Path, tmp_path: Path) -> None:
    result = run_spacy("bilstm", "annotate", source, tmp_path / "out", "--model", model, "--format", "jsonl")
    assert "2 documents with 6 words" in result.output
    assert "1 record could not be annotated" in result.output
    assert len((tmp_path / "out" / "part-00000-00000.jsonl").read_text("utf8").splitlines()) == 2


def test_other_settings_are_refused(run_spacy: Run, source: Path, model: Path, tmp_path: Path) -> None:
    command = ("bilstm", "annotate", source, tmp_path / "out", "--model", model, "--format", "jsonl")
    run_spacy(*command)
    assert "0 documents of this call" in run_spacy(*command).output
    assert "text was False" in " ".join(run_spacy(*command, "--text", exit_code=1).output.split())


def test_a_missing_source_is_an_error(run_spacy: Run, model: Path, tmp_path: Path) -> None:
    command = ("bilstm", "annotate", tmp_path / "no.txt", tmp_path / "out", "--model", model, "--format", "jsonl")
    assert "no file" in run_spacy(*command, exit_code=1).output


def test_a_run_that_annotated_nothing_fails(run_spacy: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "One text."}\n{"body": "Another."}\n')
    command = ("bilstm", "annotate", tmp_path / "a.jsonl", tmp_path / "out", "--model", model, "--format", "jsonl")
    output = " ".join(run_spacy(*command, exit_code=1).output.split())
    assert "None of the 2 records could be annotated." in output
    assert "--text-column" in output


def test_parquet_without_pyarrow_is_one_message(
    run_spacy: Run, source: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    output = run_spacy("bilstm", "annotate", source, tmp_path / "out", "--model", model, exit_code=1).output
    assert "Parquet needs PyArrow" in output


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_stops_and_the_same_command_continues(run_spacy: Run, source: Path, model: Path, tmp_path: Path) -> None:
    source.write_text("".join(f"This is text number {i}.\n" for i in range(3_000)))
    command = ["bilstm", "annotate", source, tmp_path / "out", "--model", model, "--format", "jsonl"]
    command += ["--part-size", "20"]
    program = [sys.executable, "-m", "spacy", *map(str, command)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("_parts/*.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Run the same command again to continue" in " ".join(output.split())
    assert "Traceback" not in output
    assert "3,000 documents" in run_spacy(*command).output
    lines = [line for path in (tmp_path / "out").glob("part-*") for line in path.read_bytes().splitlines()]
    assert len(lines) == 3_000


def test_progress_is_one_line() -> None:
    progress = Progress(1200, 95_000, 3, 0.42, 1.0, 95_000.4, 80.0)
    assert describe_progress(progress) == "42.0 % | 1,200 documents | 95,000 words/s | 3 bad | 1:20 left"
    unknown = Progress(1, 95_000, 0, None, 1.0, 95_000.4, None)
    assert describe_progress(unknown) == "1 document | 95,000 words/s"


def test_progress_is_rare_in_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    line = ProgressLine()
    for now in range(0, 65, 5):
        line(Progress(now, now, 0, None, now, 1.0, None))
    line.close()
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(("seconds", "text"), [(65, "1:05"), (10_809, "3:00:09"), (0.2, "0:00"), (59.7, "1:00")])
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
