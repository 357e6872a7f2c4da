"""The command `spacy bilstm fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg
from weasel.util.config import load_project_config, parse_config_overrides

from ..corpora import FetchedAsset, FetchError, fetch_assets
from .exits import INTERRUPTED


def fetch(
    context: typer.Context,
    project_dir: Annotated[
        Path, typer.Argument(help="Directory of the project.yml", exists=True, file_okay=False)
    ] = Path(),
    under: Annotated[str, typer.Option(help="Fetch only the assets in this directory, such as assets/ewt")] = "",
    timeout: Annotated[float, typer.Option(help="Give up if a server sends nothing for this many seconds")] = 30.0,
    max_time: Annotated[float, typer.Option(help="Give up if a file takes longer than this many seconds")] = 3600.0,
    max_size: Annotated[float, typer.Option(help="Refuse files of more megabytes")] = 10_000.0,
) -> None:
    """Download the assets of a project.yml and verify their checksums.

    A file that exists and has its checksum is not downloaded again. A file is written only when it is complete and has
    its checksum; the command stops at the first one that fails. Paths outside the project and files that git tracks are
    refused. Overrides such as --vars.source work as in `spacy project run`.
    """
    try:
        config = load_project_config(project_dir, overrides=parse_config_overrides(list(context.args)))
    except (TypeError, AttributeError, OSError) as error:
        msg.fail("Can't read project.yml", f"It has no keys such as 'assets', or is damaged: {error}", exits=1)
    try:
        fetched = fetch_assets(
            config.get("assets", []),
            project_dir,
            under=under,
            timeout=timeout,
            max_seconds=max_time,
            max_bytes=max_size * 1e6,
            progress=True,
            on_asset=_print_asset,
        )
    except KeyboardInterrupt as interrupt:
        msg.warn(f"Interrupted {interrupt}", "The files before it are kept. Run the command again to continue.")
        raise typer.Exit(INTERRUPTED) from None
    except FetchError as error:
        msg.fail(
            f"Could not fetch {error.dest}",
            f"From {error.url}: {error.reason} The file was not written; the files before it are kept.",
            exits=1,
        )
    except ValueError as error:
        msg.fail("Nothing was fetched.", str(error), exits=1)
    if not fetched:
        msg.info(f"Nothing to fetch: project.yml lists no assets in {under or project_dir}.")


def _print_asset(asset: FetchedAsset) -> None:
    msg.good(f"Fetched {asset.dest}" if asset.downloaded else f"{asset.dest} exists and has its checksum")
