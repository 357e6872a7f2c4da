"""The command `spacy bilstm annotate`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer
from wasabi import msg

from ..annotation import DirectoryLockedError
from ..annotation import annotate as annotate_source
from ..annotation.parts import PART_SIZE
from .exits import INTERRUPTED
from .progress import ProgressLine, count_noun, format_duration


class Format(str, Enum):
    """The formats of the target."""

    parquet = "parquet"
    jsonl = "jsonl"
    spacy = "spacy"


def annotate(
    source: Annotated[str, typer.Argument(help="File, folder, quoted glob, or URL such as s3://bucket/texts")],
    target: Annotated[str, typer.Argument(help="Directory or URL to write to: new, empty, or of an earlier call")],
    model: Annotated[str, typer.Option("--model", "-m", help="Pipeline: a directory or a package")],
    format: Annotated[Format, typer.Option("--format", "-f", help="Format of the target")] = Format.parquet,
    text_column: Annotated[str, typer.Option(help="Key or column of the text")] = "text",
    id_column: Annotated[str | None, typer.Option(help="Key or column of the id; otherwise file and line")] = None,
    text: Annotated[bool, typer.Option("--text", help="Write the texts, too")] = False,
    confidences: Annotated[bool, typer.Option("--confidences", help="Write the probability of each entity")] = False,
    part_size: Annotated[int, typer.Option(help="Documents in a file of the target", min=1)] = PART_SIZE,
    workers: Annotated[
        int, typer.Option("--workers", "-w", help="Processes; 0 for all CPUs. Above 1 with Ray", min=0)
    ] = 1,
    threads: Annotated[int, typer.Option(help="Threads of each worker", min=1)] = 1,
    num_gpus: Annotated[int, typer.Option(help="GPUs, one for each worker; 0 for CPUs", min=0)] = 0,
    address: Annotated[str | None, typer.Option(help="Address of a Ray cluster, such as auto")] = None,
) -> None:
    """Annotate a collection of texts of any size, in files that are complete or missing.

    Killed or stopped at any moment, the same command continues. Sources are .txt (a text in a line), .jsonl, .csv,
    .tsv, .parquet and .spacy files. Records that can't be annotated are listed in TARGET/_bad.jsonl with place and
    reason.
    """
    progress = ProgressLine()
    try:
        summary = annotate_source(
            source,
            target,
            model,
            format=format.value,
            text_column=text_column,
            id_column=id_column,
            text=text,
            confidences=confidences,
            part_size=part_size,
            workers=workers or None,
            threads=threads,
            num_gpus=num_gpus,
            address=address,
            progress=progress,
        )
    except KeyboardInterrupt:
        progress.close()
        msg.warn(f"Stopped. {target} has all complete parts.", "Run the same command again to continue.")
        raise typer.Exit(INTERRUPTED) from None
    except (ValueError, OSError, ImportError, DirectoryLockedError) as error:
        progress.close()
        msg.fail("The texts are not annotated.", str(error), exits=1)
    progress.close()
    if summary.bad and not summary.documents:
        msg.fail(
            f"None of the {summary.bad:,} records could be annotated.",
            f"{summary.directory}/_bad.jsonl has the reasons. Check --text-column, or correct the records.",
            exits=1,
        )
    msg.good(
        f"{count_noun(summary.documents, 'document')} with {count_noun(summary.words, 'word')} in {summary.directory}",
        f"{count_noun(summary.new_documents, 'document')} of this call in {format_duration(summary.seconds)}: "
        f"{summary.words_per_second:,.0f} words/s",
    )
    if summary.bad:
        msg.warn(f"{count_noun(summary.bad, 'record')} could not be annotated: see {summary.directory}/_bad.jsonl")
