"""Train with part of the annotation and knowledge from raw text, and write the curves of docs/few-annotations.md.

Run it in the project's folder. The first command makes what trainings share, the second trains all that is missing, and
the third only writes the table and the plot:

python -m spacy_bilstm.experiments.few_annotations ewt --train corpus/ewt/train.spacy --dev corpus/ewt/dev.spacy \
    --raw raw.jsonl --vectors own-vectors --prepare
python -m spacy_bilstm.experiments.few_annotations ewt --train ... --dev ... --raw ... --vectors ... --seeds 3
python -m spacy_bilstm.experiments.few_annotations ewt --write

`--variant`, `--percent` and `--seed` select some of the trainings. With `OMP_NUM_THREADS=1`, several commands can run
at once, and `--list` prints a command for each training that is missing. The scores are stored in
metrics/few-annotations-NAME after each training, with the settings and the versions of the packages. Trainings stored
there are not repeated. One table has the results of one version only.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Corpus
from thinc.api import Config

from ..distillation import distill
from ..recipes import add_pretraining, make_config
from ..util.docbin import read_docs
from ..util.files import atomic_write, replace_directory
from ..util.machine import get_versions
from .learning_curves import PERCENTS, SCORES, VARIANTS, Run, Variant, check_all_same, get_results, read_result, write


@dataclass(frozen=True)
class Experiment:
    """What all trainings of a corpus have in common.

    name: name of the corpus, in the names of files.
    train, dev: `.spacy` files to train on and to score on.
    raw: raw text in JSONL.
    vectors: a pipeline with the vectors that were trained on it, or None to leave out the variants with vectors.
    pipeline: the components.
    steps: number of batches of a training on the whole corpus, >= 1.
    pretraining_epochs: number of epochs of the raw text, >= 1.
    pretraining_texts: number of texts of the raw text to pretrain on, from its start, or 0 for all.
    student_steps: number of batches of a student, >= 1; None for four times `steps`.
    work: folder for pretrained weights and teachers, which later calls use again. Delete it after the corpus,
        the vectors or a version has changed.
    """

    name: str
    train: Path
    dev: Path
    raw: Path
    vectors: str | None = None
    pipeline: Sequence[str] = ("morphologizer", "ner")
    steps: int = 2000
    pretraining_epochs: int = 3
    pretraining_texts: int = 0
    student_steps: int | None = None
    work: Path = Path("training/few-annotations")

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return get_results(self.name)

    @property
    def settings(self) -> dict[str, Any]:
        """What results of one table must have in common, besides the versions of the packages."""
        return {
            "pipeline": list(self.pipeline),
            "steps": self.steps,
            "pretraining_epochs": self.pretraining_epochs,
            "pretraining_texts": self.pretraining_texts,
            "student_steps": self.student_steps,
        }

    def find_variants(self) -> list[str]:
        """Return the names of the variants that the experiment has the data for."""
        return [name for name, variant in VARIANTS.items() if self.vectors is not None or not variant.vectors]

    def count_steps(self, percent: int) -> int:
        """Return the number of batches for a part of the corpus, in proportion to the square root of its size.

        percent: the part, 1 to 100.
        RETURNS: the number of batches, at least 200, or `steps` if that is less.
        """
        return max(min(200, self.steps), round(self.steps * math.sqrt(percent / 100)))


def train_and_score(experiment: Experiment, selected: Run) -> dict[str, float]:
    """Train and score, unless the results have the scores already.

    experiment: what all trainings have in common.
    selected: the training.
    RETURNS: the scores of `SCORES` that the pipeline has, from 0 to 1.
    RAISES: OtherSettingsError if the results hold trainings of other settings or versions of the packages;
        CalledProcessError if spaCy can't train.
    """
    path = experiment.results / selected.file_name
    present = {"settings": experiment.settings, "versions": get_versions()}
    for other in experiment.results.glob("*.json"):
        check_all_same(other, read_result(other), present)
    if path.exists():
        stored: dict[str, float] = read_result(path)["scores"]
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
        srsly.write_json(draft, {**asdict(selected), **present, "scores": scores})
    return scores


def select_part(train: Path, percent: int, seed: int) -> DocBin:
    """Choose documents at random. A larger part contains each smaller one.

    train: the `.spacy` file to choose from.
    percent: the part of its documents, 1 to 100.
    seed: the seed of the choice.
    RETURNS: the documents, at least one.
    """
    docs = list(read_docs(train, spacy.blank("en").vocab))
    random.Random(seed).shuffle(docs)
    return DocBin(docs=docs[: max(1, round(len(docs) * percent / 100))], store_user_data=True)


def select_texts(raw: Path, count: int, output: Path) -> None:
    """Copy the first texts of a file. spaCy's `JsonlCorpus` ignores its own `limit`.

    raw: raw text in JSONL.
    count: number of texts to copy, >= 0.
    output: the file to write.
    """
    with raw.open(encoding="utf8") as texts, output.open("w", encoding="utf8") as selected:
        selected.writelines(islice(texts, count))


def prepare(experiment: Experiment, variants: Sequence[str]) -> None:
    """Pretrain what variants need, unless it exists already.

    experiment: what all trainings have in common.
    variants: keys of `VARIANTS`.
    RAISES: CalledProcessError if spaCy can't pretrain.
    """
    for name in variants:
        if VARIANTS[name].pretrained:
            _pretrain(experiment, experiment.vectors if VARIANTS[name].vectors else None)


def _pretrain(experiment: Experiment, vectors: str | None) -> Path:
    """Pretrain on the raw text, unless it was done before. RETURNS: the path of the weights."""
    texts = f"-{experiment.pretraining_texts}-texts" if experiment.pretraining_texts else ""
    name = f"pretrained-{experiment.raw.stem}{'-vectors' if vectors else ''}-{experiment.pretraining_epochs}{texts}"
    folder = experiment.work / name
    weights = folder / f"model{experiment.pretraining_epochs - 1}.bin"
    if not weights.exists():
        with replace_directory(folder) as draft:
            draft.mkdir(parents=True)
            raw = experiment.raw
            if experiment.pretraining_texts:
                raw = draft / "raw.jsonl"
                select_texts(experiment.raw, experiment.pretraining_texts, raw)
            config = add_pretraining(make_config("en", list(experiment.pipeline), vectors=vectors), str(raw))
            config.to_disk(draft / "config.cfg", interpolate=False)
            options = _to_arguments({"pretraining.max_epochs": experiment.pretraining_epochs})
            _call("pretrain", draft / "config.cfg", draft, *options, "--skip-last")
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
    _call("train", output.with_suffix(".cfg"), "--output", output, *_to_arguments(settings))
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
    """Train a student on the raw text that teachers annotate, and score it on gold tokens, like all others."""
    variant = VARIANTS[selected.variant]
    config = _make_config(experiment, variant, "efficiency")
    config["training"]["batcher"]["swap_entities"] = 0.0
    steps = experiment.student_steps or 4 * experiment.steps
    result = distill(
        [_train_teacher(experiment, selected, part, i) for i in range(variant.teachers)],
        experiment.raw,
        folder / "student",
        gold=part,
        dev=experiment.dev,
        config=config,
        annotations=folder / "annotations",
        overrides={"system.seed": selected.seed, **_limit_steps(steps)},
    )
    student = spacy.load(result.output)
    found = student.evaluate(list(Corpus(experiment.dev, gold_preproc=True)(student)))
    return {score: found[score] for score in SCORES if score in found}


def _train_teacher(experiment: Experiment, selected: Run, part: Path, number: int) -> Path:
    """Train a teacher on the annotation, unless another variant did. RETURNS: its folder."""
    variant = Variant(vectors=VARIANTS[selected.variant].vectors)
    steps = 2 * experiment.count_steps(selected.percent)
    vectors = "-vectors" if variant.vectors else ""
    name = f"teacher-{experiment.name}{vectors}-{selected.percent}-{selected.seed}-{number}-{steps}"
    folder = experiment.work / name
    if not folder.exists():
        with TemporaryDirectory() as temporary, replace_directory(folder) as draft:
            output = Path(temporary) / "teacher"
            _train(experiment, selected, variant, part, output, steps, "accuracy", 100 * number + selected.seed)
            shutil.copytree(output / "model-last", draft)
    return folder


def _to_arguments(settings: dict[str, Any]) -> list[str]:
    return [str(word) for name, value in settings.items() for word in (f"--{name}", value)]


def _call(command: str, *arguments: object) -> None:
    """Run a command of spaCy in a process of its own."""
    subprocess.run(
        [sys.executable, "-m", "spacy", command, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL
    )


def _find_missing(experiment: Experiment, variants: Sequence[str], runs: Iterator[Run]) -> list[Run]:
    return [run for run in runs if run.variant in variants and not (experiment.results / run.file_name).exists()]


def main() -> None:
    """Read the command line, and pretrain, train what is missing, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the corpus, and of the table in the page")
    parser.add_argument("--train", type=Path, help=".spacy file to train on")
    parser.add_argument("--dev", type=Path, help=".spacy file to score on")
    parser.add_argument("--raw", type=Path, help="raw text in JSONL")
    parser.add_argument("--vectors", help="pipeline with static vectors trained on the raw text")
    parser.add_argument("--pipeline", type=lambda names: names.split(","), default=["morphologizer", "ner"])
    parser.add_argument("--steps", type=int, default=2000, help="batches of a training on the whole corpus")
    parser.add_argument("--pretraining-epochs", type=int, default=3)
    parser.add_argument("--pretraining-texts", type=int, default=0, help="texts to pretrain on; default: all")
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
            given.pretraining_texts,
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
                print(f"  {train_and_score(experiment, selected)}", flush=True)
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
