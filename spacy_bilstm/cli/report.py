"""The command `spacy bilstm report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import setup_gpu
from wasabi import msg

from ..evaluation import check_report_path, evaluate, write_report
from ..util.plots import PlotsMissingError, check_plot_path
from .exits import INTERRUPTED


def report(
    model: Annotated[str, typer.Argument(help="Path or name of a trained pipeline")],
    corpus: Annotated[Path, typer.Argument(help="The annotated corpus, a .spacy file", exists=True, dir_okay=False)],
    output: Annotated[Path, typer.Argument(help="The .html file to write", dir_okay=False)],
    train: Annotated[
        Path | None,
        typer.Option(
            help="The .spacy file that the pipeline was trained on: compare seen with unseen words",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help="Log of the training, the output_file of spacy.ConsoleLogger.v3: draw its curves",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    n_worst: Annotated[int, typer.Option(help="Number of sentences to show, those with the most errors", min=0)] = 20,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples for the intervals", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap", min=0)] = 0,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU ID or -1 for CPU", min=-1)] = -1,
) -> None:
    """Write an HTML page that shows how well a pipeline does on a corpus.

    The page has scores with intervals, learning curves, confusions of tags, scores of each label, the calibration of
    confidences, scores of words seen and unseen in training, and the sentences with the most errors. It is one file
    that needs no network. The pipeline annotates the corpus once.
    """
    try:
        setup_gpu(gpu_id, silent=gpu_id < 0)
        check_report_path(output)  # before the long work
        check_plot_path(output.with_suffix(".svg"))
        evaluation = evaluate(
            model, corpus, train=train, log=log, n_worst=n_worst, n_resamples=resamples, seed=seed, progress=True
        )
        write_report(evaluation, output)
    except (PlotsMissingError, ValueError, OSError) as error:
        msg.fail("No report was written.", str(error), exits=1)
    except KeyboardInterrupt:
        msg.warn("Stopped: no report was written.")
        raise typer.Exit(INTERRUPTED) from None
    msg.good(f"Wrote {output}")
