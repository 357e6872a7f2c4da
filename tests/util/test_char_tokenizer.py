"""Single characters as tokens: the text stays as it is, and pipelines with the tokenizer are saved and loaded."""

import pickle
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language

TOKENIZER = {"@tokenizers": "spacy-bilstm.CharTokenizer.v1"}


def make_pipeline() -> Language:
    return spacy.blank("xx", config={"nlp": {"tokenizer": TOKENIZER}})


NLP = make_pipeline()


@given(st.text(st.one_of(st.sampled_from(" \n\tAC\u00a0"), st.characters(codec="utf-8"))))
def test_any_text_keeps_its_characters_and_each_is_a_token_or_a_space(text: str) -> None:
    doc = NLP(text)
    assert doc.text == text
    assert all(len(token.text) == 1 for token in doc)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ACG", ["A", "C", "G"]),
        ("A C G", ["A", "C", "G"]),
        ("AC  G", ["A", "C", " ", "G"]),
        (" A", [" ", "A"]),
        ("A\nC", ["A", "\n", "C"]),
        ("", []),
    ],
)
def test_a_single_space_belongs_to_the_token_before_it(text: str, tokens: list[str]) -> None:
    assert [token.text for token in NLP(text)] == tokens


def test_the_tokenizer_is_saved_with_the_pipeline(tmp_path: Path) -> None:
    make_pipeline().to_disk(tmp_path)
    for nlp in (spacy.load(tmp_path), pickle.loads(pickle.dumps(NLP)), make_pipeline().from_bytes(NLP.to_bytes())):
        assert [token.text for token in nlp("ATG c")] == ["A", "T", "G", "c"]


def test_several_processes_split_texts_alike() -> None:
    texts = ["ACGT", "A C", ""]
    assert [len(doc) for doc in NLP.pipe(texts, n_process=2)] == [4, 2, 0]
