"""Distil slow pipelines into a fast one: teachers annotate texts, and a student learns from them."""

from __future__ import annotations

import gc
import io
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.training.loop import DIR_MODEL_BEST
from thinc.api import Config

from ..annotation import PartsSummary, Progress, read_texts, write_parts
from ..training.loop import check_pretrained_weights, check_training_settings
from ..training.resumable import CHECKPOINT_STEPS, train_with_checkpoints
from ..util.docbin import count_words, read_docs
from ..util.files import atomic_write, check_output_directory, replace_directory
from ..util.pipeline_paths import find_pipeline
from .copies import write_copies
from .corpus import HELD_OUT, PARTS, check_gold_share, find_parts, is_held_out
from .embedding import find_embeddings, write_embedding
from .speed import measure_speed
from .students import add_corpora, find_copied, make_student_config, plan_student, write_labels
from .teachers import TeacherComponent, Teachers, load_teachers

PART_SIZE = 2000
EMBEDDING = "embedding"
"""The directory in an annotation directory with the teacher's word embedding."""
COPIES = "copies"
"""The directory in an annotation directory with the teacher's tokenizer and the components to copy."""
# About how many words to evaluate on: enough for scores to a tenth of a percent, and few enough to do so often. They
# are drawn from all texts, which may be sorted by source.
_MAX_HELD_OUT_WORDS = 30_000
_WITHOUT_VECTORS = r"\[W113\]"  # Copied components without a model read no vectors.


@dataclass(frozen=True)
class DistillationResult:
    """What came of a distillation.

    output: the directory of the student.
    plan: what became of each component of the teachers.
    annotation: the counts of the annotated texts.
    agreement: spaCy's scores of the student on texts held out from training, with the teachers' annotation as gold, by
        their names in spaCy, from 0 to 1.
    scores: spaCy's scores of the student on the dev corpus, or None without one.
    words_per_second: of the student and of the first teacher, as `measure_speed` measures them, or None if not
        measured.
    """

    output: Path
    plan: list[TeacherComponent]
    annotation: PartsSummary
    agreement: dict[str, float]
    scores: dict[str, float] | None
    words_per_second: tuple[float, float] | None


def distill(
    teacher: str | Path | Sequence[str | Path],
    texts: str | Path | Iterable[str | Path],
    output: str | Path,
    *,
    gold: str | Path | None = None,
    gold_share: float = 0.2,
    dev: str | Path | None = None,
    config: str | Path | Config | None = None,
    optimize: str = "efficiency",
    vectors: str | None = None,
    teacher_embedding: bool = False,
    annotations: str | Path | None = None,
    roles: Mapping[str, str] | None = None,
    text_column: str = "text",
    held_out: float = 0.02,
    soft_targets: bool = True,
    part_size: int = PART_SIZE,
    overrides: Mapping[str, Any] | None = None,
    speed: bool = False,
    gpu_id: int = -1,
    force: bool = False,
    restart: bool = False,
    announce: Callable[[list[TeacherComponent]], object] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    progress: bool = False,
) -> DistillationResult:
    """Train a fast pipeline, the student, to do what slow ones do (Hinton et al. 2015).

    The teachers annotate texts in parts on disk, and the training writes checkpoints. If either is interrupted, the
    next call with the same arguments continues it. Further students learn from the same annotation. The annotation
    directory also gets the student's training config, `student.cfg`, which `spacy train` can train. The student has the
    components of the first teacher, under their names and with their labels. It learns the teachers' mean probabilities
    where they have some, and their annotation otherwise.

    teacher: name or path of a pipeline, or several, whose probabilities are averaged.
    texts: texts to annotate: files, folders or globs, as for `read_texts`.
    output: directory to write the student to. It must be new or empty.
    gold: an annotated corpus in `.spacy` format to learn from too, or None.
    gold_share: the share of the words in training that come from `gold`, 0 <= gold_share < 1.
    dev: a corpus in `.spacy` format that chooses the best student and is scored; None chooses by the agreement with the
        teachers on texts held out from training.
    config: the student's own training config, or its path; None makes it from a recipe. Its components decide what is
        learned. Its corpora are replaced.
    optimize: the recipe, if there is no config: "efficiency", "accuracy" or "fast".
    vectors: name or path of a pipeline whose static vectors the student gets, or None. Not with `config`, which has
        its own.
    teacher_embedding: whether the student gets the word embedding of the first teacher as static vectors, so that both
        know the same about words that are rare or absent in the texts.
    annotations: directory of the annotation; None for the output's name with "-annotations" at the end.
    roles: as for `load_teachers`.
    text_column: the column or key of the text in files that have columns or keys.
    held_out: the share of the texts that is held out from training, 0 < held_out < 1.
    soft_targets: whether to learn probabilities. Otherwise, all components learn annotation.
    part_size: number of texts in a part, >= 1.
    overrides: settings of the config to change, such as `{"training.max_steps": 500}`.
    speed: whether to measure the speed of student and teacher.
    gpu_id: ID of the GPU, or -1 for the CPU. Call `spacy.require_gpu` before.
    force: whether to replace a pipeline in the output directory.
    restart: whether to begin the training afresh, without the checkpoints of an interrupted call. Annotation is kept.
    announce: called with what becomes of each component, before anything is computed.
    on_progress: called after each part is annotated.
    progress: whether to print spaCy's table of the training.
    RETURNS: the scores of the student, and what it was trained on.
    RAISES: TeacherError as `load_teachers` and `find_embeddings` do; ValueError if an argument or setting is unknown or
        out of range, if arguments contradict each other, if the output directory is refused, if the annotation
        directory was made with other teachers or texts, or if the texts are too few; DirectoryLockedError if another
        process writes to the annotation directory; OSError for a missing file; and the errors of `train_student`.
    """
    names = [teacher] if isinstance(teacher, (str, Path)) else list(teacher)
    paths = [texts] if isinstance(texts, (str, Path)) else list(texts)
    output = Path(output)
    directory = Path(annotations) if annotations is not None else output.parent / f"{output.name}-annotations"
    gold, dev = None if gold is None else Path(gold), None if dev is None else Path(dev)
    inputs = [*map(find_pipeline, names), *paths, *(path for path in (gold, dev, directory) if path is not None)]
    check_output_directory(output, inputs=inputs, force=force)
    _check_annotations(directory, names)
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is a share of the texts. Set it to more than 0 and less than 1, not {held_out}.")
    check_gold_share(gold_share)
    own = Config().from_disk(config, interpolate=False) if isinstance(config, (str, Path)) else config
    _check_vectors(vectors, teacher_embedding, own)
    student = _StudentSettings(
        directory,
        gold,
        0 if gold is None else count_words(gold),
        gold_share,
        dev,
        own,
        optimize,
        vectors,
        held_out,
        soft_targets,
        overrides or {},
        gpu_id >= 0,
    )
    if dev is not None:
        count_words(dev)  # An unsuitable corpus is an error now, not after the annotation.
    teachers = load_teachers(names, roles)
    plan = plan_student(teachers, own)
    if teacher_embedding:
        find_embeddings(teachers.pipelines[0])
    # What is wrong with the settings is said before the long work.
    check_pretrained_weights(_make_config(student, teachers, plan).interpolate())
    if announce is not None:
        announce(plan)
    summary = annotate_texts(
        teachers, paths, directory, text_column=text_column, part_size=part_size, on_progress=on_progress
    )
    if not summary.documents:
        raise ValueError(
            f"There are no texts in {', '.join(map(str, paths))}. Give files with at least a few hundred texts."
        )
    student_config = _prepare_student(student, teachers, plan, summary, teacher_embedding)
    first = teachers.names[0]
    del teachers
    gc.collect()  # The teachers' memory is free for the training.
    nlp = train_student(student_config, output, restart=restart, gpu_id=gpu_id, progress=progress)
    return DistillationResult(
        output,
        plan,
        summary,
        _score(nlp, directory / HELD_OUT),
        None if dev is None else _score(nlp, dev),
        measure_speed(output, first, directory, held_out) if speed else None,
    )


@dataclass(frozen=True)
class _StudentSettings:
    """The arguments of `distill` that decide the student's config. `directory` is that of the annotation."""

    directory: Path
    gold: Path | None
    n_gold_words: int
    gold_share: float
    dev: Path | None
    config: Config | None
    optimize: str
    vectors: str | None
    held_out: float
    soft_targets: bool
    overrides: Mapping[str, Any]
    gpu: bool


def _make_config(
    student: _StudentSettings,
    teachers: Teachers,
    plan: list[TeacherComponent],
    n_docs: int = 0,
    n_words: int = 0,
    copies: Path | None = None,
) -> Config:
    config = student.config or make_student_config(
        teachers,
        plan,
        student.optimize,
        n_docs=n_docs,
        n_words=n_words,
        n_gold_words=student.n_gold_words,
        gold_share=student.gold_share,
        vectors=student.vectors,
        copies=None if copies is None else str(copies),
        gpu=student.gpu,
    )
    config = add_corpora(
        config,
        plan,
        student.directory,
        student.dev or student.directory / HELD_OUT,
        gold=student.gold,
        gold_share=student.gold_share,
        held_out=student.held_out,
        soft_targets=student.soft_targets,
    )
    return _override(config, student.overrides)


def _prepare_student(
    student: _StudentSettings,
    teachers: Teachers,
    plan: list[TeacherComponent],
    summary: PartsSummary,
    teacher_embedding: bool,
) -> Config:
    """Write what the training reads beside the annotation. RETURNS: the student's training config."""
    directory, nlp = student.directory, teachers.pipelines[0]
    write_labels(teachers, plan, directory, student.gold)
    write_held_out(directory, nlp, student.held_out, summary.words)
    if teacher_embedding:
        embedding = (directory / EMBEDDING).resolve()
        write_embedding(nlp, embedding)
        student = replace(student, vectors=str(embedding))
    copies = (directory / COPIES).resolve()
    if student.config is None:
        write_copies(teachers.names[0], nlp, find_copied(plan), copies)
    config = _make_config(student, teachers, plan, summary.documents, summary.words, copies)
    with atomic_write(directory / "student.cfg") as draft:
        config.to_disk(draft, interpolate=False)
    return config


def annotate_texts(
    teachers: Teachers,
    texts: Sequence[str | Path],
    annotations: str | Path,
    *,
    text_column: str = "text",
    part_size: int = PART_SIZE,
    on_progress: Callable[[Progress], object] | None = None,
) -> PartsSummary:
    """Annotate texts with teachers, in parts on disk, or continue after an interruption.

    teachers: the teachers.
    texts, text_column, part_size, on_progress: as for `distill`.
    annotations: the annotation directory.
    RETURNS: the counts.
    RAISES: ValueError if the directory was made with other teachers or texts; DirectoryLockedError if another process
        writes to it; and the errors of `read_texts`.
    """
    stream = read_texts(texts, text_column=text_column, exclude=annotations)
    settings = {
        "teachers": teachers.names,
        "teachers_digest": teachers.find_digest(),
        "components": {name: knowledge.is_soft for name, knowledge in teachers.knowledge.items()},
        "texts": stream.describe(),
    }
    if teachers.roles:
        settings["roles"] = teachers.roles
    return write_parts(
        stream,
        Path(annotations) / PARTS,
        settings,
        teachers.annotate,
        part_size=part_size,
        progress=on_progress,
        share=lambda: stream.share,
    )


def write_held_out(annotations: Path, nlp: Language, share: float, n_words: int) -> None:
    """Write texts that are held out from training, with the teachers' annotation, to `HELD_OUT`.

    annotations: the annotation directory.
    nlp: a pipeline whose vocab has the labels.
    share: the share of the texts that is held out, 0 < share < 1.
    n_words: number of words of all texts.
    RAISES: ValueError if there are none.
    """
    evaluated = min(share, _MAX_HELD_OUT_WORDS / max(n_words, 1))
    # So small a share of few long texts may be none.
    documents = _collect_held_out(annotations, nlp, evaluated) or _collect_held_out(annotations, nlp, share)
    if not documents:
        raise ValueError(f"None of the texts is held out. Use more texts, or a larger share than {share}.")
    with atomic_write(annotations / HELD_OUT) as draft:
        documents.to_disk(draft)


def _collect_held_out(annotations: Path, nlp: Language, share: float) -> DocBin:
    documents = DocBin()
    for part in find_parts(annotations):
        with nlp.memory_zone():
            for doc in read_docs(part, nlp.vocab):
                if len(doc) and is_held_out(doc.text, share):
                    documents.add(doc)
    return documents


def train_student(
    config: Config,
    output: Path,
    *,
    checkpoint_steps: int = CHECKPOINT_STEPS,
    restart: bool = False,
    gpu_id: int = -1,
    progress: bool = False,
) -> Language:
    """Train a student as `spacy train` does, and write the best one.

    Until the student is written, a folder beside the output has the checkpoints. Its name is the output's with
    "-training" at the end. After an interruption, the next call continues from the last one and writes the same bytes.

    config: its config.
    output: the directory to write.
    checkpoint_steps: number of steps between two checkpoints, >= 1.
    restart: whether to begin afresh, without the checkpoints of an interrupted call.
    gpu_id: ID of the GPU, or -1 for the CPU.
    progress: whether to print spaCy's table of the training.
    RETURNS: the student.
    RAISES: ValueError if the folder of the checkpoints has something else, or if the training would never end; and the
        errors of `train_with_checkpoints`, such as CheckpointError if another config or corpus was used before the
        interruption.
    """
    training = config.interpolate()["training"]
    if not training["max_steps"] and not training["patience"]:
        raise ValueError(
            "The training would never end, because [training] max_steps is 0. Set a number of steps, such as with "
            "--training.max_steps 20000."
        )
    out = sys.stdout if progress else io.StringIO()
    folder = output.with_name(f"{output.name}-training")
    if any(folder.glob("*")) and not (folder / "checkpoints").is_dir():
        raise ValueError(f"{folder} is for the checkpoints of the training, but has something else. Move it away.")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _WITHOUT_VECTORS)
        train_with_checkpoints(
            config,
            folder,
            checkpoint_steps=checkpoint_steps,
            restart=restart,
            use_gpu=gpu_id,
            stdout=out,
            stderr=out,
        )
    with replace_directory(output) as draft:
        shutil.copytree(folder / DIR_MODEL_BEST, draft)
    shutil.rmtree(folder)
    return spacy.load(output)


def _check_vectors(vectors: str | None, teacher_embedding: bool, config: Config | None) -> None:
    """Check that only one argument decides the student's vectors."""
    if teacher_embedding and (vectors is not None or config is not None):
        raise ValueError(
            "--teacher-embedding (teacher_embedding) makes the student's vectors and config, so it can't be used "
            "with --vectors (vectors) or --config (config). Leave out one of them."
        )
    if vectors is not None and config is not None:
        raise ValueError(
            "--vectors (vectors) is for the recipes, so it can't be used with --config (config). Make the config with "
            "`init-config --vectors`."
        )


def _check_annotations(directory: Path, teachers: Sequence[str | Path]) -> None:
    """Check that a directory can hold annotation without changing anything else."""
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(f"{directory} is a file. Choose another directory with --annotations.")
    for teacher in teachers:
        path = find_pipeline(teacher)
        if path.is_dir() and directory.resolve().is_relative_to(path.resolve()):
            raise ValueError(f"{directory} is inside the teacher {teacher}. Choose another directory.")
    names = sorted(path.name for path in directory.glob("*") if not path.name.startswith("."))
    if names and not (directory / PARTS).is_dir():
        raise ValueError(
            f"{directory} contains {names[0]}, which is not part of an annotation. Choose a new or empty directory."
        )


def _override(config: Config, overrides: Mapping[str, Any]) -> Config:
    """Return a config with some settings changed, after checking their names and the numbers of `[training]`."""
    for name, value in overrides.items():
        section, *path = name.split(".")
        if section == "training" and path and not str(value).startswith("$"):  # Variables are resolved later.
            check_training_settings({path[0]: {} if path[1:] else value})
    return Config().from_str(config.to_str(), overrides=dict(overrides), interpolate=False)


def _score(nlp: Language, corpus: Path) -> dict[str, float]:
    scores: dict[str, Any] = nlp.evaluate(list(Corpus(corpus)(nlp)))
    return {
        name: value
        for name, value in scores.items()
        if isinstance(value, float) and name != "speed" and not name.startswith("token_")
    }
