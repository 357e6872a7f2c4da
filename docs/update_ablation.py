"""Train what docs/ablation.md compares, and put the results into the page's tables; from the project's folder.

python docs/update_ablation.py ewt --train corpus/ewt/train.spacy --dev corpus/ewt/dev.spacy
python docs/update_ablation.py ewt --train ... --dev ... --row "no characters" --seeds 1

A table is a corpus. What was trained before, with the same steps, is in metrics/ablation-NAME.json and is not trained
again, so Ctrl-C loses no more than the run that it stops.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from thinc.api import Config

PAGE = Path(__file__).parent / "ablation.md"
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
# What each row changes in the recipe.
ROWS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "dropout of 0.4": {"training.dropout": 0.4},
    "dropout of 0.4, means of hashed rows": {"training.dropout": 0.4, EMBED + "hash_pooling": "mean"},
    "no dropout": {"training.dropout": 0.0},
    "no identity dropout": {EMBED + "identity_dropout": 0.0},
    "spaCy's transition-based `ner` for the CRF": {"components.ner": TRANSITION_BASED},
    "no constraints": {},
    "no characters": {EMBED + "char_encoder": None},
    "a second layer, residual": {ENCODE + "depth": 2, ENCODE + "residual": True},
    "static vectors": {EMBED + "include_static_vectors": True},
    "no clipping by the global norm": {"training.optimizer.max_norm": 1e9},
    "recurrent dropout of 0.3": {ENCODE + "recurrent_dropout": 0.3},
    "no names in each other's places": {"training.batcher.swap_entities": 0.0},
    "no label smoothing": {"components.morphologizer.label_smoothing": 0.0},
    "no averages of weights": {"training.optimizer.use_averages": False},
}
# Rows that change code: no config turns constraints off.
CODE = {"no constraints": Path(__file__).parent / "unconstrained.py"}
SCORES = {"pos_acc": "UPOS", "ents_f": "NER F"}


def make_config(row: str, folder: Path, arguments: argparse.Namespace) -> Path:
    """Write the recipe's config with what a row changes."""
    path = folder / "config.cfg"
    pipeline = ",".join(arguments.pipeline)
    command = ["init-config", str(path), "--lang", "en", "--pipeline", pipeline, "--optimize", arguments.optimize]
    subprocess.run([sys.executable, "-m", "spacy_bilstm", *command], check=True, stdout=subprocess.DEVNULL)
    config = Config().from_disk(path, interpolate=False)
    for name, value in ROWS[row].items():
        *sections, last = name.split(".")
        block: Any = config
        for section in sections:
            block = block[section]
        block[last] = value
    config.to_disk(path)
    return path


def train(row: str, seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Train a row with a seed and give the scores of its last step on the dev set."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        steps = str(arguments.steps)
        overrides = {
            "paths.train": arguments.train,
            "paths.dev": arguments.dev,
            "corpora.train.gold_preproc": "true",
            "corpora.dev.gold_preproc": "true",
            "system.seed": str(seed),
            "training.max_steps": steps,
            "training.eval_frequency": steps,
            "training.patience": "0",
            "training.optimizer.learn_rate.total_steps": steps,
        }
        if "static" in row:
            overrides["paths.vectors"] = arguments.vectors
        code = ["--code", str(CODE[row])] if row in CODE else []
        options = [part for key, value in overrides.items() for part in ("--" + key, value)]
        command = ["train", str(make_config(row, folder, arguments)), "--output", name, *options, *code]
        subprocess.run([sys.executable, "-m", "spacy", *command], check=True, stdout=subprocess.DEVNULL)
        performance = json.loads((folder / "model-last" / "meta.json").read_text(encoding="utf8"))["performance"]
        return {score: performance[score] for score in SCORES if score in performance}


def describe(values: list[float]) -> str:
    """Give the mean of scores and their standard deviation, in points."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{spread}"


def make_table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    """Give the page's table of all rows that have results."""
    by_row = {row: list(results[row].values()) for row in ROWS if results.get(row)}
    scores = [score for score in SCORES if all(score in run for runs in by_row.values() for run in runs)]
    lines = ["| | " + " | ".join(SCORES[score] for score in scores) + " | seeds |", "|---" * (len(scores) + 2) + "|"]
    for row, runs in by_row.items():
        cells = [describe([run[score] for run in runs]) for score in scores]
        lines.append(f"| {row} | " + " | ".join(cells) + f" | {len(runs)} |")
    return "\n".join(lines)


def write_page(name: str, table: str) -> None:
    """Put a table in its place in the page."""
    start, end = f"<!-- table: {name} -->", "<!-- end table -->"
    page = PAGE.read_text(encoding="utf8")
    if start not in page:
        sys.exit(f"{PAGE} has no place for the table '{name}': {start} ... {end}")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: f"{start}\n\n{table}\n\n{end}", page), encoding="utf8")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the table to fill")
    parser.add_argument("--train", required=True, help="training corpus, a .spacy file")
    parser.add_argument("--dev", required=True, help="corpus to score on")
    parser.add_argument("--vectors", help="pipeline with static vectors, for the row that has them")
    parser.add_argument("--pipeline", type=lambda names: names.split(","), default=["morphologizer", "ner"])
    parser.add_argument("--optimize", default="efficiency", help="the recipe")
    parser.add_argument("--steps", type=int, default=1000, help="steps of each training")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0 on")
    parser.add_argument("--row", action="append", choices=list(ROWS), help="only these rows")
    return parser.parse_args()


def main() -> None:
    """Train what is missing, seed by seed, and write the table after each run."""
    arguments = read_arguments()
    store = Path("metrics") / f"ablation-{arguments.name}.json"
    key = f"{arguments.optimize}, {arguments.steps} steps"
    every: dict[str, Any] = json.loads(store.read_text(encoding="utf8")) if store.exists() else {}
    results = every.setdefault(key, {})
    rows = arguments.row or [row for row in ROWS if arguments.vectors or "static" not in row]
    if "ner" not in arguments.pipeline:
        rows = [row for row in rows if "components.ner" not in ROWS[row]]
    if "morphologizer" not in arguments.pipeline:
        rows = [row for row in rows if not any("morphologizer" in name for name in ROWS[row])]
    for seed in range(arguments.seeds):
        for row in rows:
            runs = results.setdefault(row, {})
            if str(seed) not in runs:
                runs[str(seed)] = train(row, seed, arguments)
                print(f"{row}, seed {seed}: {runs[str(seed)]}", flush=True)
                store.parent.mkdir(exist_ok=True)
                store.write_text(json.dumps(every, indent=1), encoding="utf8")
                write_page(arguments.name, make_table(results))


if __name__ == "__main__":
    main()
