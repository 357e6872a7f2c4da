"""Counts of the vocabulary of raw text."""

import spacy
from spacy.tokens import Doc

from spacy_bilstm.experiments.vocabulary import count_vocabulary

VOCAB = spacy.blank("en").vocab


def make_docs(texts: list[str]) -> list[Doc]:
    return [Doc(VOCAB, words=text.split()) for text in texts]


def test_words_are_counted_up_to_each_size() -> None:
    docs = make_docs(["aa bb cc"] * 200 + ["aa bb cc", "dd dd Dd", "ee ee ff"])
    table = count_vocabulary(docs, make_docs(["aa bb dd gg"]), (600, 609))
    first, second = (dict(zip(table.header, row, strict=True)) for row in table.rows)
    assert (first["words"], first["three times"], first["suffixes"], first["shapes"]) == ("600", "3", "3", "1")
    assert (second["words"], second["suffixes"], second["shapes"]) == ("609", "7", "2")
    assert (first["unseen"], second["unseen"]) == ("50.0 %", "25.0 %")
    assert first["taken for seen"] == "0.0 %"


def test_sizes_beyond_the_text_have_no_row() -> None:
    assert count_vocabulary(make_docs(["aa"]), make_docs(["aa"]), (5,)).rows == []
