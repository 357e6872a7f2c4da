"""`spacy bilstm fetch`: a server sends the file that project.yml means, or nothing is written and it is said."""

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import srsly
from spacy.cli._util import app as spacy_app
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app

FILES = {"/train.conllu": b"one\n" * 50_000, "/dev.conllu": b"two\n", "/other.txt": b"three\n"}


class Server(ThreadingHTTPServer):
    """Serves FILES, one of them with a fault.

    fault: what goes wrong with /dev.conllu: "404", "damaged", "truncated", "stalled" or "".
    requested: the paths asked for.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault = ""
        self.requested: list[str] = []
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        body = FILES[self.path]
        fault = self.server.fault if self.path == "/dev.conllu" else ""
        if fault == "404":
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = {"damaged": b"tw0\n", "truncated": body[:2], "stalled": body[:2]}.get(fault, body)
        self.wfile.write(sent)
        self.wfile.flush()
        if fault == "stalled":
            self.server.released.wait(20)
        return None

    def log_message(self, *args: Any) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    names = {"assets/a/train.conllu": "/train.conllu", "assets/a/dev.conllu": "/dev.conllu", "assets/b/x": "/other.txt"}
    assets = [
        {"dest": dest, "url": f"${{vars.source}}{path}", "checksum": hashlib.md5(FILES[path]).hexdigest()}
        for dest, path in names.items()
    ]
    fetch = "python -m spacy bilstm fetch . --under assets/a --vars.source ${vars.source}"
    config = {
        "vars": {"source": "http://127.0.0.1:9"},
        "assets": assets,
        "commands": [{"name": "fetch", "script": [fetch]}],
    }
    srsly.write_yaml(tmp_path / "project.yml", config)
    return tmp_path


def run(project: Path, server: Server, *args: str) -> Result:
    return CliRunner().invoke(app, ["fetch", str(project), "--vars.source", server.address, *args])


def fetched(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in (project / "assets").rglob("*")
        if path.is_file()
    }


def test_what_is_missing_is_fetched_and_what_is_right_is_kept(project: Path, server: Server) -> None:
    result = run(project, server)
    assert result.exit_code == 0, result.output
    whole = {
        "assets/a/train.conllu": FILES["/train.conllu"],
        "assets/a/dev.conllu": FILES["/dev.conllu"],
        "assets/b/x": FILES["/other.txt"],
    }
    assert fetched(project) == whole
    (project / "assets" / "b" / "x").write_bytes(b"wrong")
    assert run(project, server).exit_code == 0
    assert fetched(project) == whole
    assert server.requested == ["/train.conllu", "/dev.conllu", "/other.txt", "/other.txt"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("404", "the server answers 404 Not Found"),
        ("damaged", "so this is another file or a damaged one"),
        ("truncated", "the connection broke before the file was complete"),
        ("stalled", "the server sent nothing for 0.3 seconds"),
    ],
)
def test_a_fault_stops_leaves_no_half_file_and_is_mended_by_the_next_run(
    project: Path, server: Server, fault: str, message: str
) -> None:
    server.fault = fault
    result = run(project, server, "--timeout", "0.3")
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "Could not fetch assets/a/dev.conllu" in said
    assert message in said
    assert fetched(project) == {"assets/a/train.conllu": FILES["/train.conllu"]}
    server.fault = ""
    assert run(project, server).exit_code == 0
    assert len(fetched(project)) == 3
    assert server.requested.count("/train.conllu") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_an_interrupt_keeps_what_is_complete_and_no_half_file(project: Path, server: Server) -> None:
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
    assert fetched(project) == {"assets/a/train.conllu": FILES["/train.conllu"]}
    server.fault = ""
    assert run(project, server).exit_code == 0
    assert len(fetched(project)) == 3


def test_a_wrong_file_that_cannot_be_replaced_stays(project: Path, server: Server) -> None:
    (project / "assets" / "a").mkdir(parents=True)
    (project / "assets" / "a" / "dev.conllu").write_bytes(b"old")
    server.fault = "damaged"
    assert run(project, server).exit_code == 1
    assert fetched(project)["assets/a/dev.conllu"] == b"old"


def test_no_server_is_said(project: Path) -> None:
    result = CliRunner().invoke(app, ["fetch", str(project)])
    assert result.exit_code == 1
    assert "Is there a network?" in " ".join(result.output.split())


def test_an_asset_that_cannot_be_verified_is_refused(project: Path, server: Server) -> None:
    config = srsly.read_yaml(project / "project.yml")
    del config["assets"][0]["checksum"]
    srsly.write_yaml(project / "project.yml", config)
    result = run(project, server)
    assert result.exit_code == 1
    assert server.requested == []


def test_nothing_is_fetched_for_files_that_are_ones_own(project: Path, server: Server) -> None:
    result = run(project, server, "--under", "assets/mine")
    assert result.exit_code == 0
    assert "Nothing to fetch" in result.output
    assert server.requested == []


def run_project(project: Path, server: Server, *command: str) -> Result:
    return CliRunner().invoke(spacy_app, ["project", *command, str(project), "--vars.source", server.address])


def test_the_workflow_stops_at_a_damaged_file(project: Path, server: Server) -> None:
    server.fault = "damaged"
    assert run_project(project, server, "run", "fetch").exit_code != 0
    assert set(fetched(project)) == {"assets/a/train.conllu"}


def test_spacys_own_command_fetches_the_same_list(project: Path, server: Server) -> None:
    assert run_project(project, server, "assets").exit_code == 0
    assert len(fetched(project)) == 3
