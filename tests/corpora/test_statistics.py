"""Statistics: what is counted, and which rows the table has."""

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


def test_docs_without_entity_annotation_have_a_row_only_if_others_have_it() -> None:
    annotated, plain = Doc(VOCAB, words=["a"], ents=["O"]), Doc(VOCAB, words=["a"])
    row = ("Sentences with missing entities", "1")
    assert row in count_corpus([annotated, plain]).to_rows()
    assert row not in count_corpus([plain]).to_rows()
