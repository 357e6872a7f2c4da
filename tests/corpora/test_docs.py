"""Docs: annotation that spaCy rejects is an error, and spaces come from the text."""

import pytest
import spacy

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import AnnotatedText, describe_difference, find_spaces, make_doc

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
    assert str(warning).startswith(
        "x, line 3: the words spell 'a b', but '# text' is 'ab'. Character 2 is U+0020 SPACE"
    )


@pytest.mark.parametrize(
    ("words", "text", "difference"),
    [
        ("a b", "a\u00a0b", "Character 2 is U+0020 SPACE in the words and U+00A0 NO-BREAK SPACE in '# text'."),
        ("a b", "a  b", "Character 3 is 'b' U+0062 LATIN SMALL LETTER B in the words and U+0020 SPACE in '# text'."),
        ("\u00e9", "e\u0301", "'é' U+00E9 LATIN SMALL LETTER E WITH ACUTE in the words and 'e' U+0065"),
        ("a", "a\u200b", "Character 2 is missing in the words and U+200B ZERO WIDTH SPACE in '# text'."),
        ("a\x07", "a", "Character 2 is U+0007 in the words and missing in '# text'."),
    ],
)
def test_the_difference_of_texts_that_look_alike_is_named(words: str, text: str, difference: str) -> None:
    assert difference in describe_difference(words, text)


def test_a_text_that_spacys_pipelines_refuse_is_an_error() -> None:
    file = CorpusFile("x", [])
    assert make_doc(AnnotatedText(3, ["a" * 1_000_001], [False], ["O"]), VOCAB, file) is None
    assert [str(error) for error in file.problems.errors] == [
        "x, line 3: this text has 1,000,001 characters, but spaCy's pipelines accept 1,000,000. Split it."
    ]


@pytest.mark.parametrize(
    ("text", "spaces"),
    [("Rio!", [False, False]), ("Rio ! ", [True, True]), ("Rio?", None), ("Rio  !", None), ("Rio!!", None)],
)
def test_spaces_are_those_of_the_text(text: str, spaces: list[bool] | None) -> None:
    assert find_spaces(["Rio", "!"], text) == spaces
