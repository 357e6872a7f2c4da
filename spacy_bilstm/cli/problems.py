"""Print the problems in the files of a corpus."""

from __future__ import annotations

import typer
from wasabi import msg

from ..corpora import Problems
from .progress import count_noun

N_SHOWN = 5


def print_problems(problems: Problems, verbose: bool) -> None:
    """Print the number of warnings and errors, and the first ones.

    problems: the problems.
    verbose: whether to print all of them.
    """
    for name, found, show in (("warning", problems.warnings, msg.warn), ("error", problems.errors, msg.fail)):
        if found:
            show(count_noun(len(found), name))
        shown = found if verbose else found[:N_SHOWN]
        for problem in shown:
            typer.echo(f"  {problem}")
        if len(shown) < len(found):
            typer.echo(f"  ... and {len(found) - len(shown):,} more. List them all with --verbose.")
