"""An HTTP server that sends the assets of a test project, one of them with a fault."""

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

    fault: the fault of /dev.conllu: "404", "damaged", "truncated", "stalled" or "".
    requested: the paths requested so far.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault = ""
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
