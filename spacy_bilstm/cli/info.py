"""The command `spacy bilstm info`."""

from __future__ import annotations

import typer

from ..util.info import collect_info


def info() -> None:
    """Print what a bug report needs: versions, machine, threads, GPUs, and what is switched on."""
    for section, facts in collect_info().items():
        typer.echo(f"{section}:")
        for name, value in facts.items():
            typer.echo(f"  {name}: {_show(value)}")


def _show(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
