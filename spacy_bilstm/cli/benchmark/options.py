"""Options that several benchmarks share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Pipelines = Annotated[
    list[str], typer.Argument(help="Paths or names of pipelines; the others are compared with the first")
]
Texts = Annotated[
    Path,
    typer.Option(
        help="A .txt file with one text per line, a .jsonl file with 'text' in each line, or a .spacy file",
        exists=True,
        dir_okay=False,
    ),
]
Rounds = Annotated[int, typer.Option(help="Number of rounds; in each, every pipeline runs once", min=1)]
Threads = Annotated[int, typer.Option(help="Threads that each process computes on", min=1)]
GpuId = Annotated[int, typer.Option("--gpu-id", "-g", help="GPU ID or -1 for CPU", min=-1)]
LimitWords = Annotated[int | None, typer.Option(help="Take texts until they have this many words", min=1)]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="JSON file to write, or a folder to write COMMAND.json to")
]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Plot to write, .svg or .png (needs Matplotlib)", dir_okay=False)
]


def parse_numbers(text: str, option: str) -> list[int]:
    """Parse whole numbers separated by commas.

    text: the value of the option.
    option: name of the option.
    RETURNS: the numbers.
    RAISES: ValueError if the text is anything else.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} {text}: give whole numbers from 1, separated by commas.") from None
