"""`spacy bilstm fetch`: project.yml's assets are downloaded and verified, or the workflow stops.

`spacy project assets` reads the same list, but goes on after a download that failed or is not the file it should be.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import requests
import typer
from tqdm import tqdm
from wasabi import msg
from weasel.util.config import load_project_config, parse_config_overrides

from ..util.exits import INTERRUPTED
from ..util.files import written_whole

CHUNK = 1 << 16


class FetchError(RuntimeError):
    """A file could not be had as it should be; the message says why and what to do."""


def fetch(
    context: typer.Context,
    project_dir: Annotated[
        Path, typer.Argument(help="Directory of the project.yml", exists=True, file_okay=False)
    ] = Path(),
    under: Annotated[str, typer.Option(help="Fetch only what belongs in this directory, such as assets/ewt")] = "",
    timeout: Annotated[float, typer.Option(help="Give up when a server sends nothing for so many seconds")] = 30.0,
) -> None:
    """Download the assets of a project.yml and verify their checksums.

    What is there and has its checksum is not downloaded again. Each file is written when it is complete and right; at
    the first one that is not, the command stops. Overrides such as --vars.source work as in spacy project run.
    """
    config = load_project_config(project_dir, overrides=parse_config_overrides(list(context.args)))
    assets = [asset for asset in config.get("assets", []) if Path(asset["dest"]).is_relative_to(under)]
    if not assets:
        msg.info(f"Nothing to fetch: project.yml lists no asset in {under or project_dir}.")
    for asset in assets:
        try:
            _fetch_asset(asset, project_dir, timeout)
        except KeyboardInterrupt:
            msg.warn(f"Interrupted before {asset['dest']} was complete", "What came before is kept; run it again.")
            raise typer.Exit(INTERRUPTED) from None
        except (FetchError, requests.RequestException, OSError) as error:
            msg.fail(
                f"Could not fetch {asset['dest']}",
                f"From {asset.get('url')}: {_explain(error, timeout)} Nothing was written; what came before is kept.",
                exits=1,
            )


def _fetch_asset(asset: dict[str, Any], project_dir: Path, timeout: float) -> None:
    target = project_dir / asset["dest"]
    url, checksum = asset.get("url"), asset.get("checksum")
    if not url or not checksum:
        raise FetchError("project.yml gives it no url or no checksum, and a file is used only if it can be verified.")
    if target.is_file() and _md5(target) == checksum:
        msg.good(f"{asset['dest']} is there, and its checksum is right")
        return
    with written_whole(target) as draft:
        _download(url, draft, asset["dest"], timeout)
        found = _md5(draft)
        if found != checksum:
            raise FetchError(f"its md5 is {found}, not {checksum}, so this is another file or a damaged one.")
    msg.good(f"Fetched {asset['dest']}")


def _download(url: str, target: Path, name: str, timeout: float) -> None:
    # Compressed on the way, a body would have another length than its file.
    headers = {"Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if not response.ok:
            raise FetchError(f"the server answers {response.status_code} {response.reason}.")
        length = int(response.headers["Content-Length"]) if "Content-Length" in response.headers else None
        n_received = 0
        with (
            target.open("wb") as file,
            tqdm(desc=name, total=length, unit="B", unit_scale=True, disable=None, leave=False) as progress,
        ):
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                n_received += len(chunk)
                progress.update(len(chunk))
    if length is not None and n_received != length:
        raise FetchError(f"only {n_received:,} of {length:,} bytes came.")


def _md5(path: Path) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            md5.update(chunk)
    return md5.hexdigest()


def _explain(error: Exception, timeout: float) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"the server sent nothing for {timeout:g} seconds. Try again, or with a longer --timeout."
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return f"the connection broke before the file was complete ({error}). Try again."
    if isinstance(error, requests.ConnectionError):
        return f"no connection ({error}). Is there a network?"
    return str(error)
