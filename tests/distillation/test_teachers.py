"""Teachers: what is decided about their components, and what they write into docs."""

from functools import cache
from pathlib import Path

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from toy_pipelines import overfit
from toy_teachers import make_teacher

from spacy_bilstm.annotation import Record
from spacy_bilstm.bridge.soft_targets import get_soft_categories, get_soft_labels, get_soft_tags
from spacy_bilstm.distillation import Takeover, TeacherError, Teachers, load_teachers

TEXTS = ["Anna sees the red cat .", "", "Boris travels to Oslo . Clara liked the old dogs ."]
RECORDS = [Record(i, text) for i, text in enumerate(TEXTS)]


@cache
def load(*names: Path) -> Teachers:
    """Load teachers once for all tests that do not change them."""
    return load_teachers(names)


@cache
def annotate(*names: Path) -> list[Doc]:
    """Return the annotated docs as they are stored: the docs themselves are valid for a moment only."""
    stored = DocBin(store_user_data=True)
    for doc in load(*names).annotate(RECORDS):
        stored.add(doc)
    return list(DocBin().from_bytes(stored.to_bytes()).get_docs(Vocab()))


def get_probabilities(doc: Doc, labels: list[str]) -> numpy.ndarray:
    soft = get_soft_labels(doc, "tagger")
    assert soft is not None
    return soft.to_probabilities({label: index for index, label in enumerate(labels)})[0]


def test_what_becomes_of_each_component_is_decided(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    for name in ("tok2vec", "tagger", "morphologizer", "senter", "parser", "ner", "spancat", "textcat"):
        nlp.add_pipe(name)
    for name in ("trainable_lemmatizer", "sentencizer", "entity_ruler", "bilstm_ner"):
        nlp.add_pipe(name)
    nlp.disable_pipe("senter")
    nlp.to_disk(tmp_path / "teacher")
    found = {part.name: (part.kind, part.takeover) for part in load_teachers([tmp_path / "teacher"]).components}
    assert found == {
        "tok2vec": ("", Takeover.replaced),
        "tagger": ("tagger", Takeover.soft),
        "morphologizer": ("morphologizer", Takeover.soft),
        "parser": ("parser", Takeover.hard),
        "ner": ("ner", Takeover.hard),
        "spancat": ("spancat", Takeover.hard),
        "textcat": ("textcat", Takeover.soft),
        "trainable_lemmatizer": ("trainable_lemmatizer", Takeover.hard),
        "sentencizer": ("", Takeover.copied),
        "entity_ruler": ("", Takeover.copied),
        "bilstm_ner": ("ner", Takeover.soft),
        "senter": ("", Takeover.left_out),
    }


def test_docs_have_the_annotation_of_a_single_teacher(teacher_paths: list[Path]) -> None:
    nlp = spacy.load(teacher_paths[0])
    for doc, text in zip(annotate(teacher_paths[0]), TEXTS, strict=True):
        expected = nlp(text)
        assert doc.text == text
        assert [token.tag_ for token in doc] == [token.tag_ for token in expected]
        assert [token.is_sent_start for token in doc] == [token.is_sent_start for token in expected]
        assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [
            (ent.start, ent.end, ent.label_) for ent in expected.ents
        ]


def test_soft_labels_are_the_probabilities_of_the_tagger(teacher_paths: list[Path]) -> None:
    nlp = spacy.load(teacher_paths[0])
    pipe = nlp.get_pipe("tagger")
    scores = pipe.model.begin_update([nlp.make_doc(text) for text in TEXTS])[0]
    for doc, expected in zip(annotate(teacher_paths[0]), scores, strict=True):
        assert_allclose(get_probabilities(doc, list(pipe.labels)), expected, atol=0.03)


def test_soft_tags_are_the_marginals_of_the_recogniser(teacher_paths: list[Path]) -> None:
    nlp = spacy.load(teacher_paths[0])
    pipe, doc = nlp.get_pipe("ner"), annotate(teacher_paths[0])[0]
    soft = get_soft_tags(doc, "ner")
    assert soft is not None
    (parses,) = pipe.k_best([nlp.make_doc(TEXTS[0])], 200)
    outside = [
        sum(probability for probability, ents in parses if not any(ent.start <= i < ent.end for ent in ents))
        for i in range(len(doc))
    ]
    tokens = numpy.repeat(numpy.arange(len(doc)), soft.counts)
    found = numpy.bincount(tokens, soft.probabilities * (soft.tags == 0), minlength=len(doc))
    assert_allclose(found, outside, atol=0.01)


def test_the_probabilities_of_several_teachers_are_averaged(teacher_paths: list[Path]) -> None:
    labels = list(spacy.load(teacher_paths[0]).get_pipe("tagger").labels)
    alone = [annotate(path) for path in teacher_paths]
    for doc, first, second in zip(annotate(*teacher_paths), *alone, strict=True):
        mean = (get_probabilities(first, labels) + get_probabilities(second, labels)) / 2
        assert_allclose(get_probabilities(doc, labels), mean, atol=0.03)
        assert [labels.index(token.tag_) for token in doc] == mean.argmax(axis=1).tolist()
        tags = [get_soft_tags(one, "ner") for one in (doc, first, second)]
        outside = [
            numpy.bincount(
                numpy.repeat(numpy.arange(len(doc)), soft.counts),
                soft.probabilities * (soft.tags == 0),
                minlength=len(doc),
            )
            for soft in tags
            if soft is not None
        ]
        assert_allclose(outside[0], (outside[1] + outside[2]) / 2, atol=1e-5)


def test_whitespace_has_no_soft_tags(teacher_paths: list[Path]) -> None:
    """Though these teachers read it: the words decide its tags."""
    records = [Record(0, "  Anna  sees\nthe red cat .\n"), Record(1, " "), Record(2, TEXTS[0])]
    for doc in load(*teacher_paths).annotate(records):
        soft = get_soft_tags(doc, "ner")
        assert soft is not None
        assert [count > 0 for count in soft.counts] == [not token.is_space for token in doc]
        assert soft.probabilities.sum() == pytest.approx(sum(not token.is_space for token in doc))


def test_recognisers_without_probabilities_teach_the_share_that_agrees(tmp_path: Path) -> None:
    for i, label in enumerate(("PER", "PER", "LOC")):
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": label, "pattern": "Anna"}])
        nlp.to_disk(tmp_path / str(i))
    teachers = load_teachers([tmp_path / str(i) for i in range(3)], {"entity_ruler": "ner"})
    docs = iter(teachers.annotate(RECORDS[:1]))  # The doc is valid as long as its stream.
    doc = next(docs)
    soft = get_soft_tags(doc, "entity_ruler")
    assert soft is not None
    n_first = int(soft.counts[0])
    labels = [soft.labels[(tag - 1) // 4] for tag in soft.tags[:n_first].tolist()]
    found = dict(zip(labels, soft.probabilities[:n_first].tolist(), strict=True))
    assert found == {"LOC": pytest.approx(1 / 3), "PER": pytest.approx(2 / 3)}
    assert doc.ents[0].label_ == "PER"


def test_of_several_parses_the_one_that_agrees_most_is_learned(tmp_path: Path) -> None:
    for seed in (0, 1):
        make_teacher(seed, epochs=1, parser=True).to_disk(tmp_path / str(seed))
    first, second = tmp_path / "0", tmp_path / "1"
    heads = [
        [[(token.head.i, token.dep_) for token in doc] for doc in annotate(*names)]
        for names in ((first,), (second,), (second, first, first))
    ]
    assert heads[0] != heads[1]
    assert heads[2] == heads[0]
    expected = spacy.load(first)(TEXTS[2])
    assert heads[0][2] == [(token.head.i, token.dep_) for token in expected]


@pytest.mark.parametrize("name", ["textcat", "textcat_multilabel"])
def test_classifiers_teach_probabilities(tmp_path: Path, name: str) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe(f"bilstm_{name}", name=name)
    overfit(nlp, epochs=1)
    nlp.to_disk(tmp_path / "teacher")
    expected = nlp(TEXTS[2]).cats
    doc = annotate(tmp_path / "teacher")[2]
    soft = get_soft_categories(doc, name)
    assert soft is not None
    found = dict(zip(soft.labels, soft.probabilities.tolist(), strict=True))
    assert found == {label: pytest.approx(value, abs=1e-5) for label, value in expected.items()}
    assert set(doc.cats.values()) <= {0.0, 1.0}
    assert sum(doc.cats.values()) == 1 or name == "textcat_multilabel"


def test_a_component_of_another_class_is_learned_as_it_is_said(tmp_path: Path) -> None:
    nlp = make_teacher(epochs=1)
    nlp.add_pipe("entity_ruler", name="llm").add_patterns([{"label": "X", "pattern": "the"}])
    nlp.to_disk(tmp_path / "teacher")
    teachers = load_teachers([tmp_path / "teacher"], {"llm": "ner"})
    assert {part.name: part.takeover for part in teachers.components}["llm"] is Takeover.hard
    assert "X" in [ent.label_ for ent in next(iter(teachers.annotate(RECORDS))).ents]


def test_components_after_a_taught_one_do_not_change_what_it_teaches(tmp_path: Path) -> None:
    """They are copied, so they will do the same in the student."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Anna"}])  # type: ignore[attr-defined]
    later = nlp.add_pipe("entity_ruler", name="later", config={"overwrite_ents": True})
    later.add_patterns([{"label": "X", "pattern": "Anna sees"}])  # type: ignore[attr-defined]
    nlp.add_pipe("merge_entities")
    nlp.to_disk(tmp_path / "teacher")
    teachers = load_teachers([tmp_path / "teacher"], {"entity_ruler": "ner"})
    found = [[(ent.text, ent.label_) for ent in doc.ents] for doc in teachers.annotate(RECORDS)]
    assert found == [[("Anna", "PER")], [], []]
    assert [part.takeover for part in teachers.components] == [Takeover.hard, Takeover.copied, Takeover.copied]


def test_teachers_that_do_not_fit_are_errors(teacher_paths: list[Path], tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    spacy.blank("de").to_disk(tmp_path / "german")
    for names, roles, message in (
        ([tmp_path / "blank"], {}, "has no component that can be learned"),
        ([teacher_paths[0], tmp_path / "german"], {}, "is for the language 'de'"),
        ([teacher_paths[0], tmp_path / "blank"], {}, r"has the component 'tagger' \(tagger\)"),
        ([teacher_paths[0]], {"llm": "ner"}, "has no component 'llm'"),
        ([teacher_paths[0]], {"senter": "senter"}, "can't be learned as 'senter'"),
    ):
        with pytest.raises(TeacherError, match=message):
            load_teachers(names, roles)


def test_labels_that_not_all_teachers_have_are_named(teacher_paths: list[Path], tmp_path: Path) -> None:
    nlp = spacy.load(teacher_paths[1])
    nlp.get_pipe("ner").add_label("EVENT")
    nlp.to_disk(tmp_path / "more")
    teachers = load_teachers([teacher_paths[0], tmp_path / "more"])
    assert {part.name: part.reason for part in teachers.components}["ner"] == "not all teachers have the labels EVENT"
    assert teachers.knowledge["ner"].get_labels() == ["GPE", "PERSON", "EVENT"]
    assert next(iter(teachers.annotate(RECORDS))).text == TEXTS[0]


def test_memory_of_a_vocab_does_not_grow(teacher_paths: list[Path]) -> None:
    teachers = load(*teacher_paths)
    n_strings = [len(nlp.vocab.strings) for nlp in teachers.pipelines]
    records = [Record(i, f"word{i}") for i in range(50)]
    assert [doc.text for doc in teachers.annotate(records)] == [record.text for record in records]
    assert [len(nlp.vocab.strings) for nlp in teachers.pipelines] == n_strings


def test_the_tokens_of_a_record_without_spaces_stay(teacher_paths: list[Path]) -> None:
    teachers = load(teacher_paths[0])
    tokens = Doc(Vocab(), words=["New York", "won't"])
    found = [[token.text for token in doc] for doc in teachers.annotate([Record(0, tokens.text, tokens)])]
    assert found == [["New York", "won't"]]
