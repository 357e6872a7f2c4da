"""Soft targets in docs: what is kept of a teacher's probabilities, and what happens when a doc is stored or changed."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_bilstm.bridge.soft_targets import (
    MIN_PROBABILITY,
    SoftLabels,
    SoftTags,
    copy_soft_targets,
    forget_soft_labels,
    get_soft_labels,
    get_soft_tags,
    set_soft_targets,
)

LABELS = ["ADJ", "NOUN", "PROPN", "VERB"]
INDICES = {label: index for index, label in enumerate(LABELS)}
PROBABILITIES = numpy.array([[0.7, 0.3, 0, 0], [0, 0, 1, 0], [0.25, 0.25, 0.25, 0.25], [0.0005, 0.5, 0, 0.4995]])
TAGS = SoftTags(
    ("PER",),
    numpy.array([1, 2, 2, 1]),
    numpy.array([0, 0, 0, 0, 1, 0]),
    numpy.array([0, 0, 1, 0, 3, 0]),
    numpy.array([1.0, 0.6, 0.4, 0.6, 0.4, 1.0], dtype="f"),
    weight=0.5,
)


def make_doc(**targets: SoftLabels | SoftTags) -> Doc:
    doc = Doc(spacy.blank("en").vocab, words=["a", "b", "c", "d"])
    for name, of_component in targets.items():
        set_soft_targets(doc, name, of_component)
    return doc


def make_labels(weight: float = 1.0) -> SoftLabels:
    return SoftLabels.from_probabilities(PROBABILITIES, LABELS, weight)


@settings(max_examples=50, deadline=None)
@given(n_tokens=st.integers(0, 5), n_labels=st.integers(1, 15), sharpness=st.floats(0.01, 10), seed=st.integers(0, 99))
def test_probabilities_are_kept_except_for_improbable_labels(
    n_tokens: int, n_labels: int, sharpness: float, seed: int
) -> None:
    probabilities = numpy.random.default_rng(seed).dirichlet(numpy.full(n_labels, sharpness), size=n_tokens)
    labels = [f"L{i}" for i in range(n_labels)]
    soft = SoftLabels.from_probabilities(probabilities, labels, max_labels=n_labels)
    found, is_known = soft.to_probabilities({label: i for i, label in enumerate(labels)})
    assert found.shape == probabilities.shape
    assert is_known.all()
    assert_allclose(found.sum(1), numpy.ones(n_tokens), rtol=1e-6)
    assert_allclose(found, probabilities, atol=n_labels * MIN_PROBABILITY + 1e-3)
    if n_tokens:
        best = probabilities.max(1)
        assert_allclose(found[range(n_tokens), probabilities.argmax(1)], best, rtol=n_labels * MIN_PROBABILITY / 0.06)


def test_at_most_the_given_number_of_labels_is_kept() -> None:
    soft = SoftLabels.from_probabilities(PROBABILITIES, LABELS, max_labels=1)
    found, _ = soft.to_probabilities(INDICES)
    assert_array_equal(found, numpy.eye(4)[[0, 2, 0, 1]])


def test_a_stored_doc_keeps_its_soft_targets() -> None:
    doc = make_doc(tagger=make_labels(0.25), ner=TAGS)
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (loaded,) = DocBin().from_bytes(data).get_docs(Vocab())
    labels, tags = get_soft_labels(loaded, "tagger"), get_soft_tags(loaded, "ner")
    assert labels is not None
    assert tags is not None
    assert labels.weight == 0.25
    assert_allclose(labels.to_probabilities(INDICES)[0], PROBABILITIES, atol=1e-3)
    assert tags.labels == ("PER",)
    assert tags.weight == 0.5
    assert_array_equal(tags.probabilities, TAGS.probabilities)
    assert get_soft_tags(loaded, "other") is None
    assert get_soft_labels(Doc(Vocab(), words=["a"]), "tagger") is None


def test_labels_of_changed_words_are_forgotten_in_one_doc_only() -> None:
    doc = make_doc(tagger=make_labels(), ner=TAGS)
    copy = Doc(doc.vocab, words=["a", "x", "c", "d"], user_data=dict(doc.user_data))
    forget_soft_labels(copy, [1])
    found = get_soft_labels(copy, "tagger")
    original = get_soft_labels(doc, "tagger")
    assert found is not None
    assert original is not None
    probabilities, is_known = found.to_probabilities(INDICES)
    assert is_known.tolist() == [True, False, True, True]
    assert not probabilities[1].any()
    assert_allclose(probabilities[[0, 2, 3]], PROBABILITIES[[0, 2, 3]], atol=1e-3)
    assert original.to_probabilities(INDICES)[1].all()
    assert get_soft_tags(copy, "ner") is not None


def test_a_part_of_a_doc_has_its_part_of_the_soft_targets() -> None:
    doc = make_doc(tagger=make_labels(), ner=TAGS)
    piece = Doc(doc.vocab, words=["c", "d"], user_data=dict(doc.user_data))
    copy_soft_targets(doc, piece, 2)
    labels, tags = get_soft_labels(piece, "tagger"), get_soft_tags(piece, "ner")
    assert labels is not None
    assert tags is not None
    assert_allclose(labels.to_probabilities(INDICES)[0], PROBABILITIES[2:], atol=1e-3)
    assert tags.counts.tolist() == [2, 1]
    assert tags.before.tolist() == [0, 0, 0]
    assert tags.tags.tolist() == [0, 3, 0]
    assert get_soft_labels(doc, "tagger").counts.tolist() == [2, 1, 4, 2]  # type: ignore[union-attr]


def test_soft_targets_of_another_length_or_kind_are_errors() -> None:
    doc = make_doc(ner=TAGS)
    with pytest.raises(ValueError, match="not for the 1 tokens of the doc"):
        set_soft_targets(Doc(doc.vocab, words=["a"]), "ner", TAGS)
    with pytest.raises(ValueError, match="another kind for 'ner'"):
        get_soft_labels(doc, "ner")
    with pytest.raises(ValueError, match="not for the 1 tokens"):
        get_soft_tags(Doc(doc.vocab, words=["a"], user_data=dict(doc.user_data)), "ner")
