"""The program that measures a server."""

import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spacy_bilstm.experiments.new_words import make_texts
from spacy_bilstm.experiments.serving import main, measure_server, read_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the program reads /proc")


class Handler(BaseHTTPRequestHandler):
    """Notes the texts that it receives. It refuses an empty text."""

    protocol_version = "HTTP/1.1"
    received: list[str]

    def do_POST(self) -> None:
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        self.received.append(text)
        self.send_response(200 if text else 422)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Handler.received = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/annotate"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("clients", [1, 3])
def test_each_text_is_sent_once(url: str, clients: int) -> None:
    texts = [f"text {i}" for i in range(20)]
    first, second = measure_server(url, texts, os.getpid(), (5, 20), clients)
    assert (first.requests, len(first.seconds), second.requests, len(second.seconds)) == (5, 5, 20, 15)
    assert sorted(Handler.received) == sorted(texts)
    assert 0 < second.get_percentile(50) <= second.get_percentile(99)
    assert second.memory > 2**20


def test_a_refused_request_is_an_error(url: str) -> None:
    with pytest.raises(RuntimeError, match="422"):
        list(measure_server(url, [""], os.getpid(), (1,)))


def test_the_memory_of_child_processes_counts() -> None:
    context = multiprocessing.get_context("fork")
    is_ready, ends = context.Event(), context.Event()

    def hold_memory() -> None:
        held = os.urandom(2**16) * 2**10  # 64 MB.
        is_ready.set()
        ends.wait()
        assert held

    process = context.Process(target=hold_memory)
    process.start()
    assert is_ready.wait(30)
    with_child = read_memory(os.getpid())
    ends.set()
    process.join()
    assert with_child - read_memory(os.getpid()) > 50 * 2**20


def test_each_text_has_a_new_word(tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("a b c d e f g h i j k l\nm n o p\n", encoding="utf8")
    texts = list(make_texts(source, 50))
    assert texts == list(make_texts(source, 50))
    assert len({text.split()[-1] for text in texts}) == 50
    assert {len(text.split()) for text in texts} == {11}


def test_the_program_prints_a_table(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("a b c d e f g h i j k l\n", encoding="utf8")
    main([url, str(source), "--pid", str(os.getpid()), "--requests", "12", "--clients", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| 12 |")
    assert len(Handler.received) == 12
