"""Columns: the file tells which of them count, its comments give ids and spaces, and nothing is lost in silence."""

import pytest
import spacy

from spacy_bilstm.corpora.columns import TaggedSentence, find_spaces, read_columns, tagged_to_doc
from spacy_bilstm.corpora.problems import Problems

VOCAB = spacy.blank("en").vocab
PLAIN = "Ann\tB-PER\nsleeps\tO\n\t\n#Rio\tB-LOC\n\n"
COLUMNS_OF_FOUR = "-DOCSTART- -X- O O\n\nAnn NNP B-NP I-PER\nsleeps VBZ B-VP O\n\nRio NNP B-NP I-LOC\n"
NUMBERED = (
    "# sent_id = a\n# text = Ann sleeps\n1\tAnn\tB-PER\t-\tx\n2\tsleeps\tO\t-\t-\n\n"
    "# sent_id = b\n# text = Rio!\n1-2\tRio!\t_\t-\t-\n1\tRio\tB-LOC\t-\tx\n2\t!\tO\t-\t-\n2.1\tis\t_\t-\t-\n"
)


def read(text: str) -> tuple[list[TaggedSentence], Problems]:
    problems = Problems()
    return read_columns(text.split("\n"), "x.iob2", problems), problems


@pytest.mark.parametrize(
    ("text", "words", "tags"),
    [
        (PLAIN, [["Ann", "sleeps"], ["#Rio"]], [["B-PER", "O"], ["B-LOC"]]),
        (COLUMNS_OF_FOUR, [["Ann", "sleeps"], ["Rio"]], [["B-PER", "O"], ["B-LOC"]]),
        (NUMBERED, [["Ann", "sleeps"], ["Rio", "!"]], [["B-PER", "O"], ["B-LOC", "O"]]),
        ("# O\n1 O\n2 O\na I-X\n", [["#", "1", "2", "a"]], [["O", "O", "O", "B-X"]]),
        ("\n\n", [], []),
    ],
)
def test_layouts(text: str, words: list[list[str]], tags: list[list[str]]) -> None:
    sentences, problems = read(text)
    assert problems == Problems()
    assert [sentence.words for sentence in sentences] == words
    assert [sentence.tags for sentence in sentences] == tags


def test_the_text_gives_the_spaces() -> None:
    problems = Problems()
    docs = [tagged_to_doc(sentence, VOCAB, "x", problems) for sentence in read(NUMBERED)[0]]
    assert [doc.text for doc in docs] == ["Ann sleeps", "Rio!"]
    assert [[ent.label_ for ent in doc.ents] for doc in docs] == [["PER"], ["LOC"]]
    assert problems == Problems()
    assert find_spaces(["Rio", "?"], "Rio!") is None
    sentence = read(NUMBERED.replace("# text = Rio!", "# text = Lima!"))[0][1]
    assert tagged_to_doc(sentence, VOCAB, "x", problems).text == "Rio !"
    assert "x, line 6: the words do not spell" in str(problems.warnings[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tO\nb\tO\nc\n", "x.iob2, line 3: the token 'c' has no tag"),
        ("a\tO\nb\tO\nc\tX\n", "x.iob2, line 3: 'X' is not an entity tag"),
        ("a\tB-X\nb\tO\nc\tI-X\n", "x.iob2, line 3: 'I-X' follows 'O'"),
    ],
)
def test_annotation_that_is_not_valid_is_missing(text: str, message: str) -> None:
    (sentence,), problems = read(text)
    assert sentence.words == ["a", "b", "c"]
    assert sentence.tags[2] == ""
    assert [str(warning)[: len(message)] for warning in problems.warnings] == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Ann NNP\nsleeps VBZ\n", "x.iob2, line 1: no column holds entity tags"),
        ("Ann\tO\n\tO\n", "x.iob2, line 2: a row without a token"),
    ],
)
def test_what_cannot_be_read_is_an_error(text: str, message: str) -> None:
    _, problems = read(text)
    assert [str(error)[: len(message)] for error in problems.errors] == [message]
