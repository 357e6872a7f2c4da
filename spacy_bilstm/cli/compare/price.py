"""`spacy bilstm compare price`: measure the cost of a second direction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from wasabi import msg

from ...experiments import compare_prices, draw_prices, make_price_table
from .options import (
    Cells,
    Cnn,
    Depths,
    Directions,
    Merges,
    Plot,
    TablePath,
    Threads,
    Width,
    check_plot,
    parse_variants,
)
from .running import show_result


def price(
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1,2",
    merges: Merges = "concat,sum",
    depths: Depths = "1",
    cnn: Cnn = True,
    width: Width = 128,
    n_docs: Annotated[int, typer.Option(help="Number of documents in the batch", min=1)] = 64,
    max_length: Annotated[
        int, typer.Option(help="Largest length; lengths are drawn uniformly from 1 to it", min=1)
    ] = 40,
    rounds: Annotated[int, typer.Option(help="Number of rounds; each runs every encoder once", min=1)] = 30,
    seed: Annotated[int, typer.Option(help="Seed of the arrays")] = 0,
    threads: Threads = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file to write", dir_okay=False)] = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Measure the cost of a second direction.

    The encoders run without the rest of a pipeline, on the same arrays. They take turns within each round, so a change
    in the machine's speed affects them all equally. Concatenated directions have half the width each, added or
    multiplied directions the full width.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    check_plot(plot)
    torch.set_num_threads(threads)
    comparison = compare_prices(
        variants, width=width, n_docs=n_docs, max_length=max_length, rounds=rounds, seed=seed, progress=True
    )
    msg.info(", ".join(f"{name} {value}" for name, value in comparison.settings.items()))
    show_result(make_price_table(comparison), table, plot, lambda: draw_prices(comparison))
    if output is not None:
        comparison.save(output)
        msg.good(f"Wrote {output}")
