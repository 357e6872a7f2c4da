"""`spacy bilstm report`: options come in, a pipeline is evaluated, its page goes out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.cli._util import setup_gpu
from spacy.language import Language
from wasabi import msg

from ..evaluation.annotation import CorpusError, evaluate, read_training_words
from ..evaluation.html.page import Request, make_page
from ..evaluation.scores import SeenInTraining
from ..evaluation.training_log import LogError, read_log
from ..util.exits import INTERRUPTED
from ..util.files import written_whole
from ..util.plots import PlotsMissingError, check_plot_path


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
    n_worst: Annotated[int, typer.Option(help="Sentences with most errors to show", min=0)] = 20,
    resamples: Annotated[int, typer.Option(help="Resamples of the bootstrap for intervals", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap", min=0)] = 0,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU ID or -1 for CPU", min=-1)] = -1,
) -> None:
    """Write a page on how well a pipeline does.

    It has scores with intervals, learning curves, confusions of tags, scores of each label, how good confidences are,
    words seen in training against unseen ones, and the sentences with most errors. The page is one HTML file that needs
    no network. The corpus is annotated once.
    """
    request = Request(model, corpus, train, log, n_worst, resamples, seed, gpu_id)
    setup_gpu(gpu_id, silent=gpu_id < 0)
    try:
        check_plot_path(output.with_suffix(".svg"))
        curves = None if log is None else read_log(log)
        seen = None if train is None else SeenInTraining(*read_training_words(train))
        nlp = _load(model)
        page = make_page(nlp, evaluate(nlp, corpus), request, seen, curves)
    except (PlotsMissingError, CorpusError, LogError) as error:
        msg.fail("No report was written.", str(error), exits=1)
    except KeyboardInterrupt:
        msg.warn("Stopped: no report was written.")
        raise typer.Exit(INTERRUPTED) from None
    with written_whole(output) as draft:
        draft.write_text(page, encoding="utf8")
    msg.good(f"Wrote {output}")


def _load(model: str) -> Language:
    try:
        return spacy.load(model)
    except OSError as error:
        msg.fail("No report was written.", str(error), exits=1)
        raise AssertionError from error
