"""Docs: annotation that spaCy rejects is an error, and spaces come from the text."""

import pytest
import spacy

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import AnnotatedText, find_spaces, make_doc

VOCAB = spacy.blank("en").vocab


def test_annotation_that_spacy_rejects_is_an_error() -> None:
    file = CorpusFile("x", [])
    assert make_doc(AnnotatedText(3, ["a", "b"], [True, False], ["O", "O"], pos=["NOUN", "NONE"]), VOCAB, file) is None
    (error,) = file.problems.errors
    assert str(error).startswith("x, line 3: spaCy rejects this annotation: [E")


def test_words_that_do_not_spell_the_text_are_a_warning() -> None:
    file = CorpusFile("x", [])
    doc = make_doc(AnnotatedText(3, ["a", "b"], [True, False], ["O", "O"], text="ab"), VOCAB, file)
    assert doc is not None
    assert doc.text == "a b"
    (warning,) = file.problems.warnings
    assert str(warning).startswith("x, line 3: the words spell 'a b', but '# text' is 'ab'.")


@pytest.mark.parametrize(
    ("text", "spaces"),
    [("Rio!", [False, False]), ("Rio ! ", [True, True]), ("Rio?", None), ("Rio  !", None), ("Rio!!", None)],
)
def test_spaces_are_those_of_the_text(text: str, spaces: list[bool] | None) -> None:
    assert find_spaces(["Rio", "!"], text) == spaces
