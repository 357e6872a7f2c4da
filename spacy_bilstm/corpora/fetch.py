"""Download the assets of a spaCy project and verify their checksums."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tqdm import tqdm

from ..util.files import atomic_write, check_writable
from .destinations import DestinationError, check_destination, list_tracked_files, normalize_destination
from .download import CHUNK, DownloadError, Limits, download

MD5 = re.compile(r"[0-9a-f]{32}")


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
    max_seconds: float = 3600.0,
    max_bytes: float = 10e9,
    progress: bool = False,
    on_asset: Callable[[FetchedAsset], None] | None = None,
) -> list[FetchedAsset]:
    """Download the assets of a spaCy project and verify their checksums.

    An asset whose file exists and has its checksum is not downloaded again. A file is written only when it is complete
    and has its checksum. After a broken connection, the download starts again, at most twice. `spacy project assets`
    reads the same list, but continues after a failed download.

    assets: the `assets` of a project.yml: each has a `dest`, a `url` and a `checksum`, which is an MD5.
    project_dir: the directory that each `dest` is relative to. Paths outside of it, and files of the project itself
        (project.yml and those that git tracks), are refused before anything is downloaded.
    under: fetch only the assets in this directory, such as "assets/ewt".
    timeout: seconds to wait for data from a server before giving up.
    max_seconds: seconds that a file may take.
    max_bytes: size that a file may have.
    progress: whether to show progress bars on stderr, if it is a terminal.
    on_asset: called with each asset as soon as its file is complete.
    RETURNS: the assets, in order.
    RAISES: FetchError at the first asset that is refused, can't be downloaded or does not have its checksum; ValueError
        if a limit is not positive; KeyboardInterrupt, with the name of the unfinished asset, if the user interrupts.
        The files of the assets before it are kept.
    """
    limits = Limits(timeout, max_seconds, max_bytes)
    project_dir = Path(project_dir)
    fetched = []
    for asset in _select_assets(assets, project_dir, under):
        try:
            result = _fetch_asset(asset, project_dir, limits, progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"before {asset.dest} was complete") from None
        except (DownloadError, OSError) as error:
            raise FetchError(asset.dest, asset.url, str(error)) from error
        fetched.append(result)
        if on_asset is not None:
            on_asset(result)
    return fetched


@dataclass(frozen=True)
class _Asset:
    """An asset that may be written."""

    dest: str
    url: str
    checksum: str


def _select_assets(assets: Iterable[Mapping[str, Any]], project_dir: Path, under: str) -> list[_Asset]:
    """Return the assets in a directory; raise FetchError if one of them is refused."""
    tracked = list_tracked_files(project_dir)
    selected = []
    for asset in assets:
        try:
            dest = normalize_destination(asset.get("dest"), project_dir)
            if not PurePath(dest).is_relative_to(PurePath(under)):
                continue
            checked = _check_asset(dest, asset)
            if not _is_complete(project_dir / dest, checked.checksum):
                check_destination(dest, project_dir, tracked)
        except (DestinationError, OSError) as error:
            raise FetchError(str(asset.get("dest")), str(asset.get("url")), str(error)) from error
        selected.append(checked)
    return selected


def _check_asset(dest: str, asset: Mapping[str, Any]) -> _Asset:
    url, checksum = asset.get("url"), asset.get("checksum")
    if not url or not checksum:
        raise DestinationError(
            "the asset has no 'url', or no 'checksum' to verify the file with. Add it to project.yml."
        )
    checksum = str(checksum).strip().lower()
    if not MD5.fullmatch(checksum):
        raise DestinationError(f"the checksum '{checksum}' is not an MD5. Write 32 hexadecimal digits, in quotes.")
    return _Asset(dest, str(url), checksum)


def _fetch_asset(asset: _Asset, project_dir: Path, limits: Limits, progress: bool) -> FetchedAsset:
    target = project_dir / asset.dest
    if _is_complete(target, asset.checksum):
        return FetchedAsset(asset.dest, downloaded=False)
    check_writable(target)
    disable = None if progress else True
    with (
        atomic_write(target) as draft,
        tqdm(desc=asset.dest, unit="B", unit_scale=True, disable=disable, leave=False) as bar,
    ):
        download(asset.url, draft, limits, bar)
        found = _compute_md5(draft)
        if found != asset.checksum:
            raise DownloadError(f"the file is damaged or another one: its MD5 is {found} instead of {asset.checksum}.")
    return FetchedAsset(asset.dest, downloaded=True)


def _is_complete(path: Path, checksum: str) -> bool:
    return path.is_file() and _compute_md5(path) == checksum


def _compute_md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            md5.update(chunk)
    return md5.hexdigest()
