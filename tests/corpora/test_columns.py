"""Columns: the file tells its layout, comments give ids and spaces, and every problem has its line."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm.corpora.columns import TaggedSentence, read_columns, read_tagged_sentences
from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import make_doc
from spacy_bilstm.corpora.problems import Problems
from spacy_bilstm.util.lines import split_lines

NLP = spacy.blank("en")
PLAIN = "Ann\tB-PER\nsleeps\tO\n\t\n#Rio\tB-LOC\n\n"
FOUR_COLUMNS = "-DOCSTART- -X- O O\n\nAnn NNP B-NP I-PER\nsleeps VBZ B-VP O\n\nRio NNP B-NP I-LOC\n"
NUMBERED = (
    "# sent_id = a\n# text = Ann sleeps\n1\tAnn\tB-PER\t-\tx\n2\tsleeps\tO\t-\t-\n\n"
    "# sent_id = b\n# text = Rio!\n1-2\tRio!\t_\t-\t-\n1\tRio\tB-LOC\t-\tx\n2\t!\tO\t-\t-\n2.1\tis\t_\t-\t-\n"
)

# Universal NER's training file of English-EWT: only entities have an annotator.
SHORT_ROWS = "# sent_id = a\n1\tAnn\tB-PER\t-\tx\n2\tsleeps\tO\n3\tnow\tO\n\n1\tRio\tB-LOC\t-\tx\n2\t!\tO\n"


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
        (SHORT_ROWS, [["Ann", "sleeps", "now"], ["Rio", "!"]], [["B-PER", "O", "O"], ["B-LOC", "O"]]),
        ("# O\n1 O\n2 O\na I-X\n", [["#", "1", "2", "a"]], [["O", "O", "O", "B-X"]]),
        ("\n\n", [], []),
        ("# id 1\tdomain=en\nada _ _ B-PER\nleft _ _ O\n\n", [["ada", "left"]], [["B-PER", "O"]]),
        ("Ann  B-PER \nleft\t O\nRio B-LOC\n", [["Ann", "left", "Rio"]], [["B-PER", "O", "B-LOC"]]),
        ("New York\tB-LOC\nbig \tO\n", [["New York", "big"]], [["B-LOC", "O"]]),
        ("10\u00a0000 B-MONEY\n\u00a0 O\n", [["10\u00a0000", "\u00a0"]], [["B-MONEY", "O"]]),
    ],
    ids=[
        "plain",
        "four columns",
        "numbered",
        "columns left out",
        "tokens like comments",
        "empty",
        "MultiCoNER",
        "mixed",
        "tabs",
        "NBSP",
    ],
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
        ("a\tO\nb\tO\nc\t\n", "x.iob2, line 3: the token 'c' has no tag"),
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
        ("# a = b\n\nAnn NNP\n", "x.iob2, line 3: no column contains entity tags"),
        ("Ada B-PER\nleft O\n\t O\nLeeds B-LOC\n", "x.iob2, line 3: this row has 1 column, but most rows have 2."),
        (
            "a\tO\nb\tO\nc\n",
            "x.iob2, line 3: this row has 1 column, but most rows have 2. Separate",
        ),
        ("a\tO\nb\tO\tx\nc\tO\n", "x.iob2, line 2: this row has 3 columns, but most rows have 2."),
        ("1\ta\tO\n2\tb\n3\tc\tO\n", "x.iob2, line 2: this row has 2 columns, but most rows have 3."),
        ("1 a O\n2 De La Cruz B-PER\n3 c O\n", "x.iob2, line 2: this row has 5 columns, but most rows have 3."),
        ("a O\nb O\n# A O\n", "x.iob2, line 3: this row has 3 columns, but most rows have 2."),
        ("Ann\tO\n\tO\n", "x.iob2, line 2: this row has no token"),
        ("Ann\tO\n\n\tO\n", "x.iob2, line 3: this row has no token"),
    ],
)
def test_a_row_or_file_that_cannot_be_read_is_an_error(text: str, message: str) -> None:
    _, problems = read_docs(text)
    assert [str(error)[: len(message)] for error in problems.errors] == [message]


def test_every_row_with_another_number_of_columns_is_an_error() -> None:
    text = "He _ O O\nmet _ O O\nDe La Cruz _ O I-PER\nin _ O O\nNew York _ O I-LOC\n. _ O O\n"
    _, problems = read(text)
    assert [(error.line, error.message.split(",")[0]) for error in problems.errors] == [
        (3, "this row has 6 columns"),
        (5, "this row has 5 columns"),
    ]
    assert "no token may contain one" in problems.errors[0].message


# Any token that a column can hold: no tab, no line end, no space at its ends; "#" and digits mean more than a token.
tokens = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r#"), min_size=1).filter(
    lambda word: word.strip(" ") == word and not word[0].isdigit() and not word.startswith("-DOCSTART-")
)
sentences = st.lists(st.tuples(tokens, st.sampled_from(["O", "B-X", "B-Y z"])), min_size=1, max_size=5)


@settings(max_examples=40)
@given(st.lists(sentences, min_size=1, max_size=4), st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_words_and_tags_are_read_as_they_were_written(corpus: list[list[tuple[str, str]]], end: str) -> None:
    text = (end * 2).join(end.join("\t".join(row) for row in sentence) for sentence in corpus)
    file = CorpusFile("x.iob2", split_lines(text))
    found = [[*zip(sentence.words, sentence.tags, strict=True)] for sentence in read_tagged_sentences(file)]
    assert found == corpus
    assert file.problems == Problems()
