"""Docs with other whitespace between their words."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_bilstm.experiments.replaced_spaces import find_spaces, replace_spaces

NLP = spacy.blank("en")
TEXT = "Ada Byron lives in New York. She left Oslo, they say."
WHITESPACE = st.text(" \t\n\r\xa0\u2009\u3000", min_size=1, max_size=4)
some_whitespace = st.lists(st.sampled_from([" ", "  ", "\xa0", "\r\n"]) | WHITESPACE, min_size=10, max_size=10)


def make_doc(tree: bool = True) -> Doc:
    """Make a doc of two sentences with every kind of annotation."""
    doc = NLP.make_doc(TEXT)
    words, spaces = [token.text for token in doc], [bool(token.whitespace_) for token in doc]
    starts = [i in (0, 7) for i in range(len(words))]
    parse = {"heads": [1, 2, 2, 2, 5, 3, 2, 8, 8, 8, 8, 12, 8, 8], "deps": [f"dep-{word}" for word in words]}
    doc = Doc(
        NLP.vocab,
        words=words,
        spaces=spaces,
        tags=[f"tag-{word}" for word in words],
        pos=["NOUN"] * len(words),
        morphs=["Number=Sing"] * len(words),
        lemmas=[f"lemma-{word}" for word in words],
        **(parse if tree else {"sent_starts": starts}),  # type: ignore[arg-type]
    )
    doc.ents = [Span(doc, 0, 2, "PER", kb_id="Q7259"), Span(doc, 4, 6, "LOC"), Span(doc, 9, 10, "LOC")]
    doc.spans["places"] = [Span(doc, 4, 6, "CITY", span_id="1"), Span(doc, 3, 6, "WHERE")]
    doc.cats = {"news": 1.0}
    return doc


DOCS = [make_doc(), make_doc(tree=False)]


def normalize(text: str) -> str:
    return " ".join(text.split())


@given(some_whitespace)
def test_the_text_has_the_new_whitespace_and_the_tokenizers_tokens(whitespace: list[str]) -> None:
    doc = replace_spaces(DOCS[0], whitespace)
    assert normalize(doc.text) == TEXT
    assert doc.text == "".join(word + space for word, space in zip(TEXT.split(), [*whitespace, ""], strict=True))
    assert [(token.text, token.whitespace_) for token in doc] == [
        (token.text, token.whitespace_) for token in NLP.make_doc(doc.text)
    ]


@settings(max_examples=50, deadline=None)
@given(some_whitespace, st.sampled_from(DOCS))
def test_the_words_keep_their_annotation(whitespace: list[str], original: Doc) -> None:
    doc = replace_spaces(original, whitespace)
    words = [token for token in doc if not token.is_space]
    assert [token.text for token in words] == [token.text for token in original]
    for token, before in zip(words, original, strict=True):
        for attr in ("tag_", "pos_", "lemma_", "dep_", "ent_type_", "ent_iob_", "ent_kb_id_", "is_sent_start"):
            assert getattr(token, attr) == getattr(before, attr)
        assert token.morph == before.morph
        assert token.head.text == before.head.text
    assert doc.cats == original.cats
    assert original.text == TEXT


@settings(max_examples=50, deadline=None)
@given(some_whitespace, st.sampled_from(DOCS))
def test_entities_sentences_and_spans_keep_their_strings(whitespace: list[str], original: Doc) -> None:
    doc = replace_spaces(original, whitespace)
    assert [(normalize(ent.text), ent.label_, ent.kb_id_) for ent in doc.ents] == [
        (ent.text, ent.label_, ent.kb_id_) for ent in original.ents
    ]
    assert not any(token.is_space for ent in doc.ents for token in (ent[0], ent[-1]))
    assert [normalize(sentence.text) for sentence in doc.sents] == [sentence.text for sentence in original.sents]
    assert [(normalize(span.text), span.label_, span.id_) for span in doc.spans["places"]] == [
        (span.text, span.label_, span.id_) for span in original.spans["places"]
    ]


@pytest.mark.parametrize("original", DOCS)
def test_inserted_whitespace_has_no_annotation_but_its_place(original: Doc) -> None:
    doc = replace_spaces(original, ["\n"] * len(find_spaces(original)))
    inserted = [token for token in doc if token.is_space]
    assert len(inserted) == 10
    for token in inserted:
        assert (token.tag, token.pos, token.lemma, str(token.morph)) == (0, 0, 0, "")
        assert not token.is_sent_start
        if original.has_annotation("DEP"):
            assert (token.head, token.dep_) == (token.nbor(-1), "dep")
        inside = token.nbor(-1).ent_iob_ in "BI" and token.nbor().ent_iob_ == "I"
        assert token.ent_iob_ == ("I" if inside else "O")


def test_missing_annotation_stays_missing() -> None:
    doc = Doc(NLP.vocab, words=["Ada", "and", "what", "else"], ents=["B-PER", "O", "O", "O"])
    doc.set_ents([doc.ents[0]], missing=[doc[2:4]], default="outside")
    changed = replace_spaces(doc, ["\n"] * 3)
    assert [token.ent_iob for token in changed] == [3, 2, 2, 0, 0, 0, 0]
    assert not changed.has_annotation("TAG")
    assert not changed.has_annotation("SENT_START")
    assert not changed.has_annotation("DEP")
    assert not replace_spaces(NLP.make_doc("a b"), ["\n"]).has_annotation("ENT_IOB")


def test_whitespace_that_is_a_token_already_is_left_alone() -> None:
    doc = NLP.make_doc("a  b\n c d ")
    assert [doc[i].text for i in find_spaces(doc)] == ["c"]
    assert replace_spaces(doc, ["\t"]).text == "a  b\n c\td "


@pytest.mark.parametrize("text", ["", " ", "one", "one ", "\n\n"])
def test_a_doc_without_spaces_between_words_is_unchanged(text: str) -> None:
    assert replace_spaces(NLP.make_doc(text), []).text == text


@pytest.mark.parametrize("whitespace", [["x"], [""], [], [" ", " "]])
def test_other_strings_than_one_whitespace_a_space_are_an_error(whitespace: list[str]) -> None:
    with pytest.raises(ValueError, match=r"is not whitespace|has 1 spaces"):
        replace_spaces(NLP.make_doc("a b"), whitespace)
