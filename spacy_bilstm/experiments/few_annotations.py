"""Train with part of the annotation and knowledge from raw text, and write the curves of docs/few-annotations.md.

Run it in the project's folder. The first command makes what trainings share, the second trains all that is missing, and
the third only writes the table and the plot:

python -m spacy_bilstm.experiments.few_annotations ewt --train corpus/ewt/train.spacy --dev corpus/ewt/dev.spacy \
    --raw raw.jsonl --vectors own-vectors --prepare
python -m spacy_bilstm.experiments.few_annotations ewt --train ... --dev ... --raw ... --vectors ... --seeds 3
python -m spacy_bilstm.experiments.few_annotations ewt --write

Each training is a process of its own with one thread: `--variant`, `--percent` and `--seed` select some of them, so
several commands can run at once, and `--list` prints a command for each one that is missing. The scores are stored in
metrics/few-annotations-NAME after each training, and trainings stored there are not repeated.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import spacy
import srsly
from spacy.tokens import DocBin
from thinc.api import Config

from ..distillation import distill
from ..recipes import add_pretraining, make_config
from ..util.docbin import read_docs
from ..util.files import atomic_write, replace_directory
from ..util.plots import new_figure, save_figure
from .ablation import write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = Path("docs/few-annotations.md")
PERCENTS = (1, 3, 10, 30, 100)
SCORES = {"pos_acc": "UPOS", "ents_f": "entity F"}
"""The scores and their names in tables and plots."""


@dataclass(frozen=True)
class Variant:
    """What a training knows besides its annotation.

    pretrained: whether the tok2vec is pretrained on the raw text.
    vectors: whether there are static vectors, which were trained on the raw text.
    teachers: number of pipelines of the recipe `accuracy`, trained on the same annotation, that annotate the raw text;
        with several, their probabilities are averaged. 0 for a training on the annotation alone.
    """

    pretrained: bool = False
    vectors: bool = False
    teachers: int = 0


VARIANTS = {
    "nothing": Variant(),
    "pretrained": Variant(pretrained=True),
    "own vectors": Variant(vectors=True),
    "pretrained, own vectors": Variant(pretrained=True, vectors=True),
    "self-trained": Variant(teachers=1),
    "ensemble-distilled": Variant(teachers=3),
    "all": Variant(pretrained=True, vectors=True, teachers=3),
}


@dataclass(frozen=True)
class Experiment:
    """What all trainings of a corpus have in common.

    name: name of the corpus, in the names of files.
    train, dev: `.spacy` files to train on and to score on.
    raw: raw text in JSONL.
    vectors: a pipeline with the vectors that were trained on it, or None to leave out the variants with vectors.
    pipeline: the components.
    steps: number of batches of a training on the whole corpus.
    pretraining_epochs: number of epochs of the raw text.
    student_steps: number of batches of a student; None for the number that fits the raw text.
    work: folder for pretrained weights and teachers.
    """

    name: str
    train: Path
    dev: Path
    raw: Path
    vectors: str | None = None
    pipeline: Sequence[str] = ("morphologizer", "ner")
    steps: int = 2000
    pretraining_epochs: int = 3
    student_steps: int | None = None
    work: Path = Path("training/few-annotations")

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return get_results(self.name)

    def find_variants(self) -> list[str]:
        """Return the names of the variants that the experiment has the data for."""
        return [name for name, variant in VARIANTS.items() if self.vectors is not None or not variant.vectors]

    def count_steps(self, percent: int) -> int:
        """Return the number of batches for a part of the corpus, in proportion to the root of its size."""
        return max(min(200, self.steps), round(self.steps * math.sqrt(percent / 100)))


def get_results(name: str) -> Path:
    """Return the folder of the results of a corpus."""
    return Path("metrics") / f"few-annotations-{name}"


@dataclass(frozen=True)
class Run:
    """A training of the experiment.

    variant: a key of `VARIANTS`.
    percent: the part of the training documents, 1 to 100.
    seed: the seed of the training, and of the choice of the documents.
    """

    variant: str
    percent: int
    seed: int

    @property
    def file_name(self) -> str:
        """The name of the file of its scores."""
        return f"{self.variant.replace(', ', '+').replace(' ', '-')}.{self.percent}.{self.seed}.json"


def run(experiment: Experiment, selected: Run) -> dict[str, float]:
    """Train and score, unless the results have the scores already.

    experiment: what all trainings have in common.
    selected: the training.
    RETURNS: the scores of `SCORES` that the pipeline has, from 0 to 1.
    """
    path = experiment.results / selected.file_name
    if path.exists():
        stored: dict[str, float] = json.loads(path.read_text(encoding="utf8"))["scores"]
        return stored
    variant = VARIANTS[selected.variant]
    with TemporaryDirectory() as name:
        folder = Path(name)
        part = folder / "train.spacy"
        select_part(experiment.train, selected.percent, selected.seed).to_disk(part)
        scores = (
            _distill(experiment, selected, part, folder)
            if variant.teachers
            else _train(experiment, selected, variant, part, folder / "model", experiment.count_steps(selected.percent))
        )
    with atomic_write(path) as draft:
        srsly.write_json(draft, {**asdict(selected), "scores": scores})
    return scores


def select_part(train: Path, percent: int, seed: int) -> DocBin:
    """Choose documents at random. A larger part contains each smaller one.

    train: the `.spacy` file to choose from.
    percent: the part of its documents, 1 to 100.
    seed: the seed of the choice.
    """
    docs = list(read_docs(train, spacy.blank("en").vocab))
    random.Random(seed).shuffle(docs)
    return DocBin(docs=docs[: max(1, round(len(docs) * percent / 100))], store_user_data=True)


def prepare(experiment: Experiment, variants: Sequence[str]) -> None:
    """Pretrain what variants need, unless it exists already.

    experiment: what all trainings have in common.
    variants: keys of `VARIANTS`.
    """
    for name in variants:
        if VARIANTS[name].pretrained:
            _pretrain(experiment, experiment.vectors if VARIANTS[name].vectors else None)


def read_results(name: str) -> dict[tuple[str, int], list[dict[str, float]]]:
    """Read the scores of all stored trainings.

    name: the name of the corpus.
    RETURNS: the scores of each seed, by variant and percent, in the order of `VARIANTS` and `PERCENTS`.
    """
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for path in sorted(get_results(name).glob("*.json")):
        stored = json.loads(path.read_text(encoding="utf8"))
        found.setdefault((stored["variant"], stored["percent"]), []).append(stored["scores"])
    names = list(VARIANTS)
    return dict(sorted(found.items(), key=lambda item: (names.index(item[0][0]), item[0][1])))


def make_table(results: dict[tuple[str, int], list[dict[str, float]]]) -> str:
    """Make the Markdown table: a row for each variant, a column for each part and score.

    results: the result of `read_results`.
    """
    percents = sorted({percent for _, percent in results})
    blocks = []
    for score, title in SCORES.items():
        if not any(score in run for runs in results.values() for run in runs):
            continue
        lines = [f"| {title} | " + " | ".join(f"{percent} %" for percent in percents) + " |"]
        lines.append("|---" * (len(percents) + 1) + "|")
        for variant in dict.fromkeys(name for name, _ in results):
            cells = [_describe([run[score] for run in results.get((variant, percent), [])]) for percent in percents]
            lines.append(f"| {variant} | " + " | ".join(cells) + " |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def draw_curves(results: dict[tuple[str, int], list[dict[str, float]]]) -> Figure:
    """Draw the learning curves: a plot for each score, a line for each variant.

    results: the result of `read_results`, with at least one training.
    """
    scores = [score for score in SCORES if any(score in run for runs in results.values() for run in runs)]
    figure, plots = new_figure(len(scores), width=4.6)
    percents = sorted({percent for _, percent in results})
    for axes, score in zip(plots, scores, strict=True):
        for variant in dict.fromkeys(name for name, _ in results):
            measured = [percent for percent in percents if (variant, percent) in results]
            values = [[100 * run[score] for run in results[variant, percent]] for percent in measured]
            axes.errorbar(
                measured,
                [statistics.mean(seeds) for seeds in values],
                [statistics.stdev(seeds) if len(seeds) > 1 else 0.0 for seeds in values],
                marker="o",
                markersize=4,
                capsize=3,
                label=variant if axes is plots[0] else None,
            )
        axes.set_xscale("log")
        axes.set_xticks(percents, labels=[f"{percent} %" for percent in percents])
        axes.minorticks_off()
        axes.set_xlabel("part of the annotated sentences")
        axes.set_ylabel(f"{SCORES[score]}, %")
    figure.legend(loc="outside right center")
    return figure


def write(name: str, page: Path = PAGE) -> None:
    """Write the table into the page, and the plot beside it.

    name: the name of the corpus, which is that of the table in the page.
    page: the page, which has a table of this name, as for `ablation.write_table`.
    RAISES: ValueError if there are no results, or if the page has no table of this name.
    """
    results = read_results(name)
    if not results:
        raise ValueError(f"There are no results in {get_results(name)}. Train first.")
    write_table(page, name, make_table(results))
    save_figure(draw_curves(results), page.parent / "images" / f"few-annotations-{name}.svg")


def _describe(values: Sequence[float]) -> str:
    if not values:
        return ""
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"


def _pretrain(experiment: Experiment, vectors: str | None) -> Path:
    """Return the weights that are pretrained on the raw text, and make them if they do not exist."""
    folder = experiment.work / f"pretrained{'-vectors' if vectors else ''}-{experiment.pretraining_epochs}"
    weights = folder / f"model{experiment.pretraining_epochs - 1}.bin"
    if not weights.exists():
        with replace_directory(folder) as draft:
            draft.mkdir(parents=True)
            config = add_pretraining(make_config("en", list(experiment.pipeline), vectors=vectors), str(experiment.raw))
            config.to_disk(draft / "config.cfg", interpolate=False)
            epochs = str(experiment.pretraining_epochs)
            _call("pretrain", draft / "config.cfg", draft, "--pretraining.max_epochs", epochs, "--skip-last")
    return weights


def _make_config(experiment: Experiment, variant: Variant, optimize: str) -> Config:
    vectors = experiment.vectors if variant.vectors else None
    config = make_config("en", list(experiment.pipeline), optimize, vectors=vectors)
    if variant.pretrained:
        config = add_pretraining(config, str(experiment.raw), str(_pretrain(experiment, vectors)))
    return config


def _train(
    experiment: Experiment,
    selected: Run,
    variant: Variant,
    part: Path,
    output: Path,
    steps: int,
    optimize: str = "efficiency",
    seed: int | None = None,
) -> dict[str, float]:
    """Train a pipeline on annotation alone and return the scores of its last step."""
    config = _make_config(experiment, variant, optimize)
    config.to_disk(output.with_suffix(".cfg"), interpolate=False)
    settings = {
        "paths.train": part,
        "paths.dev": experiment.dev,
        "corpora.train.gold_preproc": "true",
        "corpora.dev.gold_preproc": "true",
        "system.seed": selected.seed if seed is None else seed,
        **_limit_steps(steps),
    }
    options = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    _call("train", output.with_suffix(".cfg"), "--output", output, *options)
    performance = json.loads((output / "model-last" / "meta.json").read_text(encoding="utf8"))["performance"]
    return {score: performance[score] for score in SCORES if score in performance}


def _limit_steps(steps: int) -> dict[str, Any]:
    """Return the settings for a number of steps without early stopping."""
    return {
        "training.max_steps": steps,
        "training.eval_frequency": steps,
        "training.patience": 0,
        "training.optimizer.learn_rate.warmup_steps": steps // 10,
        "training.optimizer.learn_rate.total_steps": steps,
    }


def _distill(experiment: Experiment, selected: Run, part: Path, folder: Path) -> dict[str, float]:
    """Train teachers on the annotation, and a student on the raw text that they annotate."""
    variant = VARIANTS[selected.variant]
    teachers = []
    for i in range(variant.teachers):
        output = folder / f"teacher-{i}"
        own = Variant(vectors=variant.vectors)
        steps = 2 * experiment.count_steps(selected.percent)
        _train(experiment, selected, own, part, output, steps, "accuracy", 100 * i + selected.seed)
        teachers.append(output / "model-last")
    config = _make_config(experiment, variant, "efficiency")
    config["training"]["batcher"]["swap_entities"] = 0.0
    steps = experiment.student_steps or 4 * experiment.steps
    overrides = {"system.seed": selected.seed, **_limit_steps(steps)}
    result = distill(
        teachers,
        experiment.raw,
        folder / "student",
        gold=part,
        dev=experiment.dev,
        config=config,
        annotations=folder / "annotations",
        overrides=overrides,
    )
    found = result.scores or {}
    return {score: found[score] for score in SCORES if score in found}


def _call(command: str, *arguments: object) -> None:
    """Run a command of spaCy in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "spacy", command, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL
    )


def _find_missing(experiment: Experiment, variants: Sequence[str], runs: Iterator[Run]) -> list[Run]:
    return [run for run in runs if run.variant in variants and not (experiment.results / run.file_name).exists()]


def main() -> None:
    """Read the command line, train what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the corpus, and of the table in the page")
    parser.add_argument("--train", type=Path, help=".spacy file to train on")
    parser.add_argument("--dev", type=Path, help=".spacy file to score on")
    parser.add_argument("--raw", type=Path, help="raw text in JSONL")
    parser.add_argument("--vectors", help="pipeline with static vectors trained on the raw text")
    parser.add_argument("--pipeline", type=lambda names: names.split(","), default=["morphologizer", "ner"])
    parser.add_argument("--steps", type=int, default=2000, help="batches of a training on the whole corpus")
    parser.add_argument("--pretraining-epochs", type=int, default=3)
    parser.add_argument("--student-steps", type=int, help="batches of a student; default: four times --steps")
    parser.add_argument("--work", type=Path, default=Path("training/few-annotations"))
    parser.add_argument("--variant", action="append", choices=list(VARIANTS), help="default: all")
    parser.add_argument("--percent", action="append", type=int, help="default: 1, 3, 10, 30 and 100")
    parser.add_argument("--seed", action="append", type=int, help="default: 0 to --seeds - 1")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--prepare", action="store_true", help="only pretrain")
    parser.add_argument("--list", action="store_true", help="only print the commands of the missing trainings")
    parser.add_argument("--write", action="store_true", help="only write the table and the plot")
    given = parser.parse_args()
    try:
        if given.write:
            write(given.name)
            return
        if None in (given.train, given.dev, given.raw):
            parser.error("--train, --dev and --raw are needed, except with --write.")
        experiment = Experiment(
            given.name,
            given.train,
            given.dev,
            given.raw,
            given.vectors,
            given.pipeline,
            given.steps,
            given.pretraining_epochs,
            given.student_steps,
            given.work,
        )
        variants = given.variant or experiment.find_variants()
        if given.prepare:
            prepare(experiment, variants)
            return
        seeds = given.seed or range(given.seeds)
        percents = given.percent or PERCENTS
        runs = (Run(variant, percent, seed) for seed in seeds for percent in percents for variant in VARIANTS)
        for selected in _find_missing(experiment, variants, runs):
            if given.list:
                print(_make_command(selected))
            else:
                print(f"{selected.variant}, {selected.percent} %, seed {selected.seed}:", flush=True)
                print(f"  {run(experiment, selected)}", flush=True)
    except ValueError as error:
        parser.error(str(error))


def _make_command(selected: Run) -> str:
    """Return the command of one training, with the options of this process."""
    skipped = {"--variant", "--percent", "--seed", "--seeds"}
    arguments, options = [], iter(sys.argv[1:])
    for word in options:
        if word in skipped:
            next(options)
        elif word != "--list":
            arguments.append(word)
    arguments += ["--variant", selected.variant, "--percent", str(selected.percent), "--seed", str(selected.seed)]
    return f"python -m spacy_bilstm.experiments.few_annotations {shlex.join(arguments)}"


if __name__ == "__main__":
    main()
