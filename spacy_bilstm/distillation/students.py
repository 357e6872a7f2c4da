"""The student: a training config for a pipeline that takes the place of its teachers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

import srsly
from thinc.api import Config

from ..recipes import make_config
from ..util.docbin import read_docs
from ..util.files import atomic_write
from .corpus import PARTS
from .teachers import Takeover, TeacherComponent, TeacherError, Teachers

READER = "spacy-bilstm.DistillationCorpus.v1"
_NOT_IN_CONFIG = "the config has no component of this name"
# A gold corpus is small, and is learned in several passes, unless it is large.
_GOLD_PASSES = 4
_MAX_GOLD_STEPS = 30_000
# Words that the batcher sorts by length at a time: enough for batches of equal lengths, in some 100 MB.
_BUFFERED_WORDS = 100_000


def plan_student(teachers: Teachers, config: Config | None) -> list[TeacherComponent]:
    """Decide which components the student takes over.

    teachers: the teachers.
    config: the student's own config, whose components decide, or None for the recipes.
    RETURNS: the components of the teachers, some of them left out.
    RAISES: TeacherError if nothing can be learned, or if the config lacks a section.
    """
    missing = [] if config is None else [name for name in ("nlp", "components", "training") if name not in config]
    if missing:
        raise TeacherError(f"The student's config has no section [{missing[0]}]. Give a complete training config.")
    plan = []
    for component in teachers.components:
        if component.takeover in (Takeover.soft, Takeover.hard):
            component = _check_learned(component, config)
        elif config is not None and component.takeover is Takeover.copied and not _has_component(config, component):
            component = _leave_out(component, _NOT_IN_CONFIG)
        plan.append(component)
    if not find_learned(plan):
        raise TeacherError("The student can't learn any component. " + " ".join(f"{c.name}: {c.reason}." for c in plan))
    return plan


def find_learned(plan: Sequence[TeacherComponent]) -> list[TeacherComponent]:
    """Return the components that a student learns."""
    return [component for component in plan if component.takeover in (Takeover.soft, Takeover.hard)]


def find_copied(plan: Sequence[TeacherComponent]) -> list[str]:
    """Return the names of the components that a student gets a copy of."""
    return [component.name for component in plan if component.takeover is Takeover.copied]


def make_student_config(
    teachers: Teachers,
    plan: Sequence[TeacherComponent],
    optimize: str = "efficiency",
    *,
    n_docs: int = 0,
    n_words: int = 0,
    n_gold_words: int = 0,
    gold_share: float = 0.2,
    vectors: str | None = None,
    copies: str | None = None,
    gpu: bool = False,
) -> Config:
    """Make the config of a student from a recipe.

    The components have the teachers' names and order. Copied components and the tokenizer are sourced from another
    pipeline.

    teachers: the teachers.
    plan: the result of `plan_student`.
    optimize: the recipe.
    n_docs: number of texts, 0 if unknown. Of long texts, the batcher sorts fewer at a time, to save memory.
    n_words, n_gold_words: number of words of the texts and of the gold corpus, which decide the sizes of tables and the
        number of training steps; 0 for the recipe's own. The steps make at least four passes over a small gold corpus.
    gold_share: the share of the words in training that come from the gold corpus.
    vectors: name or path of a pipeline whose static vectors the student gets, or None.
    copies: name or path of the pipeline to source components and tokenizer from; the first teacher if None.
    gpu: whether to train on a GPU.
    RETURNS: the config, without corpora.
    RAISES: RecipeError as `make_config` does.
    """
    first = teachers.pipelines[0]
    copies = copies or teachers.names[0]
    learned = {component.name: component.kind for component in find_learned(plan)}
    config = make_config(
        str(first.lang),
        sorted(set(learned.values())),
        optimize,
        gpu=gpu,
        vectors=vectors,
        tokenizer=first.config["nlp"]["tokenizer"],
        n_words=max(n_words + n_gold_words, 1),
    )
    recipe = config["components"]
    copied = find_copied(plan)
    names = [name for name in first.pipe_names if name in learned or name in copied]
    config["components"] = {"tok2vec": recipe["tok2vec"]}
    for name in names:
        config["components"][name] = deepcopy(recipe[learned[name]]) if name in learned else {"source": copies}
        if learned.get(name) == "spancat":
            config["components"][name] |= {key: first.get_pipe_config(name)[key] for key in ("spans_key", "suggester")}
    config["nlp"]["pipeline"] = ["tok2vec", *names]
    config["initialize"]["before_init"] = {
        "@callbacks": "spacy.copy_from_base_model.v1",
        "tokenizer": copies,
        "vocab": None,
    }
    config["training"]["frozen_components"] = copied
    # The teachers' annotation on disk has only what is learned, so the scores of copied components would be 0.
    scores = [first.get_factory_meta(first.get_pipe_meta(name).factory).default_score_weights or {} for name in copied]
    config["training"]["score_weights"] |= dict.fromkeys(chain.from_iterable(scores))
    # Raw text has more names than augmentation can invent, and all that have been seen would be kept in memory.
    config["training"]["batcher"]["swap_entities"] = 0.0
    if n_docs and n_words:
        batcher: dict[str, Any] = config["training"]["batcher"]["batcher"]
        batcher["buffer"] = min(batcher["buffer"], math.ceil(_BUFFERED_WORDS * n_docs / n_words))
    _set_steps(config["training"], _GOLD_PASSES * n_gold_words / gold_share if gold_share else 0)
    return config


def add_corpora(
    config: Config,
    plan: Sequence[TeacherComponent],
    annotations: Path,
    dev: Path,
    *,
    gold: Path | None = None,
    gold_share: float = 0.2,
    held_out: float = 0.02,
    soft_targets: bool = True,
) -> Config:
    """Return a config with the corpora and labels of a student.

    config: the config. It is not modified.
    plan: the result of `plan_student`.
    annotations: the annotation directory, which has the labels.
    dev: the corpus that chooses the best model, in `.spacy` format.
    gold, gold_share, held_out, soft_targets: as for `spacy-bilstm.DistillationCorpus.v1`.
    """
    config = config.copy()
    config["corpora"] = {
        "train": {
            "@readers": READER,
            "path": str((annotations / PARTS).resolve()),
            "gold": None if gold is None else str(gold.resolve()),
            "gold_share": gold_share,
            "held_out": held_out,
            "soft_targets": soft_targets,
        },
        "dev": {
            "@readers": "spacy.Corpus.v1",
            "path": str(dev.resolve()),
            "gold_preproc": False,
            "max_length": 0,
            "limit": 0,
            "augmenter": None,
        },
    }
    config["training"]["train_corpus"] = "corpora.train"
    config["training"]["dev_corpus"] = "corpora.dev"
    config["training"]["max_epochs"] = -1  # The reader has no end, so spaCy must not collect its examples.
    components = config["initialize"].setdefault("components", {})
    for component in find_learned(plan):
        path = get_labels_path(annotations, component.name)
        if path.exists():
            labels = {"@readers": "spacy.read_labels.v1", "path": str(path.resolve()), "require": True}
            components.setdefault(component.name, {})["labels"] = labels
    return config


def write_labels(
    teachers: Teachers, plan: Sequence[TeacherComponent], annotations: Path, gold: Path | None = None
) -> None:
    """Write the labels of the learned components, as far as the teachers know them, and those of the gold corpus.

    teachers: the teachers.
    plan: the result of `plan_student`.
    annotations: the annotation directory.
    gold: the annotated corpus to learn from too, in `.spacy` format, or None.
    """
    gold_docs = [] if gold is None else list(read_docs(gold, teachers.pipelines[0].vocab))
    for component in find_learned(plan):
        labels = teachers.knowledge[component.name].get_labels(gold_docs)
        if labels is not None:
            with atomic_write(get_labels_path(annotations, component.name)) as draft:
                srsly.write_json(draft, labels)


def get_labels_path(annotations: Path, component: str) -> Path:
    """Return the path of the file with the labels of a component in an annotation directory."""
    return annotations / "labels" / f"{component}.json"


def _check_learned(component: TeacherComponent, config: Config | None) -> TeacherComponent:
    if config is None:
        return component
    if not _has_component(config, component):
        return _leave_out(component, _NOT_IN_CONFIG)
    factory: str = config["components"].get(component.name, {}).get("factory", "")
    kind = factory.removeprefix("bilstm_").removeprefix("beam_").removesuffix("_singlelabel")
    if kind != component.kind:
        return _leave_out(component, f"the config's '{component.name}' is a '{factory}', not a '{component.kind}'")
    return component


def _has_component(config: Config, component: TeacherComponent) -> bool:
    return component.name in config["nlp"]["pipeline"]


def _leave_out(component: TeacherComponent, reason: str) -> TeacherComponent:
    return TeacherComponent(component.name, component.kind, Takeover.left_out, reason)


def _set_steps(training: dict[str, Any], n_words: float) -> None:
    """Set the number of steps, at least the recipe's, so that they read a number of words."""
    n_steps = min(round(n_words / training["batcher"]["batcher"]["size"]), _MAX_GOLD_STEPS)
    if n_steps > training["max_steps"]:
        training["max_steps"] = training["optimizer"]["learn_rate"]["total_steps"] = n_steps
        training["eval_frequency"] = max(training["eval_frequency"], n_steps // 20)
    training["patience"] = 0  # The learning rate falls to 0 at the last step, so training always goes on to it.
