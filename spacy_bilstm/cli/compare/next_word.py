"""`spacy bilstm compare next-word`: how far back language models look for the word that decides the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from tqdm import tqdm
from wasabi import msg

from ...experiments import (
    OtherSettingsError,
    Run,
    compare_next_word,
    make_generated_task,
    make_next_word_table,
    make_raw_text_task,
)
from ...experiments.next_word import MIN_DISTANCE
from .options import (
    Cells,
    Depths,
    LearnRate,
    Output,
    Seeds,
    Steps,
    TablePath,
    Threads,
    Width,
    parse_numbers,
    parse_variants,
)
from .running import show_end, show_table

TextPath = Annotated[
    Path | None,
    typer.Option(help="Raw text instead of generated text: JSONL, .spacy or a text in each line", exists=True),
]
Distances = Annotated[
    str | None, typer.Option(help="Distances in words [4,10,20,50; with --text 1,2,5,10,20,50]", show_default=False)
]


def next_word(
    text: TextPath = None,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code of the raw text")] = "en",
    distances: Distances = None,
    cells: Cells = "rnn,gru,lstm",
    depths: Depths = "1",
    width: Width = 64,
    steps: Steps = 1000,
    learn_rate: LearnRate = 0.005,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    table: TablePath = None,
) -> None:
    """Probe how far back language models look for the word that decides the next one.

    On generated text, the distance is that of the word that decides the last one: "the clouds are in the sky", or "I
    grew up in France ... and I speak French". On raw text, it is the number of words that a model may read before the
    one that it predicts; what it gains from 20 words to 50 is what words at this distance decide.

    The models read forward only. Perplexity is the number of equally probable words that would be as hard to guess.
    """
    variants = parse_variants(cells, "1", "concat", depths, False, width)
    try:
        if text is None:
            numbers = parse_numbers(distances or "4,10,20,50", "--distances", MIN_DISTANCE)
            task = make_generated_task(numbers)
        else:
            numbers = parse_numbers(distances or "1,2,5,10,20,50", "--distances", 1)
            task = make_raw_text_task(text, numbers, lang=lang)
        torch.set_num_threads(threads)
        comparison = compare_next_word(
            task,
            variants,
            width=width,
            steps=steps,
            learn_rate=learn_rate,
            seeds=range(seeds),
            output=output,
            progress=True,
            on_run=_show_run,
        )
    except (ValueError, OSError, OtherSettingsError) as error:
        msg.fail("Nothing was trained.", str(error), exits=1)
    if comparison.runs:
        show_table(make_next_word_table(comparison), table)
    show_end(comparison)


def _show_run(run: Run) -> None:
    tqdm.write(
        f"{run.variant.name}, seed {run.seed}: perplexity {run.scores['perplexity all']:.1f} of all words "
        f"({run.train_seconds:.0f} s of training)"
    )
