"""The linear model of n-grams: which n-grams docs have, their scores and gradients."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc

from spacy_bilstm.bridge.model_types import DocScoresModel
from spacy_bilstm.bridge.ngrams import find_ngrams, ngram_scores

VOCAB = spacy.blank("en").vocab  # A bare vocab has no norms.
ROWS = 2**30  # So many that no two n-grams of a test share a row.
words = st.lists(st.sampled_from(["it", "was", "not", "bad", "\n"]), max_size=6)


def make_docs(texts: list[list[str]]) -> list[Doc]:
    return [Doc(VOCAB, words=text) for text in texts]


def list_ngrams(text: list[str], ngram_size: int) -> list[tuple[str, ...]]:
    """Return the n-grams of a text, by their definition."""
    inner = [word for word in text if not word.isspace()]
    bounded = ["<start>", *inner, "<end>"]
    longer = [tuple(bounded[i : i + n]) for n in range(2, ngram_size + 1) for i in range(len(bounded) - n + 1)]
    return [(word,) for word in inner] + longer


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(words, max_size=4), ngram_size=st.integers(1, 4))
def test_docs_share_rows_exactly_for_the_ngrams_they_share(texts: list[list[str]], ngram_size: int) -> None:
    rows, lengths = find_ngrams(make_docs(texts), ngram_size, ROWS)
    expected = [list_ngrams(text, ngram_size) for text in texts]
    assert lengths.tolist() == [len(ngrams) for ngrams in expected]
    ngrams = [ngram for of_doc in expected for ngram in of_doc]
    assert len(set(rows.tolist())) == len(set(ngrams))
    found = numpy.split(rows, numpy.cumsum(lengths)[:-1]) if texts else []
    for of_doc, of_text in zip(found, expected, strict=True):
        for other, other_text in zip(found, expected, strict=True):
            assert len(set(of_doc) & set(other)) == len(set(of_text) & set(other_text))


def test_a_word_beside_the_start_differs_from_the_word_alone() -> None:
    rows, _ = find_ngrams(make_docs([["bad"]]), 3, ROWS)
    assert len(set(rows.tolist())) == 4  # bad, start + bad, bad + end, start + bad + end


def test_upper_case_makes_no_difference() -> None:
    (upper, _), (lower, _) = (find_ngrams(make_docs([[word, "bad"]]), 2, ROWS) for word in ("Not", "not"))
    assert_array_equal(upper, lower)


def make_layer(ngram_size: int = 2) -> DocScoresModel:
    """Return a layer with random weights for two classes."""
    layer = ngram_scores(2, ngram_size, 64, scale=2.0)
    layer.initialize()
    rng = numpy.random.default_rng(0)
    layer.set_param("W", rng.normal(size=(64, 2)).astype("f"))
    layer.set_param("b", rng.normal(size=2).astype("f"))
    return layer


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(words, min_size=1, max_size=4))
def test_scores_are_those_of_each_doc_alone(texts: list[list[str]]) -> None:
    layer, docs = make_layer(), make_docs(texts)
    assert_allclose(layer.predict(docs), numpy.concatenate([layer.predict([doc]) for doc in docs]), rtol=1e-6)


def test_scores_are_scaled_sums_of_weights_over_the_root_of_their_number() -> None:
    layer, docs = make_layer(), make_docs([["not", "bad"], []])
    rows, lengths = find_ngrams(docs, 2, 64)
    W, b = layer.get_param("W"), layer.get_param("b")
    assert lengths.tolist() == [5, 1]
    expected = [2 * W[rows[:5]].sum(axis=0) / 5**0.5 + b, 2 * W[rows[5]] + b]
    assert_allclose(layer.predict(docs), expected, rtol=1e-5)


def test_no_docs_have_no_scores() -> None:
    assert make_layer().predict([]).shape == (0, 2)


def test_the_gradient_is_that_of_the_scores() -> None:
    layer, docs = make_layer(), make_docs([["not", "bad", "not"], [], ["bad"]])
    d_scores = numpy.random.default_rng(1).normal(size=(3, 2)).astype("f")

    def compute_loss() -> float:
        return float((layer.predict(docs) * d_scores).sum())

    layer(docs, is_train=True)[1](d_scores)
    W = layer.get_param("W")
    for row, column in [(row, column) for row in find_ngrams(docs, 2, 64)[0] for column in (0, 1)]:
        before = W[row, column]
        losses = []
        for change in (0.5, -0.5):
            W[row, column] = before + change
            losses.append(compute_loss())
        W[row, column] = before
        assert losses[0] - losses[1] == pytest.approx(layer.get_grad("W")[row, column], abs=1e-4)
    assert_allclose(layer.get_grad("b"), d_scores.sum(axis=0), rtol=1e-5)
