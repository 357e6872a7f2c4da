"""`spacy bilstm benchmark`: a file for each command, and files for what they share. What is compared takes
turns in one run, and its numbers are printed, written as JSON and drawn.
"""

from __future__ import annotations

import typer

from ...benchmarks.encoder import encoder
from ...benchmarks.scaling import scaling
from ...benchmarks.speed import speed
from ...benchmarks.training import training

benchmark = typer.Typer(help="Measure speed.", no_args_is_help=True, rich_markup_mode=None)
for command in (speed, scaling, training, encoder):
    benchmark.command(command.__name__)(command)


@benchmark.callback()
def callback() -> None:
    """Measure speed and memory of pipelines, of their training, and of encoders."""
