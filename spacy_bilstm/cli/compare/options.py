"""The options that the comparisons share, and the checks of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from wasabi import msg

from ...experiments.variants import CELLS, MERGES, Variant, build_encoder, make_variants
from ...util.plots import PlotsMissingError, check_plot_path

Cells = Annotated[str, typer.Option(help=f"Cells to compare, from {','.join(CELLS)}")]
Directions = Annotated[str, typer.Option(help="Numbers of directions to compare, from 1,2")]
Merges = Annotated[str, typer.Option(help=f"Merges of two directions to compare, from {','.join(MERGES)}")]
Depths = Annotated[str, typer.Option(help="Numbers of layers to compare, such as 1,2")]
Cnn = Annotated[bool, typer.Option("--cnn/--no-cnn", help="Whether to compare spaCy's default CNN, too")]
Distances = Annotated[str, typer.Option(help="Distances in words, each at least 5")]
Width = Annotated[int, typer.Option(help="Width of each encoder's input and output", min=1)]
Steps = Annotated[int, typer.Option(help="Number of batches to train each pipeline on", min=2)]
LearnRate = Annotated[float, typer.Option(help="Learning rate after the warm-up")]
Seeds = Annotated[int, typer.Option(help="Number of trainings of each encoder, with the seeds 0, 1, ...", min=1)]
Threads = Annotated[int, typer.Option(help="Number of threads for torch", min=1)]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="JSON file to continue and to write after each training", dir_okay=False),
]
Plot = Annotated[Path | None, typer.Option("--plot", help="Plot to write, .svg or .png", dir_okay=False)]
TablePath = Annotated[Path | None, typer.Option("--table", help="Markdown file to write the table to", dir_okay=False)]


@dataclass(frozen=True)
class Training:
    """The values of the options that all comparisons by training have."""

    cells: Cells = "rnn,gru,lstm"
    directions: Directions = "1,2"
    merges: Merges = "concat"
    depths: Depths = "1"
    cnn: Cnn = True
    width: Width = 64
    steps: Steps = 300
    learn_rate: LearnRate = 0.003
    seeds: Seeds = 3
    threads: Threads = 1
    output: Output = None
    plot: Plot = None
    table: TablePath = None

    def parse_variants(self) -> list[Variant]:
        """Parse the options that define the encoders. Print an error and exit if an encoder can't be built."""
        return parse_variants(self.cells, self.directions, self.merges, self.depths, self.cnn, self.width)


def with_training_options(**defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `Training` after its own. Its first argument gets their values.

    defaults: other defaults than those of `Training`.
    RETURNS: the decorator.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = signature(command, eval_str=True).parameters.values()
        types = get_type_hints(Training, include_extras=True)
        shared = [
            Parameter(
                field.name,
                Parameter.KEYWORD_ONLY,
                default=defaults.get(field.name, field.default),
                annotation=types[field.name],
            )
            for field in fields(Training)
        ]
        parameters = [*(parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own), *shared]

        def run(**values: Any) -> None:
            training = Training(**{field.name: values.pop(field.name) for field in fields(Training)})
            command(training, **values)

        # What typer reads.
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate


def parse_choices(text: str, option: str, choices: Sequence[str]) -> list[str]:
    """Parse a comma-separated list. Print an error and exit if an item is not a choice.

    text: the list.
    option: name of the option, for the error.
    choices: the allowed items.
    RETURNS: the items without duplicates.
    """
    items = list(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
    unknown = [item for item in items if item not in choices]
    if unknown or not items:
        problem = f"has the unknown value '{unknown[0]}'" if unknown else "is empty"
        msg.fail(f"{option} {problem}.", f"Choose from {', '.join(choices)}. Separate values with commas.", exits=1)
    return items


def parse_numbers(text: str, option: str, least: int) -> list[int]:
    """Parse a comma-separated list of whole numbers. Print an error and exit if it is something else.

    text: the list.
    option: name of the option, for the error.
    least: the smallest number allowed.
    RETURNS: the numbers in the same order.
    """
    try:
        numbers = [int(item) for item in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < least:
        msg.fail(
            f"{option} is '{text}'.",
            f"Use whole numbers, each at least {least}, separated by commas, such as {least},{2 * least}.",
            exits=1,
        )
    return numbers


def parse_variants(cells: str, directions: str, merges: str, depths: str, cnn: bool, width: int) -> list[Variant]:
    """Parse the options that define the encoders. Print an error and exit if an encoder can't be built.

    cells, directions, merges, depths, cnn, width: the options' values.
    RETURNS: the encoders.
    """
    variants = make_variants(
        parse_choices(cells, "--cells", CELLS),
        [int(item) for item in parse_choices(directions, "--directions", ("1", "2"))],
        parse_choices(merges, "--merges", MERGES),
        sorted(parse_numbers(depths, "--depths", least=1)),
        cnn,
    )
    for variant in variants:
        try:
            build_encoder(variant, width)
        except ValueError as error:
            msg.fail("Nothing was trained.", str(error), exits=1)
    return variants


def check_plot(path: Path | None) -> None:
    """Print an error and exit if the plot can't be written, before anything is trained."""
    if path is None:
        return
    try:
        check_plot_path(path)
    except (PlotsMissingError, ValueError) as error:
        msg.fail("Can't draw the plot.", str(error), exits=1)
