"""Distillation from beginning to end: the student does what its teachers do, and an interrupted run continues."""

import os
import signal
import sys
from collections.abc import Callable
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.util import registry
from spacy.vocab import Vocab
from thinc.api import Config, fix_random_seed
from toy_pipelines import BILSTM, make_tok2vec
from toy_teachers import OVERRIDES
from toy_training import get_digests
from toy_vectors import write_vectors

from spacy_bilstm.annotation import Progress
from spacy_bilstm.distillation import (
    DistillationResult,
    Takeover,
    TeacherError,
    Teachers,
    annotate_texts,
    distill,
    load_teachers,
    plan_student,
    train_student,
)
from spacy_bilstm.distillation.corpus import find_parts, is_held_out, make_distillation_corpus_v1
from spacy_bilstm.distillation.embedding import find_embeddings, write_embedding
from spacy_bilstm.distillation.students import write_labels
from spacy_bilstm.recipes import make_config
from spacy_bilstm.util.docbin import read_docs

SETTINGS: dict[str, Any] = {"held_out": 0.15, "part_size": 50, "overrides": OVERRIDES}
MODELS = {
    "tagger": {"@architectures": "spacy.Tagger.v2", "tok2vec": make_tok2vec(BILSTM)},
    "ner": {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": make_tok2vec(BILSTM)},
}


KILLS: list[int] = []
"""The step before which the callback kills this process."""


@registry.callbacks("toy_kill.v1")
def make_kill() -> Callable[[Language, dict[str, Any]], None]:
    """Make a callback that kills the process before a step."""

    def act(nlp: Language, arguments: dict[str, Any]) -> None:
        if arguments["step"] in KILLS:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, teacher_paths: list[Path], texts: Path) -> DistillationResult:
    """Return the result of distilling one teacher."""
    output = tmp_path_factory.mktemp("distill") / "student"
    return distill(teacher_paths[0], texts, output, speed=True, **SETTINGS)


def read_annotations(folder: Path) -> list[Any]:
    return [
        doc
        for part in sorted((folder / "parts").glob("part-*.spacy"))
        for doc in DocBin().from_disk(part).get_docs(Vocab())
    ]


def test_the_student_agrees_with_its_teacher(result: DistillationResult, teacher_paths: list[Path]) -> None:
    assert result.agreement["tag_acc"] > 0.97
    assert result.agreement["ents_f"] > 0.95
    assert result.agreement["sents_f"] > 0.9
    student, teacher = spacy.load(result.output), spacy.load(teacher_paths[0])
    texts = ["Anna sees the red cat .", "Boris travels to Oslo ."]
    for one, other in zip(student.pipe(texts), teacher.pipe(texts), strict=True):
        assert [token.tag_ for token in one] == [token.tag_ for token in other]
        assert [(ent.text, ent.label_) for ent in one.ents] == [(ent.text, ent.label_) for ent in other.ents]


def test_the_student_takes_the_teachers_place(result: DistillationResult, teacher_paths: list[Path]) -> None:
    """It has the same components, names and labels, and the components without a model as they are."""
    student, teacher = spacy.load(result.output), spacy.load(teacher_paths[0])
    assert student.pipe_names == ["tok2vec", *teacher.pipe_names]
    for name in ("tagger", "ner"):
        assert student.get_pipe(name).labels == teacher.get_pipe(name).labels
    assert student.get_pipe("attribute_ruler").patterns == teacher.get_pipe("attribute_ruler").patterns
    assert student("Anna sees Oslo .")[0].pos_ == "PROPN"
    assert [part.takeover for part in result.plan] == [Takeover.soft, Takeover.hard, Takeover.soft, Takeover.copied]


def test_a_student_with_the_teachers_embedding_is_complete_without_it(
    teacher_paths: list[Path], texts: Path, tmp_path: Path
) -> None:
    """Its static vectors are the embeddings of the teacher's three components. It loads without the teacher."""
    distill(teacher_paths[0], texts, tmp_path / "first", teacher_embedding=True, **SETTINGS)
    (tmp_path / "first").rename(tmp_path / "student")
    (tmp_path / "first-annotations").rename(tmp_path / "elsewhere")
    student, teacher = spacy.load(tmp_path / "student"), spacy.load(teacher_paths[0])
    embeddings = [teacher.get_pipe(name).model.get_ref("tok2vec").get_ref("embed") for name in ("tagger", "ner")]  # type: ignore[attr-defined]
    doc = Doc(teacher.vocab, words=["Anna", "unheard"])
    parts = [embedding.predict([doc])[0] for embedding in embeddings]
    vectors = numpy.stack([token.vector for token in student("Anna unheard")])
    width = parts[0].shape[1]
    assert vectors.shape == (2, 3 * width)
    numpy.testing.assert_allclose(vectors[:, :width], parts[0], atol=1e-6)
    numpy.testing.assert_allclose(vectors[:, -width:], parts[1], atol=1e-6)
    embed = student.get_pipe("tok2vec").model.get_ref("embed")  # type: ignore[attr-defined]
    assert embed.get_param("W").shape[1] == 3 * width
    assert [token.tag_ for token in student("Anna sees Oslo .")] == [t.tag_ for t in teacher("Anna sees Oslo .")]


def test_the_embedding_of_a_teacher_with_static_vectors(tmp_path: Path) -> None:
    """Its vectors go with it, also if they are the embedding of another teacher."""
    tok2vec = make_tok2vec(BILSTM)
    tok2vec["embed"]["include_static_vectors"] = True
    path = write_vectors(tmp_path / "vectors")
    for name in ("first", "second"):
        teacher = spacy.load(path)
        teacher.add_pipe("tok2vec", config={"model": tok2vec})
        teacher.initialize()
        path = tmp_path / name
        write_embedding(teacher, path)
        words = ["Anna", "unheard"]
        embedding = teacher.get_pipe("tok2vec").model.get_ref("embed")  # type: ignore[attr-defined]
        expected = embedding.predict([Doc(teacher.vocab, words=words)])[0]
        numpy.testing.assert_allclose(spacy.load(path).vocab.vectors.get_batch(words), expected, atol=1e-6)


@pytest.mark.parametrize("attr", ["SENT_START", "TAG", "ENT_TYPE"])
def test_an_embedding_that_reads_more_than_words_is_refused(attr: str) -> None:
    tok2vec = make_tok2vec(BILSTM)
    tok2vec["embed"] |= {"attrs": ["NORM", attr, "SHAPE", "SUFFIX"]}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": tok2vec})
    nlp.initialize()
    with pytest.raises(TeacherError, match=f"'tok2vec' reads {attr}"):
        find_embeddings(nlp)


def test_a_teacher_without_an_embedding_that_can_be_copied_is_refused() -> None:
    nlp = spacy.blank("en")
    with pytest.raises(TeacherError, match="has no embedding of words"):
        find_embeddings(nlp)
    nlp.add_pipe("tagger").add_label("NN")  # type: ignore[attr-defined]
    nlp.initialize()
    with pytest.raises(TeacherError, match="no block `embed`"):
        find_embeddings(nlp)


def test_a_student_without_vectors_has_nothing_of_its_teachers(
    teacher_paths: list[Path], texts: Path, tmp_path: Path
) -> None:
    teacher = spacy.load(teacher_paths[0])
    teacher.vocab.vectors = spacy.load(write_vectors(tmp_path / "vectors")).vocab.vectors
    word = next(teacher.vocab.strings[key] for key in teacher.vocab.vectors)
    teacher.to_disk(tmp_path / "teacher")
    distill(tmp_path / "teacher", texts, tmp_path / "student", **SETTINGS)
    (tmp_path / "teacher").rename(tmp_path / "elsewhere")
    student = spacy.load(tmp_path / "student")
    assert "attribute_ruler" in student.pipe_names
    assert not student.vocab.has_vector(word)
    assert student.make_doc(word)[:].as_doc().text == word  # It raised an IndexError.
    # Another student can be trained without the teacher.
    config = Config().from_disk(tmp_path / "student-annotations" / "student.cfg")
    assert str(tmp_path / "teacher") not in config.to_str()


def test_the_result_counts_what_was_done(result: DistillationResult) -> None:
    assert result.annotation.documents == 200
    assert result.annotation.parts == 4
    assert spacy.load(result.output).config["training"]["max_steps"] == OVERRIDES["training.max_steps"]
    assert result.scores is None
    assert result.words_per_second is not None
    assert min(result.words_per_second) > 0
    assert not list(result.output.parent.glob(".*"))


@pytest.mark.parametrize("component", ["tagger", "ner"])
def test_soft_targets_teach_probabilities_better_than_labels_do(
    component: str, teacher_paths: list[Path], texts: Path, tmp_path: Path
) -> None:
    """On texts held out from training, the student of the probabilities has the lower loss against them."""
    teachers = load_teachers(teacher_paths[1:])
    annotate_texts(teachers, [texts], tmp_path)
    write_labels(teachers, plan_student(teachers, None), tmp_path)
    labels = srsly.read_json(tmp_path / "labels" / f"{component}.json")
    losses = []
    for soft in (True, False):
        fix_random_seed(0)
        nlp = spacy.blank("en")
        pipe: Any = nlp.add_pipe(f"bilstm_{component}", name=component, config={"model": MODELS[component]})
        stream = make_distillation_corpus_v1(tmp_path, held_out=0.15, soft_targets=soft)(nlp)
        examples = list(islice(stream, 20))
        for label in labels:
            pipe.add_label(label)
        optimizer = nlp.initialize(lambda pool=examples: pool)
        optimizer.learn_rate = 0.02
        for _ in range(30):
            nlp.update(list(islice(stream, 20)), sgd=optimizer, drop=0.0)
        held_out = [
            Example(nlp.make_doc(doc.text), doc)
            for doc in read_docs(tmp_path / "parts" / "part-00000.spacy", nlp.vocab)
            if is_held_out(doc.text, 0.15)
        ]
        scores = pipe.model.begin_update([example.predicted for example in held_out])[0]
        losses.append(pipe.get_loss(held_out, scores)[0])
    assert losses[0] < 0.9 * losses[1]


@pytest.mark.parametrize("n_words", [300, 1e-6])
def test_the_texts_to_evaluate_on_come_from_all_parts(
    teacher_paths: list[Path], texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_words: float
) -> None:
    """The texts may be sorted by source, so those held out must not all come from the first one, even if few do."""
    monkeypatch.setattr(sys.modules[distill.__module__], "_MAX_HELD_OUT_WORDS", n_words)
    result = distill(teacher_paths[0], texts, tmp_path / "student", **SETTINGS)
    directory = tmp_path / "student-annotations"
    vocab = spacy.blank("en").vocab
    held_out = {doc.text for doc in read_docs(directory / "held-out.spacy", vocab)}
    assert result.annotation.parts > 1
    for part in find_parts(directory):
        assert held_out & {doc.text for doc in read_docs(part, vocab)}


def test_an_interrupted_annotation_continues(
    teacher_paths: list[Path], texts: Path, tmp_path: Path, result: DistillationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as if there had been no interruption, and nothing is annotated twice."""

    def stop(progress: Progress) -> None:
        if progress.documents == 100:
            raise KeyboardInterrupt

    output, annotations = tmp_path / "student", tmp_path / "annotations"
    with pytest.raises(KeyboardInterrupt):
        distill(teacher_paths[0], texts, output, annotations=annotations, on_progress=stop, **SETTINGS)
    assert not output.exists()
    annotated: list[str] = []
    annotate = Teachers.annotate
    monkeypatch.setattr(
        Teachers, "annotate", lambda self, records: annotated.extend(r.text for r in records) or annotate(self, records)
    )
    summary = annotate_texts(load_teachers(teacher_paths[:1]), [texts], annotations, part_size=SETTINGS["part_size"])
    assert len(annotated) == summary.new_documents == 100
    found, expected = (read_annotations(path) for path in (annotations, result.output.with_name("student-annotations")))
    assert [doc.text for doc in found] == [doc.text for doc in expected]
    assert [[token.tag_ for token in doc] for doc in found] == [[token.tag_ for token in doc] for doc in expected]


def test_spacy_train_trains_the_same_student(result: DistillationResult, tmp_path: Path) -> None:
    annotations = result.output.with_name("student-annotations")
    train(annotations / "student.cfg", tmp_path)
    again = spacy.load(tmp_path / "model-best")
    scores = again.evaluate(list(Corpus(annotations / "held-out.spacy")(again)))
    assert scores["tag_acc"] == result.agreement["tag_acc"]
    assert scores["ents_f"] == result.agreement["ents_f"]


def test_a_killed_training_continues_with_the_same_bytes(result: DistillationResult, tmp_path: Path) -> None:
    config = Config().from_disk(result.output.with_name("student-annotations") / "student.cfg")
    config["training"] |= {"max_steps": 15, "eval_frequency": 6, "before_update": {"@callbacks": "toy_kill.v1"}}
    output = tmp_path / "killed"
    process = get_context("fork").Process(target=train_and_die, args=(config, output, 11))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not output.exists()
    states = [path.name for path in (tmp_path / "killed-training" / "checkpoints").glob("step-*")]
    assert sorted(states) == ["step-000000005.msgpack", "step-000000010.msgpack"]
    train_student(config, output, checkpoint_steps=5)
    train_student(config, tmp_path / "whole", checkpoint_steps=5)
    assert get_digests(output) == get_digests(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]


def train_and_die(config: Config, output: Path, step: int) -> None:
    """Train a student until the callback kills this process."""
    KILLS.append(step)
    train_student(config, output, checkpoint_steps=5)


def test_a_folder_that_has_something_else_than_a_training_is_kept(result: DistillationResult, tmp_path: Path) -> None:
    (tmp_path / "student-training").mkdir()
    (tmp_path / "student-training" / "notes.txt").write_text("mine", encoding="utf8")
    config = Config().from_disk(result.output.with_name("student-annotations") / "student.cfg")
    with pytest.raises(ValueError, match="student-training is for the checkpoints"):
        train_student(config, tmp_path / "student")
    assert (tmp_path / "student-training" / "notes.txt").exists()


def test_a_config_without_any_component_of_the_teacher_is_an_error(
    teacher_paths: list[Path], texts: Path, tmp_path: Path
) -> None:
    with pytest.raises(TeacherError, match="can't learn any component"):
        distill(teacher_paths[0], texts, tmp_path / "student", config=make_config("en", ["textcat"]))


def test_an_annotation_of_other_teachers_or_texts_is_not_continued(
    result: DistillationResult, teacher_paths: list[Path], texts: Path, tmp_path: Path
) -> None:
    annotations = result.output.with_name("student-annotations")
    (tmp_path / "other.txt").write_text("Another text .\n", encoding="utf8")
    for names, path in ((teacher_paths[1], texts), (teacher_paths[0], tmp_path / "other.txt")):
        with pytest.raises(ValueError, match=r"settings|texts|teachers"):
            distill(names, path, tmp_path / "student", annotations=annotations, **SETTINGS)
    assert not (tmp_path / "student").exists()


def test_an_output_that_would_lose_something_is_refused(
    result: DistillationResult, teacher_paths: list[Path], texts: Path, tmp_path: Path
) -> None:
    for output in (teacher_paths[0], result.output, texts.parent):
        with pytest.raises(ValueError, match=r"is read|contains"):
            distill(teacher_paths[0], texts, output, annotations=tmp_path / "annotations")
    assert not (tmp_path / "annotations").exists()


@pytest.mark.parametrize("held_out", [0.0, 1.0])
def test_a_share_to_hold_out_outside_its_range_is_an_error(
    teacher_paths: list[Path], texts: Path, tmp_path: Path, held_out: float
) -> None:
    with pytest.raises(ValueError, match="held_out is a share"):
        distill(teacher_paths[0], texts, tmp_path / "student", held_out=held_out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gold_share": 1.0}, "gold_share is a share"),
        ({"gold_share": float("nan")}, "gold_share is a share"),
        ({"overrides": {"training.max_stepz": 5}}, "no setting 'max_stepz'"),
        ({"overrides": {"training.optimzer.L2": 0.1}}, "no setting 'optimzer'"),
        ({"overrides": {"training.dropout": 2}}, "dropout is a rate"),
        ({"overrides": {"trainin.max_steps": 5}}, "trainin"),
        ({"optimize": "speed"}, "no recipe 'speed'"),
        ({"teacher_embedding": True, "vectors": "texts"}, "--teacher-embedding .* can't be used"),
        ({"config": Config(), "vectors": "texts"}, "--vectors .* can't be used"),
        ({"overrides": {"paths.init_tok2vec": "model0.bin"}}, r"no effect without \[pretraining\]"),
        ({"gold": "texts"}, "is no .spacy file"),
        ({"dev": "texts"}, "is no .spacy file"),
        ({"dev": "empty"}, "has no words"),
        ({"config": Config()}, r"no section \[nlp\]"),
        ({"roles": {"tagger": "textcat"}}, "'tagger' is a 'tagger' and can't be learned as 'textcat'"),
    ],
)
def test_what_the_training_would_refuse_is_refused_before_the_annotation(
    teacher_paths: list[Path], texts: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    DocBin().to_disk(tmp_path / "empty.spacy")
    files = {"texts": texts, "empty": tmp_path / "empty.spacy"}
    arguments = {name: files.get(str(value), value) for name, value in arguments.items()}
    with pytest.raises(ValueError, match=message):
        distill(teacher_paths[0], texts, tmp_path / "student", **SETTINGS | arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["empty.spacy"]


def test_a_training_without_end_is_refused(result: DistillationResult, tmp_path: Path) -> None:
    config = Config().from_disk(f"{result.output}-annotations/student.cfg", interpolate=False)
    config["training"]["max_steps"] = 0
    with pytest.raises(ValueError, match="never end"):
        train_student(config, tmp_path / "student")


def test_an_annotation_directory_with_something_else_is_refused(
    teacher_paths: list[Path], texts: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "held-out.spacy").write_text("mine")
    inside = teacher_paths[0] / "annotations"
    for directory, message in (
        (tmp_path / "mine", r"contains held-out\.spacy"),
        (tmp_path / "mine" / "held-out.spacy", "is a file"),
        (inside, "is inside the teacher"),
    ):
        with pytest.raises((ValueError, OSError), match=message):
            distill(teacher_paths[0], texts, tmp_path / "student", annotations=directory, **SETTINGS)
    assert (tmp_path / "mine" / "held-out.spacy").read_text() == "mine"
    assert not inside.exists()


def test_an_annotation_beside_its_texts_is_not_read(teacher_paths: list[Path], tmp_path: Path) -> None:
    teachers = load_teachers(teacher_paths[:1])
    (tmp_path / "texts.txt").write_text("Anna sees Oslo .\nBoris travels .\n", encoding="utf8")
    for _ in range(2):
        assert annotate_texts(teachers, [tmp_path], tmp_path / "annotations").documents == 2


def test_too_few_texts_to_hold_some_out_are_an_error(teacher_paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("A text .\n", encoding="utf8")
    with pytest.raises(ValueError, match="None of the texts is held out"):
        distill(teacher_paths[0], tmp_path / "texts.txt", tmp_path / "student", held_out=1e-9)


def test_a_file_without_texts_is_an_error(teacher_paths: list[Path], tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n \n", encoding="utf8")
    with pytest.raises(ValueError, match="There are no texts"):
        distill(teacher_paths[0], texts, tmp_path / "student", **SETTINGS)


def test_the_annotation_of_a_component_taught_as_something_else_is_not_continued(
    teacher_paths: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_text("Anna sees Oslo .\n", encoding="utf8")
    teachers = load_teachers(teacher_paths[:1], {"attribute_ruler": "ner"})
    assert teachers.roles == {"attribute_ruler": "ner"}
    annotate_texts(teachers, [tmp_path / "texts.txt"], tmp_path / "annotations")
    teachers = load_teachers(teacher_paths[:1], {"attribute_ruler": "textcat"})
    with pytest.raises(ValueError, match="settings"):
        annotate_texts(teachers, [tmp_path / "texts.txt"], tmp_path / "annotations")
