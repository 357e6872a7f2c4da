"""An HTTP server that sends the assets of a test project, one of them with a fault."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FILES = {"/train.conllu": b"one\n" * 50_000, "/dev.conllu": b"two\n", "/other.txt": b"three\n"}
# The asset paths of the test project, and the server's path of each.
DESTS = {"assets/a/train.conllu": "/train.conllu", "assets/a/dev.conllu": "/dev.conllu", "assets/b/x": "/other.txt"}


class AssetServer(ThreadingHTTPServer):
    """A server that sends FILES.

    fault: the fault of /dev.conllu: a status such as "404"; "location: ADDRESS" for a redirect; "length: VALUE" for a
        Content-Length; "damaged", "truncated", "stalled", "slow", "gzip", "chunked" or "chunked and truncated"; or "".
    n_faults: number of requests that have the fault.
    requested: the paths requested so far.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault = ""
        self.n_faults = 1000
        self.requested: list[str] = []
        self.released = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: AssetServer

    def do_GET(self) -> None:
        self.server.requested.append(self.path)
        body = FILES[self.path]
        n_requests = self.server.requested.count("/dev.conllu")
        fault = self.server.fault if self.path == "/dev.conllu" and n_requests <= self.server.n_faults else ""
        kind, _, value = fault.partition(": ")
        if kind.isdigit():
            return self.send_error(int(kind))
        self.send_response(301 if kind == "location" else 200)
        sent = {"damaged": b"tw0\n", "truncated": body[:2], "stalled": body[:2], "slow": b"", "location": b""}.get(
            kind, body
        )
        if kind == "location":
            self.send_header("Location", value)
        elif kind == "gzip":
            sent = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(sent)))
        elif kind.startswith("chunked"):
            end = b"" if "truncated" in kind else b"0\r\n\r\n"
            sent = b"2\r\ntw\r\n2\r\no\n\r\n" + end
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", value if kind == "length" else str(len(body)))
        self.end_headers()
        self._send(sent, kind)
        return None

    def _send(self, sent: bytes, kind: str) -> None:
        self.wfile.write(sent)
        self.wfile.flush()
        if kind == "stalled":
            self.server.released.wait(20)
        while kind == "slow" and not self.server.released.wait(0.05):  # It never ends, and is never silent for long.
            self.wfile.write(b"t")
            self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        """Keep the output of the tests clean."""


@contextmanager
def running_server() -> Iterator[AssetServer]:
    """Run the server in a thread."""
    with AssetServer() as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def read_assets(project: Path) -> dict[str, bytes]:
    """Return the content of each file in the assets of a project."""
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in (project / "assets").rglob("*")
        if path.is_file()
    }
