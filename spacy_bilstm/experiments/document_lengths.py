"""Measure what training on sentences, on documents and on pieces of documents does to scores on short and long texts.

Run it in the project's folder. The corpora hold documents, and their sentences are annotated:

python -m spacy_bilstm.experiments.document_lengths ewt --train corpus/ewt/train.spacy --dev corpus/ewt/dev.spacy \
    --pipeline tagger,morphologizer,ner

Each row is the recipe with another `max_sentences` of its batcher, or spaCy's default pipeline. The pipeline of the
last step is scored on the raw texts of the dev set: as single sentences, as documents, and in groups of 20 sentences.
A senter and a parser are each scored by the sentences that they find alone. The scores are stored in
metrics/document-lengths-NAME.json after each training, and trainings stored there are not repeated.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config

from ..recipes import make_config
from ..training.pieces import split_doc
from ..util.docbin import read_docs
from .results import read_store, write_store

GROUP_SIZE = 20
CNN = "spaCy's default"
MAX_SENTENCES = {"sentences": 1, "documents": 0, "up to 10 sentences": 10, "up to 20 sentences": 20}
"""The rows that train the recipe, and the `max_sentences` of its batcher."""

SCORES = {
    "tag_acc": "TAG",
    "pos_acc": "UPOS",
    "ents_f": "entity F",
    "dep_uas": "UAS",
    "dep_las": "LAS",
    "senter_f": "senter, sentence F",
    "parser_f": "parser, sentence F",
}
"""The scores and their names in the table."""

Scores = dict[str, float]
Runs = dict[str, dict[str, Scores]]
"""The scores of the trainings of a row, by seed and form of the texts."""


@dataclass(frozen=True)
class Lengths:
    """What all trainings of a table have in common.

    train, dev: paths of the `.spacy` files to train on and to score on. They hold documents.
    pipeline: the components.
    optimize: the recipe.
    steps: number of batches of each training of the recipe.
    cnn_steps: number of batches of each training of spaCy's default pipeline.
    """

    train: str
    dev: str
    pipeline: Sequence[str] = ("tagger", "morphologizer", "ner")
    optimize: str = "efficiency"
    steps: int = 2000
    cnn_steps: int = 3000


def compare_lengths(
    lengths: Lengths,
    store: Path,
    rows: Sequence[str],
    seeds: Sequence[int],
    on_run: Callable[[str, int, Mapping[str, Runs]], object] = lambda row, seed, results: None,
) -> dict[str, Runs]:
    """Train each row with each seed, unless the store has the scores already.

    lengths: what all trainings have in common.
    store: the JSON file to read and to write after each training.
    rows: the rows to train: `CNN` or keys of `MAX_SENTENCES`.
    seeds: the seeds to train each row with.
    on_run: called after each training with its row, its seed and all results.
    RETURNS: the scores of all trainings in the store with the same recipe, pipeline and steps, by row, seed and form.
    RAISES: OtherSettingsError if the store holds results of other versions of the packages, or something else.
    """
    stored = read_store(store)
    title = f"{lengths.optimize}, {','.join(lengths.pipeline)}, {lengths.steps} steps ({lengths.cnn_steps} of {CNN})"
    results: dict[str, Runs] = stored.setdefault(title, {})
    for seed in seeds:
        for row in rows:
            runs = results.setdefault(row, {})
            if str(seed) not in runs:
                runs[str(seed)] = train_row(row, seed, lengths)
                write_store(store, stored)
                on_run(row, seed, results)
    return results


def train_row(row: str, seed: int, lengths: Lengths) -> dict[str, Scores]:
    """Train a row with `spacy train` and score the pipeline of its last step.

    row: `CNN` or a key of `MAX_SENTENCES`.
    seed: the seed.
    lengths: what all trainings have in common.
    RETURNS: the scores of `SCORES` that the pipeline has, from 0 to 1, by form of the texts.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_row_config(row, lengths).to_disk(folder / "config.cfg", interpolate=False)
        paths = ["--paths.train", lengths.train, "--paths.dev", lengths.dev]
        options = ["--output", name, *paths, "--system.seed", str(seed)]
        command = ["spacy", "train", str(folder / "config.cfg"), *options]
        subprocess.run([sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL)
        nlp = spacy.load(folder / "model-last")
        docs = read_docs(lengths.dev, nlp.vocab)
        return {form: score(nlp, form_docs) for form, form_docs in make_forms(docs).items()}


def make_row_config(row: str, lengths: Lengths) -> Config:
    """Make the config of a row.

    row: `CNN` or a key of `MAX_SENTENCES`.
    lengths: what all trainings have in common.
    RETURNS: the config, not interpolated.
    """
    if row == CNN:
        config = init_config(lang="en", pipeline=list(lengths.pipeline), optimize="efficiency", gpu=False)
        steps = lengths.cnn_steps
    else:
        config = make_config("en", lengths.pipeline, lengths.optimize)
        config["training"]["batcher"]["max_sentences"] = MAX_SENTENCES[row]
        config["training"]["optimizer"]["learn_rate"]["total_steps"] = lengths.steps
        steps = lengths.steps
    config["training"].update(max_steps=steps, eval_frequency=steps, patience=0)
    return config


def make_forms(docs: Sequence[Doc]) -> dict[str, list[Doc]]:
    """Make the forms of a corpus: its sentences, its documents, and groups of sentences.

    docs: the documents, with sentence boundaries.
    RETURNS: the docs of each form, by name.
    """
    sentences = [piece for doc in docs for piece in split_doc(doc, [sent.start for sent in doc.sents])]
    return {
        "sentences": sentences,
        "documents": list(docs),
        f"{GROUP_SIZE} sentences": [_join(group) for group in _group(sentences, GROUP_SIZE)],
    }


def score(nlp: Language, docs: Sequence[Doc]) -> Scores:
    """Score a pipeline on raw texts.

    nlp: the pipeline.
    docs: docs with gold annotation.
    RETURNS: the scores of `SCORES` that the pipeline has, from 0 to 1.
    """
    with nlp.select_pipes(disable=[name for name in ("senter",) if name in nlp.pipe_names]):
        scores = _evaluate(nlp, docs)
    if "parser" in nlp.pipe_names:
        scores["parser_f"] = scores["sents_f"]
    if "senter" in nlp.pipe_names:
        with nlp.select_pipes(enable=["tok2vec", "senter"]):
            scores["senter_f"] = _evaluate(nlp, docs)["sents_f"]
    return {name: scores[name] for name in SCORES if scores.get(name) is not None}


def make_table(results: Mapping[str, Runs]) -> str:
    """Make the Markdown table of all rows that have results.

    results: the scores by row, seed and form.
    RETURNS: the table, with means and standard deviations over seeds in per cent.
    """
    rows = {row: list(results[row].values()) for row in [*MAX_SENTENCES, CNN] if results.get(row)}
    forms = list(next(iter(rows.values()))[0])
    names = [
        name for name in SCORES if all(name in run[form] for runs in rows.values() for run in runs for form in forms)
    ]
    lines = ["| trained on | scored on | " + " | ".join(SCORES[name] for name in names) + " | seeds |"]
    lines.append("|---" * (len(names) + 3) + "|")
    for row, runs in rows.items():
        for form in forms:
            cells = [_describe([run[form][name] for run in runs]) for name in names]
            lines.append(f"| {row} | {form} | " + " | ".join(cells) + f" | {len(runs)} |")
    return "\n".join(lines)


def _evaluate(nlp: Language, docs: Sequence[Doc]) -> Scores:
    return nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in docs])


def _group(docs: Iterable[Doc], size: int) -> Iterable[list[Doc]]:
    stream = iter(docs)
    while group := list(islice(stream, size)):
        yield group


def _join(docs: list[Doc]) -> Doc:
    joined = Doc.from_docs(docs)
    assert joined is not None  # A group has at least one doc.
    return joined


def _describe(values: Sequence[float]) -> str:
    deviation = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{deviation}"


def main() -> None:
    """Read the command line, train what is missing, and print the scores and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="name of the file of scores")
    parser.add_argument("--train", required=True, help=".spacy file with documents to train on")
    parser.add_argument("--dev", required=True, help=".spacy file with documents to score on")
    parser.add_argument("--pipeline", type=lambda names: names.split(","), default=["tagger", "morphologizer", "ner"])
    parser.add_argument("--optimize", default="efficiency", help="the recipe")
    parser.add_argument("--steps", type=int, default=2000, help="number of batches of each training of the recipe")
    parser.add_argument("--cnn-steps", type=int, default=3000, help=f"number of batches of each training of {CNN}")
    parser.add_argument("--seed", type=int, action="append", help="a seed; default: 0, 1 and 2")
    parser.add_argument("--row", action="append", choices=[*MAX_SENTENCES, CNN], help="a row to train; default: all")
    given = parser.parse_args()
    lengths = Lengths(given.train, given.dev, given.pipeline, given.optimize, given.steps, given.cnn_steps)

    def show(row: str, seed: int, results: Mapping[str, Runs]) -> None:
        print(f"{row}, seed {seed}: {results[row][str(seed)]}", flush=True)

    store = Path("metrics") / f"document-lengths-{given.name}.json"
    rows = given.row or [*MAX_SENTENCES, CNN]
    try:
        print(make_table(compare_lengths(lengths, store, rows, given.seed or range(3), show)))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
