"""Whitespace changes no entity and no confidence if the encoder skips it."""

from functools import cache

import numpy
import pytest
from fuzz_pipelines import make_pipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, Span

KEY = "confident"
Entities = list[tuple[list[str], str, float]]
words = st.sampled_from(["Anna", "London", "the", "dog", "travels", ".", "3", "x"])
gaps = st.lists(st.sampled_from([" ", "\n", "\t", "\u00a0"]), max_size=3)


@cache
def get_pipeline(threshold: float = 0.0, skips: bool = True) -> Language:
    return make_pipeline(["bilstm_ner"], "xx", skips, confidences=KEY, threshold=threshold)


def predict(doc: Doc, threshold: float = 0.0, skips: bool = True) -> Entities:
    """Return the words, the label and the confidence of each entity."""
    for _, pipe in get_pipeline(threshold, skips).pipeline:
        doc = pipe(doc)
    scores = doc.spans[KEY].attrs["scores"]
    return [
        ([token.text for token in ent if not token.is_space], ent.label_, score)
        for ent, score in zip(doc.spans[KEY], scores, strict=True)
    ]


def assert_same(left: Entities, right: Entities) -> None:
    assert [entity[:2] for entity in left] == [entity[:2] for entity in right]
    numpy.testing.assert_allclose([entity[2] for entity in left], [entity[2] for entity in right], rtol=1e-5)


@settings(max_examples=100)
@given(st.lists(st.tuples(words, gaps), max_size=8), gaps, st.sampled_from([0.0, 0.05, 0.5]))
def test_whitespace_changes_no_entity_and_no_confidence(
    pairs: list[tuple[str, list[str]]], before: list[str], threshold: float
) -> None:
    vocab = get_pipeline().vocab
    spaced = [*before, *(token for word, gap in pairs for token in (word, *gap))]
    plain = predict(Doc(vocab, words=[word for word, _ in pairs]), threshold)
    assert_same(predict(Doc(vocab, words=spaced), threshold), plain)


@settings(max_examples=40)
@given(st.lists(st.tuples(words, gaps), min_size=1, max_size=6))
def test_whitespace_changes_no_analysis(pairs: list[tuple[str, list[str]]]) -> None:
    nlp = get_pipeline()
    docs = [
        Doc(nlp.vocab, words=[word for word, _ in pairs]),
        Doc(nlp.vocab, words=[token for word, gap in pairs for token in (word, *gap)]),
        Doc(nlp.vocab, words=["\n"]),
    ]
    plain, spaced, empty = nlp.get_pipe("bilstm_ner").k_best(list(nlp.get_pipe("bilstm_tok2vec").pipe(docs)), 3)
    assert [[ent.text.split() for ent in ents] for _, ents in spaced] == [
        [ent.text.split() for ent in ents] for _, ents in plain
    ]
    numpy.testing.assert_allclose([p for p, _ in spaced], [p for p, _ in plain], rtol=1e-5)
    assert empty == [(1.0, [])]


def test_a_sentence_that_starts_with_whitespace_starts_at_its_first_word() -> None:
    vocab = get_pipeline().vocab
    names = ["Anna", "London", "x", "Anna", "travels"]
    for i in range(1, len(names)):
        starts = [j == i for j in range(len(names))]
        spaced = [*names[:i], "\n", *names[i:]]
        doc = Doc(vocab, words=spaced, sent_starts=[j == i for j in range(len(spaced))])
        assert_same(predict(doc), predict(Doc(vocab, words=names, sent_starts=starts)))
        assert not any(ent.start < i < ent.end for ent in doc.ents)


@pytest.mark.parametrize("label", ["", "GPE"])
def test_preset_whitespace_stays(label: str) -> None:
    doc = Doc(get_pipeline().vocab, words=["Anna", "\n", "London", " ", "x"])
    span = Span(doc, 1, 4, label=label)
    doc.set_ents([span] if label else [], blocked=[] if label else [span], default="missing")
    predict(doc)
    assert [(ent.start, ent.end) for ent in doc.ents if ent.start == 1] == ([(1, 4)] if label else [])
    assert not any(ent.start < 4 and ent.end > 1 and ent.start != 1 for ent in doc.ents)


def test_whitespace_that_the_encoder_reads_keeps_its_place_in_the_tag_sequence() -> None:
    vocab = get_pipeline().vocab
    spaced, plain = ["Anna", "\n", "travels", "\n", "\n", "London"], ["Anna", "travels", "London"]
    left, right = (predict(Doc(vocab, words=tokens), skips=False) for tokens in (spaced, plain))
    assert left != right
