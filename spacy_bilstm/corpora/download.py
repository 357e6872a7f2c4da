"""Download a file within limits, and try again after a broken connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError

CHUNK = 1 << 16
RETRIES = 2
BACKOFF = 1.0  # Seconds before the first retry; each further one waits twice as long.
MAX_SECONDS = 1_000_000  # Sockets accept no timeout much larger.
BUSY = (429, 500, 502, 503, 504)


class DownloadError(Exception):
    """A file can't be downloaded.

    reason: what went wrong and how to fix it.
    is_broken: whether the connection broke or the server was busy, so that another try may succeed.
    """

    def __init__(self, reason: str, is_broken: bool = False) -> None:
        super().__init__(reason)
        self.is_broken = is_broken


@dataclass(frozen=True)
class Limits:
    """The limits of a download.

    timeout: seconds to wait for data from the server.
    max_seconds: seconds that the file may take, with all retries.
    max_bytes: size that the file may have.
    """

    timeout: float
    max_seconds: float
    max_bytes: float

    def __post_init__(self) -> None:
        for name, value in (("timeout", self.timeout), ("largest duration", self.max_seconds)):
            if not 0 < value <= MAX_SECONDS:
                raise ValueError(f"The {name} is {value:g} seconds. Use a positive number up to {MAX_SECONDS:,}.")
        if not self.max_bytes > 0:
            raise ValueError(f"The largest size is {self.max_bytes:g} bytes. Use a positive number.")


def download(url: str, target: Path, limits: Limits, bar: tqdm) -> None:
    """Download a file; after a broken connection or from a busy server, try again a few times.

    url: its address.
    target: the path to write to.
    limits: the limits.
    bar: the progress bar; its total is the size of the file if the server says it.
    RAISES: DownloadError if the file can't be downloaded within the limits; OSError if it can't be written.
    """
    deadline = time.monotonic() + limits.max_seconds
    for retry in range(RETRIES + 1):
        bar.reset()
        try:
            with target.open("wb") as file:
                return _download(url, file.write, limits, deadline, bar)
        except DownloadError as error:
            pause = BACKOFF * 2**retry
            if not error.is_broken or retry == RETRIES or time.monotonic() + pause >= deadline:
                raise
            time.sleep(pause)
    return None


def _download(url: str, write: Callable[[bytes], int], limits: Limits, deadline: float, bar: tqdm) -> None:
    try:
        # A server that compresses the file nevertheless says so; then it is unpacked.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(url, headers=headers, stream=True, timeout=limits.timeout) as response:
            bar.total = _check_response(response, limits)
            read = _get_reader(response)
            n_received = 0
            while chunk := read():
                write(chunk)
                bar.update(len(chunk))
                n_received += len(chunk)
                _check_progress(n_received, deadline, limits)
    except (requests.RequestException, HTTPError, HTTPException, ValueError) as error:
        raise _explain(error, limits) from error


def _check_progress(n_received: int, deadline: float, limits: Limits) -> None:
    if n_received > limits.max_bytes:
        raise DownloadError(_describe_size(limits))
    if time.monotonic() > deadline:
        raise DownloadError(f"the file takes more than {limits.max_seconds:g} seconds. Allow more time, or try again.")


def _check_response(response: requests.Response, limits: Limits) -> int | None:
    """Return the size of the file, or None if it is unknown."""
    if not response.ok:
        is_busy = response.status_code in BUSY
        raise DownloadError(f"the server answers {response.status_code} {response.reason}.", is_broken=is_busy)
    length = response.headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()) or "Content-Encoding" in response.headers:
        return None
    if int(length) > limits.max_bytes:
        raise DownloadError(_describe_size(limits))
    return int(length)


def _get_reader(response: requests.Response) -> Callable[[], bytes]:
    """Return a function that returns the next bytes; `read1` returns them as soon as they arrive."""
    raw = response.raw
    return partial(getattr(raw, "read1", raw.read), CHUNK, decode_content=True)


def _describe_size(limits: Limits) -> str:
    return f"the file is larger than {limits.max_bytes:,.0f} bytes. Allow a larger size if it is the file you want."


def _explain(error: Exception, limits: Limits) -> DownloadError:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        reason = f"the server sent nothing for {limits.timeout:g} seconds. Try again, or set a longer timeout."
        return DownloadError(reason, is_broken=True)
    if isinstance(error, (requests.exceptions.SSLError, requests.exceptions.ProxyError)) or _is_unconnected(error):
        return DownloadError(f"there is no connection ({error}). Check the network.")
    if isinstance(error, (requests.ConnectionError, ProtocolError, HTTPException)):
        reason = f"the connection broke before the file was complete ({error}). Try again."
        return DownloadError(reason, is_broken=True)
    return DownloadError(f"the address or the server's answer can't be used ({error}). Check the URL.")


def _is_unconnected(error: Exception) -> bool:
    return any(isinstance(getattr(cause, "reason", None), NewConnectionError) for cause in error.args)
