"""Students: their configs, and what they take over with a config of their own."""

from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import registry
from toy_spans import make_docs as make_span_docs
from toy_teachers import make_teacher

from spacy_bilstm.annotation import Record
from spacy_bilstm.distillation import Takeover, Teachers, load_teachers, make_student_config, plan_student
from spacy_bilstm.distillation.students import add_corpora, get_labels_path, write_labels
from spacy_bilstm.recipes import make_config


@pytest.fixture(scope="module")
def teachers(teacher_paths: list[Path]) -> Teachers:
    return load_teachers(teacher_paths)


def test_a_students_config_has_the_teachers_components(teachers: Teachers, teacher_paths: list[Path]) -> None:
    config = make_student_config(teachers, plan_student(teachers, None))
    assert config["nlp"]["pipeline"] == ["tok2vec", "tagger", "senter", "ner", "attribute_ruler"]
    assert config["components"]["ner"] == make_config("en", ["ner"])["components"]["ner"]
    assert config["components"]["attribute_ruler"] == {"source": str(teacher_paths[0])}
    assert config["training"]["frozen_components"] == ["attribute_ruler"]


def test_a_student_has_its_teachers_tokenizer_with_a_larger_cache(teachers: Teachers) -> None:
    config = make_student_config(teachers, plan_student(teachers, None))
    nlp: Any = spacy.blank("en", config={"nlp": {key: config["nlp"][key] for key in ("tokenizer", "after_creation")}})
    before_init = dict(config["initialize"]["before_init"])
    registry.get("callbacks", before_init.pop("@callbacks"))(**before_init)(nlp)
    teacher: Any = teachers.pipelines[0].tokenizer
    assert nlp.tokenizer.rules == teacher.rules
    assert nlp.tokenizer.max_cache_size == 200_000 > teacher.max_cache_size


def test_a_tokenizer_of_the_teacher_needs_no_package_of_its_language(tmp_path: Path) -> None:
    """Korean's own tokenizer needs one, which spaCy's trained pipelines do not use."""
    tokenizer = {"@tokenizers": "spacy.Tokenizer.v1"}
    nlp = spacy.blank("ko", config={"nlp": {"tokenizer": tokenizer}})
    nlp.add_pipe("ner")
    nlp.to_disk(tmp_path / "teacher")
    teachers = load_teachers([tmp_path / "teacher"])
    assert make_student_config(teachers, plan_student(teachers, None))["nlp"]["tokenizer"] == tokenizer


def test_components_keep_their_names_and_their_order(tmp_path: Path) -> None:
    nlp = spacy.blank("de")
    for factory, name in (("ner", "places"), ("entity_ruler", "names"), ("bilstm_ner", "people"), ("tagger", "tags")):
        nlp.add_pipe(factory, name=name)
    nlp.to_disk(tmp_path / "teacher")
    teachers = load_teachers([tmp_path / "teacher"])
    config = make_student_config(teachers, plan_student(teachers, None))
    assert config["nlp"]["lang"] == "de"
    assert config["nlp"]["pipeline"] == ["tok2vec", "places", "names", "people", "tags"]
    factories = {name: component.get("factory") for name, component in config["components"].items()}
    assert factories["places"] == factories["people"] == "bilstm_ner"
    assert factories["tags"] == "bilstm_tagger"


@pytest.mark.parametrize(
    ("n_words", "n_gold_words", "steps"),
    [
        (0, 0, 2000),
        (200_000, 0, 2000),
        (5_000_000, 0, 10_000),
        (4_998_000, 2_000, 10_000),
        (500_000, 240_000, 8000),
        (800_000, 10**7, 30_000),
    ],
)
def test_a_student_of_more_text_trains_for_longer(
    teachers: Teachers, n_words: int, n_gold_words: int, steps: int
) -> None:
    """A fifth of the words are enough for four passes over the gold corpus, unless it is large."""
    plan = plan_student(teachers, None)
    config = make_student_config(teachers, plan, n_words=n_words, n_gold_words=n_gold_words)
    assert config["training"]["max_steps"] == steps
    assert config["training"]["optimizer"]["learn_rate"]["total_steps"] == steps
    n_rows = make_config("en", ["ner"], n_words=max(n_words + n_gold_words, 1))["components"]["tok2vec"]["model"]
    assert config["components"]["tok2vec"]["model"]["embed"]["rows"] == n_rows["embed"]["rows"]


@pytest.mark.parametrize(("n_docs", "buffer"), [(0, 2000), (100_000, 2000), (1000, 100), (1, 1)])
def test_fewer_long_texts_are_sorted_at_a_time(teachers: Teachers, n_docs: int, buffer: int) -> None:
    config = make_student_config(teachers, plan_student(teachers, None), n_docs=n_docs, n_words=1_000_000)
    assert config["training"]["batcher"]["batcher"]["buffer"] == buffer


def test_an_own_config_decides_what_is_learned(teachers: Teachers) -> None:
    plan = plan_student(teachers, make_config("en", ["ner", "textcat"]))
    left_out = {part.name: part.reason for part in plan if part.takeover is Takeover.left_out}
    names = ("tagger", "senter", "attribute_ruler")
    assert left_out == dict.fromkeys(names, "the config has no component of this name")
    assert [part.name for part in plan if part.takeover is Takeover.soft] == ["ner"]


def test_a_component_of_another_kind_is_left_out(teachers: Teachers) -> None:
    config = make_config("en", ["ner", "tagger"])
    config["components"]["tagger"] = {"factory": "parser"}
    reasons = {part.name: part.reason for part in plan_student(teachers, config)}
    assert reasons["tagger"] == "the config's 'tagger' is a 'parser', not a 'tagger'"


def test_an_own_config_gets_the_corpora_and_labels(teachers: Teachers, tmp_path: Path) -> None:
    own = make_config("en", ["ner", "tagger"])
    plan = plan_student(teachers, own)
    write_labels(teachers, plan, tmp_path)
    gold, dev = tmp_path / "gold.spacy", tmp_path / "dev.spacy"
    config = add_corpora(own, plan, tmp_path, dev, gold=gold, gold_share=0.3, soft_targets=False)
    assert config["corpora"]["train"] == {
        "@readers": "spacy-bilstm.DistillationCorpus.v1",
        "path": str(tmp_path / "parts"),
        "gold": str(gold),
        "gold_share": 0.3,
        "held_out": 0.02,
        "soft_targets": False,
    }
    assert config["corpora"]["dev"]["path"] == str(dev)
    assert config["training"]["max_epochs"] == -1
    assert config["initialize"]["components"]["ner"]["labels"]["path"] == str(tmp_path / "labels" / "ner.json")
    assert own["corpora"]["train"]["@readers"] == "spacy.Corpus.v1"


def test_spans_and_lemmas_are_learned_from_annotation_with_the_teachers_group_and_trees(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    suggester = {"@misc": "spacy.ngram_suggester.v1", "sizes": [1, 2, 7]}
    nlp.add_pipe("spancat", config={"spans_key": "mine", "suggester": suggester})
    nlp.add_pipe("trainable_lemmatizer", config={"min_tree_freq": 1})
    docs = make_span_docs(nlp.vocab, 8)
    for doc in docs:
        doc.spans["mine"] = doc.spans["sc"]
    nlp.initialize(lambda: [Example(doc.copy(), doc) for doc in docs])
    nlp.to_disk(tmp_path / "teacher")
    teachers = load_teachers([tmp_path / "teacher", tmp_path / "teacher"])
    plan = plan_student(teachers, None)
    assert [(part.name, part.takeover) for part in plan] == [
        ("spancat", Takeover.hard),
        ("trainable_lemmatizer", Takeover.hard),
    ]
    spancat = make_student_config(teachers, plan)["components"]["spancat"]
    assert (spancat["spans_key"], spancat["suggester"]) == ("mine", suggester)
    write_labels(teachers, plan, tmp_path)
    labels = srsly.read_json(get_labels_path(tmp_path, "trainable_lemmatizer"))
    assert len(labels["trees"]) >= len(labels["labels"]) > 1
    annotated = teachers.annotate([Record(id="1", text="We liked boats .")])
    doc = next(annotated)
    expected = nlp("We liked boats .")
    assert [token.lemma_ for token in doc] == [token.lemma_ for token in expected]
    assert [(span.start, span.end) for span in doc.spans["mine"]] == [
        (span.start, span.end) for span in expected.spans["mine"]
    ]


def test_the_labels_of_gold_follow_those_of_the_teachers(teachers: Teachers, tmp_path: Path) -> None:
    vocab = spacy.blank("en").vocab
    gold = Doc(vocab, words=["Hello", "Zorp"], tags=["UH", "NNP"], ents=["O", "B-CODE"])
    DocBin(docs=[gold]).to_disk(tmp_path / "gold.spacy")
    write_labels(teachers, plan_student(teachers, None), tmp_path, tmp_path / "gold.spacy")
    for name, label in (("tagger", "UH"), ("ner", "CODE")):
        labels = srsly.read_json(get_labels_path(tmp_path, name))
        assert labels == [*teachers.knowledge[name].get_labels(), label]


def test_the_morphology_of_gold_is_known_to_the_student(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("morphologizer").add_label("POS=NOUN")  # type: ignore[attr-defined]
    nlp.initialize()
    nlp.to_disk(tmp_path / "teacher")
    gold = Doc(nlp.vocab, words=["sang"], pos=["VERB"], morphs=["Tense=Past"])
    DocBin(docs=[gold]).to_disk(tmp_path / "gold.spacy")
    teachers = load_teachers([tmp_path / "teacher"])
    write_labels(teachers, plan_student(teachers, None), tmp_path, tmp_path / "gold.spacy")
    labels = srsly.read_json(get_labels_path(tmp_path, "morphologizer"))
    student = spacy.blank("en").add_pipe("morphologizer")
    student.initialize(lambda: [Example(gold.copy(), gold)], labels=labels)  # type: ignore[attr-defined]
    expected = spacy.blank("en").add_pipe("morphologizer")
    expected.initialize(lambda: [Example(gold.copy(), gold)])  # type: ignore[attr-defined]
    assert set(expected.labels) < set(student.labels)  # type: ignore[attr-defined]


def test_labels_of_components_that_set_entities_before_are_known_to_the_student(tmp_path: Path) -> None:
    nlp = make_teacher(epochs=1)
    ruler = nlp.add_pipe("entity_ruler", before="ner")
    ruler.add_patterns([{"label": "CODE", "pattern": "Zorp"}])  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path)
    assert load_teachers([tmp_path]).knowledge["ner"].get_labels()[-1] == "CODE"
