"""`spacy bilstm benchmark`: compare speed and memory."""

from __future__ import annotations

import typer

from .encoder import encoder
from .scaling import scaling
from .speed import speed
from .training import training

benchmark = typer.Typer(help="Measure speed.", no_args_is_help=True, rich_markup_mode=None)
for command in (speed, scaling, training, encoder):
    benchmark.command(command.__name__)(command)


@benchmark.callback()
def callback() -> None:
    """Measure speed and memory of pipelines, of their training, and of encoders."""
