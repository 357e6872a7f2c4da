"""The options that the comparisons share. Text from the command line comes in, checked values go out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ...experiments.price import make_encoder
from ...experiments.variants import Variant, make_variants
from ...util.plots import PlotsMissingError, check_plot_path

CELLS = ("rnn", "gru", "lstm")
MERGES = ("concat", "sum", "mean", "mul")

Cells = Annotated[str, typer.Option(help=f"Cells to compare, of {','.join(CELLS)}")]
Directions = Annotated[str, typer.Option(help="Numbers of directions to compare, of 1,2")]
Merges = Annotated[str, typer.Option(help=f"Merges of two directions to compare, of {','.join(MERGES)}")]
Depths = Annotated[str, typer.Option(help="Numbers of layers to compare, such as 1,2")]
Cnn = Annotated[bool, typer.Option("--cnn/--no-cnn", help="Whether spaCy's default CNN is compared, too")]
Width = Annotated[int, typer.Option(help="Width of each encoder's input and output", min=1)]
Steps = Annotated[int, typer.Option(help="Batches that each pipeline is trained on", min=2)]
LearnRate = Annotated[float, typer.Option(help="Learning rate after the warm-up")]
Seeds = Annotated[int, typer.Option(help="Trainings of each encoder, with the seeds 0, 1, ...", min=1)]
Threads = Annotated[int, typer.Option(help="Threads that torch computes on", min=1)]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="JSON file to write after each training, and to continue", dir_okay=False),
]
Plot = Annotated[Path | None, typer.Option("--plot", help="Plot to write, .svg or .png", dir_okay=False)]
TablePath = Annotated[Path | None, typer.Option("--table", help="Markdown file to write the table to", dir_okay=False)]


def parse_choices(text: str, option: str, choices: Sequence[str]) -> list[str]:
    """Read a list with commas; fail with a message for anything that is no choice.

    text: the list.
    option: name of the option it was given to.
    choices: what may be in it.
    RETURNS: its items, none twice.
    """
    items = list(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
    unknown = [item for item in items if item not in choices]
    if unknown or not items:
        found = f"holds '{unknown[0]}'" if unknown else "is empty"
        msg.fail(f"{option} {found}.", f"Give one or more of: {', '.join(choices)}, with commas between.", exits=1)
    return items


def parse_numbers(text: str, option: str, least: int) -> list[int]:
    """Read a list of whole numbers with commas; fail with a message for anything else.

    text: the list.
    option: name of the option it was given to.
    least: the smallest number allowed.
    RETURNS: the numbers, in ascending order, none twice.
    """
    try:
        numbers = sorted({int(item) for item in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < least:
        msg.fail(
            f"{option} is '{text}'.", f"Give whole numbers, each at least {least}, with commas between: 5,10.", exits=1
        )
    return numbers


def parse_variants(cells: str, directions: str, merges: str, depths: str, cnn: bool, width: int) -> list[Variant]:
    """Read what is to be compared; fail with a message where an encoder cannot be built.

    cells, directions, merges, depths, cnn, width: the options' values.
    RETURNS: the variants.
    """
    variants = make_variants(
        parse_choices(cells, "--cells", CELLS),
        [int(item) for item in parse_choices(directions, "--directions", ("1", "2"))],
        parse_choices(merges, "--merges", MERGES),
        parse_numbers(depths, "--depths", least=1),
        cnn,
    )
    for variant in variants:
        try:
            make_encoder(variant, width)
        except ValueError as error:
            msg.fail(f"Can't build the encoder {variant.name}.", str(error), exits=1)
    return variants


def check_plot(path: Path | None) -> None:
    """Fail with a message if a plot could not be written in the end, before anything is trained."""
    if path is None:
        return
    try:
        check_plot_path(path)
    except (PlotsMissingError, ValueError) as error:
        msg.fail("Can't draw the plot.", str(error), exits=1)
