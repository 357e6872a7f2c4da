"""The command `spacy bilstm hub`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..evaluation import CorpusError
from ..publishing import build_repository


def hub(
    model: Annotated[str, typer.Argument(help="Path or name of a trained pipeline")],
    repo_id: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Name of the repository on the Hub")],
    output: Annotated[Path, typer.Argument(help="Folder to write, new or empty", file_okay=False)],
    meta: Annotated[
        Path | None,
        typer.Option(help="JSON with name, version, description, license ...", exists=True, dir_okay=False),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(help="Annotated .spacy file: show scores on it, with intervals", exists=True, dir_okay=False),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Name of the corpus of the scores, for the card")] = None,
    wheel: Annotated[
        Path | None, typer.Option(help="Wheel that spacy package built, to be installed from the Hub", exists=True)
    ] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples for the intervals", min=1)] = 1000,
) -> None:
    """Build the folder of a repository on the Hugging Face Hub: pipeline, model card and, if given, the wheel.

    The card has the metadata that the Hub shows: language, license, tasks and scores. Without --corpus, the scores are
    those that the training stored in meta.json. Nothing is uploaded.
    """
    try:
        result = build_repository(
            model,
            repo_id,
            output,
            meta=meta,
            corpus=corpus,
            dataset=dataset,
            wheel=wheel,
            n_resamples=resamples,
            progress=True,
        )
    except (ValueError, OSError, CorpusError) as error:
        msg.fail("Nothing was written.", str(error), exits=1)
    if result.missing:
        msg.warn(f"meta.json has no {', '.join(result.missing)}.", "Set them with --meta, so that the card shows them.")
    msg.good(f"Wrote {len(result.files)} files, {result.n_bytes / 1e6:.1f} MB, to {output}")
    msg.text(f"Read {output / 'README.md'}, then upload it with huggingface_hub: hf upload {repo_id} {output}")
