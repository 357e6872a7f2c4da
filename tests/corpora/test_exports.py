"""Exports: the annotation of each tool is read, and annotation that is not read is named."""

import json
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import make_doc
from spacy_bilstm.corpora.jsonl import read_jsonl
from spacy_bilstm.corpora.problems import Problems

NLP = spacy.blank("en")


def read(*values: Any) -> tuple[list[Doc], Problems]:
    file = CorpusFile("x.jsonl", [json.dumps(value) for value in values])
    docs = [make_doc(text, NLP.vocab, file) for text in read_jsonl(file, NLP, None)]
    return [doc for doc in docs if doc is not None], file.problems


def tag(doc: Doc) -> str:
    return " ".join(f"{token.ent_iob_}-{token.ent_type_}".strip("-") or "?" for token in doc)


TEXT = {"text": "Ada left."}
TOKENS = {"tokens": ["Ada", "left", "."]}
OFFSETS = {"start_offset": 0, "end_offset": 3}
RESULT = {"value": {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}, "type": "labels", "from_name": "label"}


@pytest.mark.parametrize(
    "value",
    [
        TEXT | {"id": 1, "label": [[0, 3, "PER"]]},
        TEXT | {"id": 1, "labels": [[0, 3, "PER"]], "Comments": [], "meta": {"a": [1]}},
        TEXT | {"entities": [OFFSETS | {"id": 9, "label": "PER"}], "relations": [], "Comments": []},
        TEXT | {"spans": [{"start": 0, "end": 3, "label": "PER", "token_start": 0}], "answer": "accept", "_task": 3},
        TEXT | {"label": [{"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}], "annotation_id": 2},
        {"data": TEXT, "annotations": [{"result": [RESULT]}], "predictions": [], "total_annotations": 1},
        {"data": {"review": "Ada left.", "n": 3}, "completions": [{"result": [RESULT]}]},
        ["Ada left.", {"entities": [[0, 3, "PER"]]}],
        [["Ada left.", {"entities": [[0, 3, "PER"]], "cats": {}}]],
        {"classes": ["PER"], "annotations": [None, ["Ada left.", {"entities": [[0, 3, "PER"]]}]]},
        ["Ada left.", {"words": ["Ada", "left", "."], "entities": ["U-PER", "O", "O"]}],
        TOKENS | {"id": "0", "ner_tags": ["B-PER", "O", "O"]},
        TOKENS | {"labels": ["B-PER", "O", "O"]},
        {"words": ["Ada", "left", "."], "tags": ["B-PER", "O", "O"]},
        TOKENS | {"ner_tags": [1, 0, 0], "label_names": ["O", "B-PER"]},
        TOKENS | {"ner_tags": [5, 0, 0], "id2label": {"0": "O", "5": "B-PER"}},
        TOKENS | {"ner_tags": [5, 0, 0], "label2id": {"O": 0, "B-PER": 5}},
    ],
    ids=[
        "doccano label", "doccano labels", "doccano entities", "Prodigy", "Label Studio minimal", "Label Studio",
        "old Label Studio", "spaCy 2", "list of spaCy 2", "NER Annotator", "tags of spaCy 2", "Hugging Face", "labels",
        "words", "numbers with names", "numbers with id2label", "numbers with label2id",
    ],
)  # fmt: skip
def test_entities_are_read(value: Any) -> None:
    docs, problems = read(value)
    assert problems == Problems()
    assert [tag(doc) for doc in docs] == ["B-PER O O"]


@pytest.mark.parametrize(
    ("values", "cats"),
    [
        ([TEXT | {"label": ["A"]}, TEXT | {"label": ["A", "B"]}, TEXT | {"label": []}], [(1, 0), (1, 1), (0, 0)]),
        ([TEXT | {"label": "A"}, TEXT | {"label": "B"}, TEXT], [(1, 0), (0, 1), ()]),
        ([TEXT | {"label": 0}, TEXT | {"label": 1}], [(1, 0), (0, 1)]),
        ([TEXT | {"cats": {"A": 1, "B": 0}}, TEXT | {"cats": {"A": False, "B": True}}], [(1, 0), (0, 1)]),
        (
            [TEXT | {"options": [{"id": "A"}, {"id": "B"}], "accept": ["A"], "answer": "accept"}, TEXT],
            [(1, 0), ()],
        ),
        ([TEXT | {"options": [{"id": 0, "text": "A"}, {"id": 1, "text": "B"}], "accept": [1]}], [(0, 1)]),
        ([TEXT | {"options": [{"id": "A"}, {"id": "B"}], "accept": []}], [(0, 0)]),
        (
            [
                {
                    "data": TEXT,
                    "annotations": [{"result": [{"type": "choices", "from_name": "x", "value": {"choices": [label]}}]}],
                }
                for label in "AB"
            ],
            [(1, 0), (0, 1)],
        ),
        ([["Ada left.", {"cats": {"A": 1.0, "B": 0.0}}]], [(1, 0)]),
    ],
    ids=[
        "doccano", "label", "numbers with names", "cats", "Prodigy choice", "Prodigy choice with numbers",
        "Prodigy without a choice", "Label Studio", "spaCy 2",
    ],
)  # fmt: skip
def test_categories_are_read(values: list[Any], cats: list[tuple[int, ...]]) -> None:
    docs, problems = read({"label_names": ["A", "B"]}, *values)
    assert problems == Problems()
    assert [tuple(doc.cats[label] for label in "AB" if label in doc.cats) for doc in docs] == cats
    assert all(tag(doc) == "? ? ?" for doc in docs)


def test_a_binary_answer_of_prodigy_is_about_its_label_alone() -> None:
    docs, problems = read(
        TEXT | {"label": "A", "answer": "accept"},
        TEXT | {"label": "B", "answer": "reject"},
        TEXT | {"label": "A", "answer": "ignore"},
    )
    assert [doc.cats for doc in docs] == [{"A": 1.0}, {"B": 0.0}]
    assert [str(warning) for warning in problems.warnings] == [
        "x.jsonl, line 3: the answer is 'ignore', so this line is skipped."
    ]


SPAN = {"start": 0, "end": 3}


@pytest.mark.parametrize("answer", ["accept", "reject"])
def test_a_binary_answer_about_a_category_says_nothing_about_entities(answer: str) -> None:
    highlighted = TEXT | {"spans": [SPAN | {"text": "Ada", "pattern": -12}], "label": "SALE", "answer": answer}
    docs, problems = read(
        highlighted,
        highlighted | {"spans": []},
        highlighted | {"spans": [SPAN | {"label": "SALE"}], "_view_id": "classification"},
    )
    assert problems == Problems()
    assert [doc.cats for doc in docs] == [{"SALE": float(answer == "accept")}] * 3
    assert [tag(doc) for doc in docs] == ["? ? ?"] * 3


def test_spans_with_other_labels_than_a_binary_category_are_named_as_unread() -> None:
    (doc,), problems = read(TEXT | {"spans": [SPAN | {"label": "PER"}], "label": "SALE", "answer": "accept"})
    assert (doc.cats, tag(doc)) == ({"SALE": 1.0}, "? ? ?")
    assert "not read (in how many records): 'spans' (1)" in str(problems.warnings[0])


def test_a_binary_answer_about_a_span_is_no_category() -> None:
    """`ner.teach` asks about a span. Its task may have the label of the span."""
    task = TEXT | {"spans": [SPAN | {"label": "PER"}], "label": "PER"}
    (doc,), problems = read(task | {"answer": "accept"}, task | {"answer": "reject"}, task | {"answer": "ignore"})
    assert (doc.cats, tag(doc)) == ({}, "B-PER O O")
    assert [str(warning) for warning in problems.warnings] == [
        "x.jsonl, line 2: the answer is 'reject', so this line is skipped.",
        "x.jsonl, line 3: the answer is 'ignore', so this line is skipped.",
    ]


def test_other_answers_than_accept_are_skipped() -> None:
    docs, problems = read(TEXT | {"options": [{"id": "A"}], "accept": ["A"], "answer": "reject"})
    assert docs == []
    assert len(problems.warnings) == 1


@pytest.mark.parametrize(
    ("values", "tags"),
    [
        ([TEXT | {"label": [[0, 3, "PER"]]}, TEXT | {"label": []}, TEXT], ["B-PER O O", "O O O", "? ? ?"]),
        ([TEXT | {"label": []}], ["O O O"]),
        ([TEXT | {"_view_id": "ner_manual", "answer": "accept"}], ["O O O"]),
        (
            [
                {"data": TEXT, "annotations": [{"result": [RESULT]}]},
                {"data": TEXT, "annotations": [{"result": []}]},
                {"data": TEXT, "annotations": []},
                {"data": TEXT, "annotations": [{"result": [RESULT], "was_cancelled": True}]},
            ],
            ["B-PER O O", "O O O", "? ? ?", "? ? ?"],
        ),
        ([TOKENS | {"ner_tags": [1, -100, 0], "label_names": ["O", "B-PER"]}], ["B-PER ? O"]),
    ],
    ids=["doccano", "doccano alone", "Prodigy", "Label Studio", "Hugging Face"],
)
def test_texts_without_entities_differ_from_texts_without_annotation(values: list[Any], tags: list[str]) -> None:
    docs, problems = read(*values)
    assert problems == Problems()
    assert [tag(doc) for doc in docs] == tags


@pytest.mark.parametrize(
    ("value", "unread"),
    [
        (TEXT | {"entities": [], "relations": [{"from_id": 1}]}, "'relations' (1)"),
        (TEXT | {"sentiment": "good", "intent": {"a": 1}}, "'intent' (1), 'sentiment' (1)"),
        (TEXT | {"persons": [[0, 3]], "note": "x", "n": 3, "tags_done": True}, "'persons' (1)"),
        (TOKENS | {"pos_tags": [3, 4, 5], "chunk_tags": [1, 2, 3]}, "'chunk_tags' (1), 'pos_tags' (1)"),
        (TEXT | {"label": True}, "'label' (1)"),
        (TEXT | {"label": {"A": 1}}, "'label' (1)"),
        (TEXT | {"annotations": [{"label": 3, "start_offset": 0, "end_offset": 3}]}, "'annotations' (1)"),
        ({"data": TEXT, "annotations": [], "predictions": [{"result": []}]}, "'predictions' (1)"),
        (
            {
                "data": TEXT,
                "annotations": [{"result": [{"type": "relation"}, {"type": "rating", "value": {"rating": 3}}]}],
            },
            "'result of type rating' (1), 'result of type relation' (1)",
        ),
        (["Ada left.", {"heads": [1, 1, 1], "deps": ["a", "b", "c"]}], "'deps' (1), 'heads' (1)"),
    ],
)
def test_annotation_that_is_not_read_is_named_in_one_warning(value: Any, unread: str) -> None:
    docs, problems = read(value)
    assert len(docs) == 1
    (warning,) = problems.warnings
    assert str(warning) == (
        f"x.jsonl: these keys look like annotation and are not read (in how many records): {unread}."
    )


def test_one_of_several_annotations_of_a_task_is_read() -> None:
    other = RESULT | {"value": RESULT["value"] | {"labels": ["ORG"]}}
    annotations = [{"result": [other]}, {"result": [RESULT], "ground_truth": True}]
    (doc,), problems = read({"data": TEXT, "annotations": annotations})
    assert tag(doc) == "B-PER O O"
    assert "this task has 2 annotations" in str(problems.warnings[0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            TOKENS | {"ner_tags": [1, 0, 0]},
            "'ner_tags' has numbers, and their names are not in the file. Add a first line",
        ),
        (TEXT | {"label": 1}, "'label' has numbers, and their names are not in the file"),
        (
            TOKENS | {"ner_tags": [1, 0, 9], "label_names": ["O", "B-PER"]},
            "'ner_tags' has the number 9, which has no name",
        ),
        (TOKENS | {"ner_tags": [1], "label_names": [1]}, "the names of the labels are not strings"),
        (TOKENS | {"ner_tags": [1], "label_names": 3}, "the names of the labels are not a list"),
        (TEXT | {"spans": [], "ents": []}, "there are both 'spans' and 'ents'. Keep the one that contains"),
        (TEXT | {"spans": [], "label": [[0, 3, "PER"]]}, "there are both 'spans' and 'label'"),
        (TEXT | {"spans": 3}, "'spans' is not a list"),
        (TEXT | {"cats": "A", "label": "A"}, "'cats' is not an object of scores"),
        (TEXT | {"label": [[0, 3]]}, "the span [0, 3] is not [start, end, label]"),
        ({"data": {"a": "x", "b": "y"}, "annotations": []}, "'data' has no 'text', and not exactly one other string"),
        ({"data": TEXT, "annotations": [{"result": 3}]}, "the 'result' of an annotation is not a list"),
        ({"data": TEXT, "annotations": [{"result": [3]}]}, "the 'result' of an annotation is not a list"),
        ([], "this line is not a JSON object"),
        ([3], "this line is not a JSON object"),
        (["Ada left.", 3], "this line is not a JSON object"),
        ("text", "this line is not a JSON object"),
    ],
)
def test_annotation_that_no_tool_writes_is_an_error(value: Any, message: str) -> None:
    docs, problems = read(value)
    assert docs == []
    assert [str(error)[: len(message) + 17] for error in problems.errors] == [f"x.jsonl, line 1: {message}"]
