"""Statistics: what is counted, and which rows the table has."""

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bilstm.corpora import count_corpus

VOCAB = spacy.blank("en").vocab


def test_words_tags_entities_and_categories_are_counted() -> None:
    first = Doc(VOCAB, words=["in", "Rio", "in"], tags=["IN", "NNP", "IN"], ents=["O", "B-LOC", "O"])
    second = Doc(VOCAB, words=["Ann"], ents=["B-PER"])
    second.cats = {"NEWS": 1.0, "SPORT": 0.0}
    statistics = count_corpus([first, second])
    assert (statistics.n_docs, statistics.n_tokens, statistics.n_types, statistics.n_tags) == (2, 4, 3, 2)
    assert statistics.entities == {"LOC": 1, "PER": 1}
    assert statistics.categories == {"NEWS": 1, "SPORT": 0}
    assert statistics.n_docs_with_missing_entities == 0
    assert statistics.unseen_tokens is None


def test_unseen_words_are_shares_of_tokens_and_of_types() -> None:
    statistics = count_corpus([Doc(VOCAB, words=["in", "Lima", "Lima", "on"])], {"in", "on"})
    assert (statistics.unseen_tokens, statistics.unseen_types) == (0.5, 1 / 3)
    assert statistics.to_rows()[-2:] == [("Unseen tokens", "50.0 %"), ("Unseen types", "33.3 %")]


@pytest.mark.parametrize("n_annotated", [0, 1])
def test_docs_with_missing_entities_have_a_row_also_if_all_entities_are_missing(n_annotated: int) -> None:
    annotated, plain = Doc(VOCAB, words=["a"], ents=["O"]), Doc(VOCAB, words=["a"])
    row = ("Documents with missing entities", "1")
    assert row in count_corpus([annotated] * n_annotated + [plain]).to_rows()
    assert row[0] not in dict(count_corpus([annotated]).to_rows())


def test_documents_and_sentences_are_counted() -> None:
    two = Doc(VOCAB, words=["a", "b", "c"], sent_starts=[True, False, True])
    parsed = Doc(VOCAB, words=["a", "b"], heads=[0, 0], deps=["ROOT", "x"])
    rows = count_corpus([two, parsed, Doc(VOCAB, words=["a"])]).to_rows()
    assert rows[:2] == [("Documents", "3"), ("Sentences", "4")]


def test_sentences_that_are_not_annotated_are_not_counted() -> None:
    rows = count_corpus([Doc(VOCAB, words=["a", "b"]), Doc(VOCAB, words=["a"])]).to_rows()
    assert rows[:2] == [("Documents", "2"), ("Sentences", "not annotated")]
