"""`spacy bilstm compare corpus`: compare encoders on a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ...experiments import draw_trade_off, make_corpus_task
from ...experiments.corpus_task import SCORES
from .options import Training, parse_choices, with_training_options
from .running import run_comparison


@with_training_options(width=128, steps=1000)
def corpus(
    training: Training,
    train: Annotated[Path, typer.Option("--train", help="The .spacy file to train on", exists=True, dir_okay=False)],
    dev: Annotated[Path, typer.Option("--dev", help="The .spacy file to score on", exists=True, dir_okay=False)],
    pipes: Annotated[
        str | None, typer.Option(help=f"Components to train, from {','.join(SCORES)}; default: all with annotation")
    ] = None,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Code of the corpus's language, such as en")] = "en",
    dropout: Annotated[float, typer.Option(help="Rate of dropout in training", min=0.0, max=0.9)] = 0.1,
) -> None:
    """Compare encoders on a corpus.

    Tagger, morphologizer and entity recogniser share one embedding and one encoder. The command trains those that the
    corpus has annotation for.
    """
    variants = training.parse_variants()
    chosen = None if pipes is None else parse_choices(pipes, "--pipes", list(SCORES))
    try:
        task = make_corpus_task(train, dev, chosen, lang, dropout)
    except (ValueError, ImportError) as error:
        msg.fail("Can't use the corpus.", str(error), exits=1)
    run_comparison(task, variants, draw_trade_off, training)
