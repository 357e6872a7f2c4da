"""Columns: the file tells its layout, comments give ids and spaces, and every problem has its line."""

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bilstm.corpora.columns import TaggedSentence, read_columns, read_tagged_sentences
from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import make_doc
from spacy_bilstm.corpora.problems import Problems

NLP = spacy.blank("en")
PLAIN = "Ann\tB-PER\nsleeps\tO\n\t\n#Rio\tB-LOC\n\n"
FOUR_COLUMNS = "-DOCSTART- -X- O O\n\nAnn NNP B-NP I-PER\nsleeps VBZ B-VP O\n\nRio NNP B-NP I-LOC\n"
NUMBERED = (
    "# sent_id = a\n# text = Ann sleeps\n1\tAnn\tB-PER\t-\tx\n2\tsleeps\tO\t-\t-\n\n"
    "# sent_id = b\n# text = Rio!\n1-2\tRio!\t_\t-\t-\n1\tRio\tB-LOC\t-\tx\n2\t!\tO\t-\t-\n2.1\tis\t_\t-\t-\n"
)


def read(text: str) -> tuple[list[TaggedSentence], Problems]:
    file = CorpusFile("x.iob2", text.split("\n"))
    return read_tagged_sentences(file), file.problems


def read_docs(text: str) -> tuple[list[Doc | None], Problems]:
    file = CorpusFile("x.iob2", text.split("\n"))
    return [make_doc(sentence, NLP.vocab, file) for sentence in read_columns(file, NLP, None)], file.problems


@pytest.mark.parametrize(
    ("text", "words", "tags"),
    [
        (PLAIN, [["Ann", "sleeps"], ["#Rio"]], [["B-PER", "O"], ["B-LOC"]]),
        (FOUR_COLUMNS, [["Ann", "sleeps"], ["Rio"]], [["B-PER", "O"], ["B-LOC"]]),
        (NUMBERED, [["Ann", "sleeps"], ["Rio", "!"]], [["B-PER", "O"], ["B-LOC", "O"]]),
        ("# O\n1 O\n2 O\na I-X\n", [["#", "1", "2", "a"]], [["O", "O", "O", "B-X"]]),
        ("\n\n", [], []),
    ],
    ids=["plain", "four columns", "numbered", "tokens like comments", "empty"],
)
def test_the_layout_is_detected(text: str, words: list[list[str]], tags: list[list[str]]) -> None:
    sentences, problems = read(text)
    assert problems == Problems()
    assert [sentence.words for sentence in sentences] == words
    assert [sentence.tags for sentence in sentences] == tags


def test_the_text_comment_gives_the_spaces() -> None:
    docs, problems = read_docs(NUMBERED)
    assert problems == Problems()
    assert [doc and doc.text for doc in docs] == ["Ann sleeps", "Rio!"]
    assert [[ent.label_ for ent in doc.ents] for doc in docs if doc] == [["PER"], ["LOC"]]


def test_without_a_text_comment_a_space_follows_each_token() -> None:
    docs, _ = read_docs("Rio B-LOC\n! O\n")
    assert [doc and doc.text for doc in docs] == ["Rio !"]


def test_a_text_that_the_words_do_not_spell_is_a_warning() -> None:
    docs, problems = read_docs(NUMBERED.replace("# text = Rio!", "# text = Lima!"))
    assert docs[1] is not None
    assert docs[1].text == "Rio !"
    (warning,) = problems.warnings
    assert str(warning).startswith("x.iob2, line 6: the words do not spell the '# text', 'Lima!'.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tO\nb\tO\nc\n", "x.iob2, line 3: the token 'c' has no tag"),
        ("a\tO\nb\tO\nc\tX\n", "x.iob2, line 3: 'X' is not an entity tag"),
        ("a\tB-X\nb\tO\nc\tI-X\n", "x.iob2, line 3: 'I-X' follows 'O'"),
    ],
)
def test_invalid_annotation_is_a_warning_and_missing(text: str, message: str) -> None:
    (sentence,), problems = read(text)
    assert sentence.words == ["a", "b", "c"]
    assert sentence.tags[2] == ""
    assert [str(warning)[: len(message)] for warning in problems.warnings] == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Ann NNP\nsleeps VBZ\n", "x.iob2, line 1: no column contains entity tags"),
        ("Ann\tO\n\tO\n", "x.iob2, line 2: this row has no token"),
        ("Ann\tO\n\n\tO\n", "x.iob2, line 3: this row has no token"),
    ],
)
def test_a_row_or_file_that_cannot_be_read_is_an_error(text: str, message: str) -> None:
    _, problems = read_docs(text)
    assert [str(error)[: len(message)] for error in problems.errors] == [message]
