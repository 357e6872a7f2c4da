"""The sentences with the most errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from toy_predictions import annotate_randomly, make_pipeline, score_examples

from spacy_bilstm.evaluation.outcomes import Outcomes, compare_corpus
from spacy_bilstm.evaluation.worst_sentences import Piece, Sentence, find_worst_sentences

NLP = make_pipeline("tagger", "ner")


def find(seed: int, n: int) -> tuple[Outcomes, list[Sentence]]:
    annotated = annotate_randomly(NLP, seed)
    outcomes = compare_corpus(NLP, annotated)
    return outcomes, find_worst_sentences(annotated, outcomes, n)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_sentences_with_the_most_errors_come_first_and_have_all_errors(seed: int) -> None:
    outcomes, sentences = find(seed, 1000)
    counts = [sentence.n_errors for sentence in sentences]
    assert counts == sorted(counts, reverse=True)
    n_tags = sum(len(doc.confusions) for doc in outcomes.tokens["tag"])
    n_entities = sum(len(doc.missed) + len(doc.incorrect) for doc in outcomes.entities)
    assert sum(counts) == n_tags + n_entities


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_pieces_of_a_sentence_are_its_text(seed: int) -> None:
    for sentence in find(seed, 1000)[1]:
        for pieces in (sentence.gold, sentence.predicted):
            assert "".join(piece.text for piece in pieces) == sentence.text


@pytest.mark.parametrize("n", [0, 2])
def test_no_more_sentences_are_returned_than_requested(n: int) -> None:
    assert len(find(0, n)[1]) == n


def test_errors_are_marked_on_both_sides() -> None:
    gold = Doc(NLP.vocab, ["Anna", "met", "Bo"], tags=["A", "B", "C"], ents=["B-PER", "O", "B-PER"])
    predicted = Doc(NLP.vocab, ["Anna", "met", "Bo"], tags=["A", "X", "C"], ents=["B-PER", "O", "B-ORG"])
    annotated = score_examples(NLP, [Example(predicted, gold)])
    (sentence,) = find_worst_sentences(annotated, compare_corpus(NLP, annotated), 1)
    assert sentence.gold == [Piece("Anna", "PER"), Piece(" met "), Piece("Bo", "PER", is_correct=False)]
    assert sentence.predicted == [Piece("Anna", "PER"), Piece(" met "), Piece("Bo", "ORG", is_correct=False)]
    assert [(token.text, token.gold, token.predicted) for token in sentence.tokens] == [("met", "B", "X")]
    assert sentence.n_errors == 3


def test_a_corpus_without_annotation_has_no_errors() -> None:
    doc = Doc(NLP.vocab, ["Anna", "left"])
    annotated = score_examples(NLP, [Example(doc, doc.copy())])
    assert find_worst_sentences(annotated, compare_corpus(NLP, annotated), 5) == []
