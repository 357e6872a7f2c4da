"""The comparison of encoders on a task: trains each variant with each seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from .results import Comparison, Run
from .tasks import Task
from .training import Hyperparameters, train
from .variants import Variant, build_encoder


def compare(
    task: Task,
    variants: Sequence[Variant],
    *,
    width: int = 64,
    steps: int = 300,
    learn_rate: float = 0.003,
    seeds: Sequence[int] = range(3),
    output: Path | None = None,
    progress: bool = False,
    on_run: Callable[[Run], object] | None = None,
) -> Comparison:
    """Train spaCy pipelines that differ in the encoder only, and score them.

    Runs that the output file holds already are not repeated. Ctrl-C stops the comparison and keeps the finished runs:
    the result then has `missing` ones, and the same call with the same output file continues.

    task: what the pipelines are trained on and scored by, such as `make_long_gap_task()`.
    variants: the encoders, such as those of `make_variants`.
    width: width of the embedding and of each encoder's output.
    steps: number of batches of each training.
    learn_rate: the learning rate after the warm-up. It then falls linearly to 0 at the last step.
    seeds: the seeds to train each variant with.
    output: the JSON file to continue and to write after each run.
    progress: whether to show a progress bar, if standard error is a terminal.
    on_run: called with each new run.
    RETURNS: the runs and their summaries.
    RAISES: ValueError if an encoder can't have this width; OtherSettingsError if the file holds other results.
    """
    for variant in variants:
        build_encoder(variant, width)
    hyperparameters = Hyperparameters(task.embed, width, steps, learn_rate, task.dropout, task.lang)
    settings = {**task.settings, **asdict(hyperparameters), "threads": torch.get_num_threads()}
    comparison = Comparison(task.name, settings, variants, seeds, task.chances, output)
    comparison.save()  # A file that can't be written is an error before the first training.

    def train_one(variant: Variant, seed: int, on_step: Callable[[], object]) -> Run:
        return train(variant, task, hyperparameters, seed, on_step)

    train_missing(comparison, hyperparameters.steps, train_one, progress, on_run)
    return comparison


def train_missing(
    comparison: Comparison,
    steps: int,
    train_one: Callable[[Variant, int, Callable[[], object]], Run],
    progress: bool,
    on_run: Callable[[Run], object] | None,
) -> None:
    """Add the missing runs to a comparison, until Ctrl-C.

    comparison: the comparison.
    steps: number of steps of each run, for the progress bar.
    train_one: makes the run of a variant and a seed, and calls its last argument after each step.
    progress, on_run: as for `compare`.

    All variants run with the first seed before any runs with the second: a comparison that stops early then has all of
    them, and a change in the machine's speed affects all equally.
    """
    missing = comparison.missing
    total = len(missing) * steps
    with tqdm(total=total, unit="step", disable=None if progress else True, dynamic_ncols=True) as bar:
        try:
            for variant, seed in missing:
                bar.set_description(f"{variant.name}, seed {seed}")
                run = train_one(variant, seed, bar.update)
                comparison.add(run)
                if on_run is not None:
                    on_run(run)
        except KeyboardInterrupt:
            pass
