"""Documents: sentences are joined as the file says, with their annotation."""

from itertools import pairwise

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import AnnotatedText
from spacy_bilstm.corpora.documents import group_sentences, make_document

VOCAB = spacy.blank("en").vocab


def make_sentence(word: str, tree: bool = True, space_after: bool = True, new: str = "") -> AnnotatedText:
    return AnnotatedText(
        line=1,
        words=[word, "."],
        spaces=[False, False],
        entities=["B-X", ""],
        tags=["A", "B"],
        heads=[0, 0] if tree else None,
        deps=["ROOT", "punct"] if tree else None,
        sent_starts=None if tree else [True, False],
        text=f"{word}.",
        starts_document="d" in new,
        starts_paragraph="p" in new,
        space_after=space_after,
    )


def join(*sentences: AnnotatedText) -> Doc:
    file = CorpusFile("x", [])
    doc = make_document(sentences, VOCAB, file)
    assert file.problems.errors == file.problems.warnings == []
    assert doc is not None
    return next(iter(DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(VOCAB)))


@pytest.mark.parametrize("tree", [True, False])
def test_a_document_has_the_annotation_of_its_sentences(tree: bool) -> None:
    doc = join(*(make_sentence(word, tree) for word in "abc"))
    assert doc.text == "a. b. c."
    assert [sentence.text for sentence in doc.sents] == ["a.", "b.", "c."]
    assert [token.ent_iob_ for token in doc] == ["B", ""] * 3
    assert [token.tag_ for token in doc] == ["A", "B"] * 3
    assert [token.head.i for token in doc] == ([0, 0, 2, 2, 4, 4] if tree else [0, 1, 2, 3, 4, 5])
    assert doc.has_annotation("DEP") == tree


@pytest.mark.parametrize(
    ("space_after", "new", "text"),
    [(True, "", "a. b."), (False, "", "a.b."), (False, "p", "a. b."), (True, "p", "a. b.")],
)
def test_sentences_are_joined_as_the_file_says_and_paragraphs_by_a_space(
    space_after: bool, new: str, text: str
) -> None:
    assert join(make_sentence("a", space_after=space_after), make_sentence("b", new=new)).text == text


def test_a_document_of_one_sentence_ends_without_a_space() -> None:
    assert join(make_sentence("a")).text == "a."


@pytest.mark.parametrize("sentences_per_doc", [None, 9])
def test_a_document_ends_where_sentences_with_and_without_trees_meet(sentences_per_doc: int | None) -> None:
    """spaCy finds sentences by trees alone, so a sentence without tree would join the one before it."""
    sentences = [
        make_sentence(str(i), tree, new="d" * (i == 0)) for i, tree in enumerate([True, True, False, False, True])
    ]
    groups = group_sentences(sentences, sentences_per_doc)
    assert [[sentence.words[0] for sentence in group] for group in groups] == [["0", "1"], ["2", "3"], ["4"]]


def test_a_document_that_spacys_pipelines_refuse_is_an_error() -> None:
    file = CorpusFile("x", [])
    sentences = [AnnotatedText(i, ["a" * 600_000], [False], ["O"]) for i in (3, 5)]
    assert make_document(sentences, VOCAB, file) is None
    (error,) = file.problems.errors
    assert str(error).startswith("x, line 3: the document that starts here has 1,200,001 characters")


def test_a_rejected_sentence_is_an_error_with_its_own_line() -> None:
    file = CorpusFile("x", [])
    sentences = [AnnotatedText(i, ["a"], [False], ["O"], pos=[pos]) for i, pos in ((3, "NOUN"), (5, "NONE"))]
    assert make_document(sentences, VOCAB, file) is None
    (error,) = file.problems.errors
    assert str(error).startswith("x, line 5: spaCy rejects this annotation")


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.text("aé🙂", min_size=1, max_size=3), st.booleans(), st.sampled_from(["", "", "d", "p"]))),
    st.none() | st.integers(1, 4),
)
def test_any_corpus_keeps_its_sentences_and_its_text(parts: list[tuple[str, bool, str]], limit: int | None) -> None:
    sentences = [make_sentence(word, space_after=space, new=new) for word, space, new in parts]
    groups = group_sentences(sentences, limit)
    docs = [join(*group) for group in groups]
    assert [sentence.text for doc in docs for sentence in doc.sents] == [f"{word}." for word, _, _ in parts]
    assert [doc[0].text for doc in docs] == [group[0].words[0] for group in groups]
    assert all(1 <= len(group) <= (limit or len(parts)) for group in groups)
    assert not any(sentence.starts_document for group in groups for sentence in group[1:])
    for doc, group in zip(docs, groups, strict=True):
        spaces = [now.space_after or after.starts_paragraph for now, after in pairwise(group)]
        assert doc.text == "".join(f"{s.text}{' ' * space}" for s, space in zip(group, [*spaces, False], strict=True))
