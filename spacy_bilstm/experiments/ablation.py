"""Train the recipe with one change at a time and write the scores into docs/ablation.md.

Run it in the project's folder. Each table of the page has the name of a corpus:

python -m spacy_bilstm.experiments.ablation ewt --train corpus/ewt/train.spacy --dev corpus/ewt/dev.spacy
python -m spacy_bilstm.experiments.ablation ewt --train ... --dev ... --row "no characters" --seeds 1

The scores are stored in metrics/ablation-NAME.json after each training, and trainings stored there are not repeated. So
the same command continues after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from thinc.api import Config

from ..recipes import make_config
from .results import read_store, write_store

PAGE = Path("docs/ablation.md")
EMBED, ENCODE = "components.tok2vec.model.embed.", "components.tok2vec.model.encode."
TRANSITION_BASED: dict[str, Any] = {
    "factory": "ner",
    "model": {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": True,
        "tok2vec": {
            "@architectures": "spacy.Tok2VecListener.v1",
            "width": "${components.tok2vec.model.encode.width}",
        },
    },
}
CNN: dict[str, Any] = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    "width": "${components.tok2vec.model.embed.width}",
    "window_size": 1,
    "maxout_pieces": 3,
    "depth": 4,
}
STATIC_VECTORS = "static vectors"
NO_CONSTRAINTS = "no constraints"
ROWS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "dropout of 0.4": {"training.dropout": 0.4},
    "dropout of 0.4, means of hashed rows": {"training.dropout": 0.4, EMBED + "hash_pooling": "mean"},
    "no dropout": {"training.dropout": 0.0},
    "no identity dropout": {EMBED + "identity_dropout": 0.0},
    "spaCy's transition-based `ner` for the CRF": {"components.ner": TRANSITION_BASED},
    "spaCy's CNN for the BiLSTM": {"components.tok2vec.model.encode": CNN},
    NO_CONSTRAINTS: {},  # No setting turns them off: see `UNCONSTRAINED`.
    "no characters": {EMBED + "char_encoder": None},
    "a second layer, residual": {ENCODE + "depth": 2, ENCODE + "residual": True},
    STATIC_VECTORS: {EMBED + "include_static_vectors": True},
    "no clipping by the global norm": {"training.optimizer.max_norm": 1e9},
    "recurrent dropout of 0.3": {ENCODE + "recurrent_dropout": 0.3},
    "no swapped names": {"training.batcher.swap_entities": 0.0},
    "no label smoothing": {"components.morphologizer.label_smoothing": 0.0},
    "no averaged weights": {"training.optimizer.use_averages": False},
}
"""The settings that each row of the table changes in the recipe."""

UNCONSTRAINED = "from spacy_bilstm.experiments.unconstrained import remove_constraints\n\nremove_constraints()\n"
"""The code that `spacy train --code` runs for the row without constraints."""

SCORES = {"pos_acc": "UPOS", "ents_f": "NER F"}
"""The scores and their columns in the table."""

Runs = dict[str, dict[str, float]]
"""The scores of the trainings of a row, by seed."""


@dataclass(frozen=True)
class Ablation:
    """What all trainings of a table have in common.

    train, dev: paths of the `.spacy` files to train on and to score on.
    vectors: path or package of a pipeline with static vectors, or None.
    pipeline: the components: `"morphologizer"`, `"ner"` or both.
    optimize: the recipe.
    steps: number of batches of each training.
    """

    train: str
    dev: str
    vectors: str | None = None
    pipeline: Sequence[str] = ("morphologizer", "ner")
    optimize: str = "efficiency"
    steps: int = 1000

    def select(self, rows: Sequence[str]) -> list[str]:
        """Return the rows whose changes apply to the pipeline."""
        missing = {"ner", "morphologizer"} - set(self.pipeline)
        return [row for row in rows if not any(name.split(".")[1] in missing for name in ROWS[row])]


def run_ablation(
    ablation: Ablation,
    store: Path,
    rows: Sequence[str],
    seeds: Sequence[int],
    on_run: Callable[[str, int, Mapping[str, Runs]], object] = lambda row, seed, results: None,
) -> dict[str, Runs]:
    """Train each row with each seed, unless the store has the scores already.

    ablation: what all trainings have in common.
    store: the JSON file to read and to write after each training.
    rows: the rows to train: keys of `ROWS`.
    seeds: the seeds to train each row with.
    on_run: called after each training with its row, its seed and all results.
    RETURNS: the scores of all trainings in the store with the same recipe and steps, by row and seed.
    RAISES: OtherSettingsError if the store holds results of other versions of the packages, or something else.
    """
    stored = read_store(store)
    results: dict[str, Runs] = stored.setdefault(f"{ablation.optimize}, {ablation.steps} steps", {})
    for seed in seeds:
        for row in rows:
            runs = results.setdefault(row, {})
            if str(seed) not in runs:
                runs[str(seed)] = train_row(row, seed, ablation)
                write_store(store, stored)
                on_run(row, seed, results)
    return results


def train_row(row: str, seed: int, ablation: Ablation) -> dict[str, float]:
    """Train a row with `spacy train` and return the scores of its last step.

    row: a key of `ROWS`.
    seed: the seed.
    ablation: what all trainings have in common.
    RETURNS: the scores of `SCORES` that the pipeline has, from 0 to 1.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        config = make_config("en", ablation.pipeline, ablation.optimize)
        change_config(config, row)
        config.to_disk(folder / "config.cfg", interpolate=False)
        steps = str(ablation.steps)
        overrides = {
            "paths.train": ablation.train,
            "paths.dev": ablation.dev,
            "corpora.train.gold_preproc": "true",
            "corpora.dev.gold_preproc": "true",
            "system.seed": str(seed),
            "training.max_steps": steps,
            "training.eval_frequency": steps,
            "training.patience": "0",
            "training.optimizer.learn_rate.total_steps": steps,
        }
        if row == STATIC_VECTORS and ablation.vectors is not None:
            overrides["paths.vectors"] = ablation.vectors
        options = [part for key, value in overrides.items() for part in (f"--{key}", value)]
        if row == NO_CONSTRAINTS:
            (folder / "unconstrained.py").write_text(UNCONSTRAINED, encoding="utf8")
            options += ["--code", str(folder / "unconstrained.py")]
        command = ["spacy", "train", str(folder / "config.cfg"), "--output", name, *options]
        subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL)
        performance = json.loads((folder / "model-last" / "meta.json").read_text(encoding="utf8"))["performance"]
        return {score: performance[score] for score in SCORES if score in performance}


def change_config(config: Config, row: str) -> None:
    """Make the changes of a row in the recipe's config.

    config: the config, which is changed.
    row: a key of `ROWS`.
    """
    for name, value in ROWS[row].items():
        *sections, last = name.split(".")
        block: Any = config
        for section in sections:
            block = block[section]
        block[last] = value


def make_table(results: Mapping[str, Runs]) -> str:
    """Make the Markdown table of all rows that have results.

    results: the scores by row and seed.
    RETURNS: the table, with means and standard deviations over seeds in per cent.
    """
    by_row = {row: list(results[row].values()) for row in ROWS if results.get(row)}
    scores = [score for score in SCORES if all(score in run for runs in by_row.values() for run in runs)]
    lines = ["| | " + " | ".join(SCORES[score] for score in scores) + " | seeds |", "|---" * (len(scores) + 2) + "|"]
    for row, runs in by_row.items():
        cells = [_describe([run[score] for run in runs]) for score in scores]
        lines.append(f"| {row} | " + " | ".join(cells) + f" | {len(runs)} |")
    return "\n".join(lines)


def write_table(page: Path, name: str, table: str) -> None:
    """Replace a table of a page.

    page: a Markdown file.
    name: the name of the table. It is between the comments `<!-- table: NAME -->` and `<!-- end table -->`.
    table: the new table.
    RAISES: ValueError if the page has no table with this name.
    """
    start, end = f"<!-- table: {name} -->", "<!-- end table -->"
    text = page.read_text(encoding="utf8")
    if start not in text:
        raise ValueError(f"{page} has no table '{name}'. Add the lines {start} and {end} to the page.")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{start}\n\n{table}\n\n{end}", text), encoding="utf8")


def _describe(values: Sequence[float]) -> str:
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"


def main() -> None:
    """Read the command line, train what is missing, and write the table after each training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the table to write")
    parser.add_argument("--train", required=True, help=".spacy file to train on")
    parser.add_argument("--dev", required=True, help=".spacy file to score on")
    parser.add_argument("--vectors", help="pipeline with static vectors, for the row with them")
    parser.add_argument("--pipeline", type=lambda names: names.split(","), default=["morphologizer", "ner"])
    parser.add_argument("--optimize", default="efficiency", help="the recipe")
    parser.add_argument("--steps", type=int, default=1000, help="number of batches of each training")
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings of each row")
    parser.add_argument("--row", action="append", choices=list(ROWS), help="a row to train; default: all")
    given = parser.parse_args()
    ablation = Ablation(given.train, given.dev, given.vectors, given.pipeline, given.optimize, given.steps)

    def show(row: str, seed: int, results: Mapping[str, Runs]) -> None:
        print(f"{row}, seed {seed}: {results[row][str(seed)]}", flush=True)
        write_table(PAGE, given.name, make_table(results))

    rows = ablation.select(given.row or [row for row in ROWS if given.vectors or row != STATIC_VECTORS])
    try:
        run_ablation(ablation, Path("metrics") / f"ablation-{given.name}.json", rows, range(given.seeds), show)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
