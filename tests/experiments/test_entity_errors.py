"""Test the counts of found and missed entities."""

from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_bilstm.experiments.entity_errors import EntityErrors, count_entity_errors, make_table


def make_docs(nlp: Any, texts: list[tuple[str, list[tuple[int, int, str]]]]) -> list[Doc]:
    """Make docs from texts and their entities."""
    docs = []
    for text, entities in texts:
        doc = nlp.make_doc(text)
        doc.ents = [Span(doc, *entity) for entity in entities]
        docs.append(doc)
    return docs


@pytest.fixture(scope="module")
def errors() -> EntityErrors:
    """The errors of a pipeline that labels fixed phrases as LOC."""
    nlp = spacy.blank("en")
    patterns = [{"label": "LOC", "pattern": name} for name in ("Oslo", "Ada", "Grace Hopper spoke", "yesterday")]
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(patterns)
    train = [("Ada saw Oslo", [(0, 1, "PER"), (2, 3, "LOC")]), ("new york Grace", [])]
    gold = [
        ("OSLO or oslo", [(0, 1, "LOC"), (2, 3, "LOC")]),
        ("Ada spoke yesterday", [(0, 1, "PER")]),
        ("Grace Hopper spoke of New York", [(0, 2, "PER"), (4, 6, "LOC")]),
    ]
    return count_entity_errors(nlp, make_docs(nlp, train), make_docs(nlp, gold))


def test_entities_are_counted_by_what_training_saw_of_their_names(errors: EntityErrors) -> None:
    assert errors.by_name == {
        "name seen with this label": {"missed": 2, "other label": 1},
        "unseen name, with an unseen word": {"other bounds": 1},
        "unseen name, all words seen": {"missed": 1},
    }


def test_entities_are_counted_by_label(errors: EntityErrors) -> None:
    assert errors.by_label == {"LOC": {"missed": 3}, "PER": {"other label": 1, "other bounds": 1}}


def test_predicted_entities_that_overlap_no_gold_entity_are_spurious(errors: EntityErrors) -> None:
    assert (errors.n_predicted, errors.n_spurious) == (3, 1)


def test_the_table_has_counts_and_shares(errors: EntityErrors) -> None:
    lines = make_table("", errors.by_name).splitlines()
    assert lines[0] == "|  | entities | found | other label | other bounds | missed |"
    none = "0 (0 %)"
    assert set(lines[2:]) == {
        f"| name seen with this label | 3 | {none} | 1 (33 %) | {none} | 2 (67 %) |",
        f"| unseen name, with an unseen word | 1 | {none} | {none} | 1 (100 %) | {none} |",
        f"| unseen name, all words seen | 1 | {none} | {none} | {none} | 1 (100 %) |",
    }
