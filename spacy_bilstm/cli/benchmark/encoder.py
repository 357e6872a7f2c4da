"""`spacy bilstm benchmark encoder`."""

from __future__ import annotations

from typing import Annotated

import typer
from wasabi import msg

from ...benchmarks import compare_encoders, draw_encoders
from . import options
from .outputs import check_plot, end_after, fail, write_files
from .tables import print_encoders


def encoder(
    width: Annotated[int, typer.Option(help="Width of input and output", min=2)] = 256,
    depth: Annotated[int, typer.Option(help="Number of layers of the recurrent encoders", min=1)] = 1,
    lengths: Annotated[
        list[str],
        typer.Option(help="Lengths of documents: text (log-normal, median 10) or uniform (from 1). Repeat for several"),
    ] = ["text", "uniform"],  # noqa: B006
    n_docs: Annotated[int | None, typer.Option(help="Documents in a batch [256 or 64]", min=1)] = None,
    max_length: Annotated[int | None, typer.Option(help="Longest document [120 or 40]", min=1)] = None,
    rounds: Annotated[int, typer.Option(help="Number of rounds; in each, every encoder runs once", min=1)] = 15,
    threads: Annotated[int, typer.Option(help="Threads that torch computes on", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the arrays and weights")] = 0,
    output: options.Output = None,
    plot: options.Plot = None,
) -> None:
    """Compare our encoder with spaCy's on the same arrays.

    The encoders are spacy-bilstm.BiLSTMEncoder.v1, spacy.TorchBiLSTMEncoder.v1 and spacy.MaxoutWindowEncoder.v2 (depth
    4, window 1, 3 pieces). They take turns within each round. A change in the machine's speed then affects all of them
    equally. The share compares the arithmetic per second of an encoder's matrix products with that of one large float32
    matrix product of all words, on the same number of threads. The last column is the largest difference between a
    document's vectors in the batch and its vectors alone. By default there are two batches: 256 documents with lengths
    as in text, up to 120 words; and 64 documents of 1 to 40 words.
    """
    check_plot(plot)
    try:
        comparison = compare_encoders(
            width=width,
            depth=depth,
            lengths=lengths,
            n_docs=n_docs,
            max_length=max_length,
            rounds=rounds,
            threads=threads,
            seed=seed,
            announce=msg.info,
            progress=True,
        )
    except ValueError as error:
        fail(error)
    print_encoders(comparison)
    gflops = comparison.machine["matmul_gflops"]
    msg.text(f"The share is of {gflops:,.0f} GFLOP/s, the speed of one large matrix product here.")
    write_files(comparison, output, draw_encoders, plot)
    end_after(len(comparison.results[0].rounds), comparison.settings.rounds)
