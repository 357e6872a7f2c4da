"""Download the assets of a spaCy project and verify their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from ..util.files import written_whole

CHUNK = 1 << 16


class FetchError(RuntimeError):
    """An asset can't be downloaded, or is not the expected file.

    dest, url: the path of the asset in the project, and its address.
    reason: what went wrong and how to fix it.
    """

    def __init__(self, dest: str, url: str, reason: str) -> None:
        super().__init__(f"Could not fetch {dest} from {url}: {reason}")
        self.dest = dest
        self.url = url
        self.reason = reason


class _DownloadError(Exception):
    """The reason why a file is not as expected."""


@dataclass(frozen=True)
class FetchedAsset:
    """An asset whose file is complete and has its checksum.

    dest: the path of the asset in the project.
    downloaded: whether it was downloaded now; False if the file existed already.
    """

    dest: str
    downloaded: bool


def fetch_assets(
    assets: Iterable[Mapping[str, Any]],
    project_dir: str | Path = ".",
    *,
    under: str = "",
    timeout: float = 30.0,
    progress: bool = False,
    on_asset: Callable[[FetchedAsset], None] | None = None,
) -> list[FetchedAsset]:
    """Download the assets of a spaCy project and verify their checksums.

    An asset whose file exists and has its checksum is not downloaded again. A file is written only when it is complete
    and has its checksum. `spacy project assets` reads the same list, but continues after a failed download.

    assets: the `assets` of a project.yml: each has a `dest`, a `url` and a `checksum`, which is an MD5.
    project_dir: the directory that each `dest` is relative to.
    under: fetch only the assets in this directory, such as "assets/ewt".
    timeout: seconds to wait for data from a server before giving up.
    progress: whether to show progress bars on stderr, if it is a terminal.
    on_asset: called with each asset as soon as its file is complete.
    RETURNS: the assets, in order.
    RAISES: FetchError at the first asset that can't be downloaded or does not have its checksum; KeyboardInterrupt,
        with the name of the unfinished asset, if the user interrupts. The files of the assets before it are kept.
    """
    fetched = []
    for asset in assets:
        if not Path(asset["dest"]).is_relative_to(under):
            continue
        try:
            result = _fetch_asset(asset, Path(project_dir), timeout, progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"before {asset['dest']} was complete") from None
        except (_DownloadError, requests.RequestException, OSError) as error:
            raise FetchError(asset["dest"], str(asset.get("url")), _explain(error, timeout)) from error
        fetched.append(result)
        if on_asset is not None:
            on_asset(result)
    return fetched


def _fetch_asset(asset: Mapping[str, Any], project_dir: Path, timeout: float, progress: bool) -> FetchedAsset:
    dest, url, checksum = asset["dest"], asset.get("url"), asset.get("checksum")
    target = project_dir / dest
    if not url or not checksum:
        raise _DownloadError("the asset has no 'url', or no 'checksum' to verify the file with. Add it to project.yml.")
    if target.is_file() and _compute_md5(target) == checksum:
        return FetchedAsset(dest, downloaded=False)
    with written_whole(target) as draft:
        _download(url, draft, dest, timeout, progress)
        found = _compute_md5(draft)
        if found != checksum:
            raise _DownloadError(f"the file is damaged or another one: its MD5 is {found} instead of {checksum}.")
    return FetchedAsset(dest, downloaded=True)


def _download(url: str, target: Path, dest: str, timeout: float, progress: bool) -> None:
    # A compressed body would not have the length of the file.
    headers = {"Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if not response.ok:
            raise _DownloadError(f"the server answers {response.status_code} {response.reason}.")
        length = int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        disable = None if progress else True
        n_received = 0
        with (
            target.open("wb") as file,
            tqdm(desc=dest, total=length, unit="B", unit_scale=True, disable=disable, leave=False) as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                n_received += len(chunk)
                bar.update(len(chunk))
    if length is not None and n_received != length:
        raise _DownloadError(f"only {n_received:,} of {length:,} bytes arrived. Try again.")


def _compute_md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            md5.update(chunk)
    return md5.hexdigest()


def _explain(error: Exception, timeout: float) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"the server sent nothing for {timeout:g} seconds. Try again, or set a longer timeout."
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"the connection broke before the file was complete ({error}). Try again."
    if isinstance(error, requests.ConnectionError):
        return f"there is no connection ({error}). Check the network."
    return str(error)
