"""The options that several benchmarks share."""

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
        help="A .txt file with a text in each line, a .jsonl file with 'text' in each line, or a .spacy file",
        exists=True,
        dir_okay=False,
    ),
]
Threads = Annotated[int, typer.Option(help="Threads that each process computes on", min=1)]
GpuId = Annotated[
    int, typer.Option("--gpu-id", "-g", help="Number of the GPU to compute on, or -1 for the CPU", min=-1)
]
BatchSize = Annotated[
    int | None, typer.Option(help="Texts in a batch of nlp.pipe, instead of each pipeline's own", min=1)
]
LimitWords = Annotated[int | None, typer.Option(help="Take texts until they have this many words", min=1)]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="JSON file to write, or a folder for one named after the command")
]
Plot = Annotated[
    Path | None, typer.Option("--plot", help="Plot to draw, ending in .svg or .png (needs Matplotlib)", dir_okay=False)
]
