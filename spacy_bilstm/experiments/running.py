"""Many trainings, one after the other. What is missing in the results is trained; Ctrl-C keeps the rest."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from .results import Results, Run
from .tasks import Task
from .training import Recipe, train
from .variants import Variant


def run_missing(
    results: Results, variants: Sequence[Variant], seeds: Sequence[int], task: Task, recipe: Recipe
) -> bool:
    """Train each variant with each seed, unless the results have it already.

    All variants come with the first seed before any comes with the second, so that results stopped early compare all,
    and a machine's changing speed meets all alike.

    results: where each run is put as soon as it is done.
    variants, seeds: what is to be trained.
    task: what it is trained on.
    recipe: how.
    RETURNS: whether all is done; False after Ctrl-C.
    """
    missing = [(variant, seed) for seed in seeds for variant in variants if not results.has(variant, seed)]
    # Without a terminal there is no bar, but a line for each training.
    with tqdm(total=len(missing) * recipe.steps, unit="step", disable=None, dynamic_ncols=True) as progress:
        try:
            for variant, seed in missing:
                progress.set_description(f"{variant.name}, seed {seed}")
                run = train(variant, task, recipe, seed, progress.update)
                results.add(run)
                progress.write(_describe(run))
        except KeyboardInterrupt:
            return False
    return True


def _describe(run: Run) -> str:
    scores = ", ".join(f"{name} {100 * score:.1f}" for name, score in run.scores.items())
    return f"{run.variant.name}, seed {run.seed}: {scores} ({run.train_seconds:.0f} s of training)"
