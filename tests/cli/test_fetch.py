"""`spacy bilstm fetch`: what it prints, its exit status, and its place in a project's workflow."""

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import srsly
from asset_server import DESTS, FILES, AssetServer, read_assets, running_server
from spacy.cli._util import app as spacy_app
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AssetServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    assets = [
        {"dest": dest, "url": f"${{vars.source}}{path}", "checksum": hashlib.md5(FILES[path]).hexdigest()}
        for dest, path in DESTS.items()
    ]
    fetch = "python -m spacy bilstm fetch . --under assets/a --vars.source ${vars.source}"
    config = {
        "vars": {"source": "http://127.0.0.1:9"},
        "assets": assets,
        "commands": [{"name": "fetch", "script": [fetch]}],
    }
    srsly.write_yaml(tmp_path / "project.yml", config)
    return tmp_path


def run(project: Path, server: AssetServer, *args: str) -> Result:
    return CliRunner().invoke(app, ["fetch", str(project), "--vars.source", server.address, *args])


def printed(result: Result) -> str:
    """Return the output without the line breaks that depend on the lengths of paths."""
    return " ".join(result.output.split())


def test_each_asset_is_printed(project: Path, server: AssetServer) -> None:
    result = run(project, server, "--under", "assets/a")
    assert result.exit_code == 0
    assert set(read_assets(project)) == {"assets/a/train.conllu", "assets/a/dev.conllu"}
    result = run(project, server)
    assert result.exit_code == 0
    assert "assets/a/dev.conllu exists and has its checksum" in printed(result)
    assert "Fetched assets/b/x" in printed(result)


def test_a_fault_is_printed(project: Path, server: AssetServer) -> None:
    server.fault = "404"
    result = run(project, server)
    assert result.exit_code == 1
    assert "Could not fetch assets/a/dev.conllu" in printed(result)
    assert f"From {server.address}/dev.conllu: the server answers 404 Not Found" in printed(result)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_an_interrupt_keeps_complete_files_and_leaves_no_partial_file(project: Path, server: AssetServer) -> None:
    server.fault = "stalled"
    command = [sys.executable, "-m", "spacy_bilstm", "fetch", project, "--vars.source", server.address]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "Fetched assets/a/train.conllu" not in process.stdout.readline():
        assert process.poll() is None
    while "/dev.conllu" not in server.requested:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted before assets/a/dev.conllu was complete" in " ".join(output.split())
    assert "Traceback" not in errors
    assert read_assets(project) == {"assets/a/train.conllu": FILES["/train.conllu"]}
    server.fault = ""
    assert run(project, server).exit_code == 0
    assert len(read_assets(project)) == 3


def test_a_missing_server_is_printed(project: Path) -> None:
    result = CliRunner().invoke(app, ["fetch", str(project)])
    assert result.exit_code == 1
    assert "Check the network" in printed(result)


def test_a_directory_without_assets_needs_no_download(project: Path, server: AssetServer) -> None:
    result = run(project, server, "--under", "assets/mine")
    assert result.exit_code == 0
    assert "Nothing to fetch" in result.output
    assert server.requested == []


def run_project(project: Path, server: AssetServer, *command: str) -> Result:
    return CliRunner().invoke(spacy_app, ["project", *command, str(project), "--vars.source", server.address])


def test_the_workflow_stops_at_a_damaged_file(project: Path, server: AssetServer) -> None:
    server.fault = "damaged"
    assert run_project(project, server, "run", "fetch").exit_code != 0
    assert set(read_assets(project)) == {"assets/a/train.conllu"}


def test_spacy_project_assets_fetches_the_same_list(project: Path, server: AssetServer) -> None:
    assert run_project(project, server, "assets").exit_code == 0
    assert len(read_assets(project)) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "Can't read project.yml"), ("3", "Can't read project.yml"), ("assets: 3", "valid list")],
)
def test_a_damaged_project_file_is_printed(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "project.yml").write_text(content)
    result = CliRunner().invoke(app, ["fetch", str(tmp_path)])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert message in printed(result)


@pytest.mark.parametrize("option", ["--timeout", "--max-time", "--max-size"])
def test_an_incorrect_limit_is_printed(project: Path, option: str) -> None:
    result = CliRunner().invoke(app, ["fetch", str(project), option, "0"])
    assert result.exit_code == 1
    assert "Use a positive number" in printed(result)


@pytest.mark.parametrize("dest", ["../x", "/elsewhere/x", "project.yml"])
def test_a_path_outside_the_assets_is_printed(project: Path, server: AssetServer, dest: str) -> None:
    config = srsly.read_yaml(project / "project.yml")
    config["assets"][2]["dest"] = dest
    srsly.write_yaml(project / "project.yml", config)
    before = (project / "project.yml").read_bytes()
    result = run(project, server)
    assert result.exit_code == 1
    assert f"Could not fetch {dest}" in printed(result)
    assert (project / "project.yml").read_bytes() == before
    assert server.requested == []
