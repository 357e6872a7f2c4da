"""Distributions over tag sequences: made, averaged and counted, compared with sums over whole sequences."""

from collections.abc import Mapping

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from spacy.tokens import Doc, Span

from spacy_bilstm.bridge.crf import TagPairs
from spacy_bilstm.bridge.soft_targets import SoftTags
from spacy_bilstm.nn.biluo import count_tags
from spacy_bilstm.pipeline.soft_tags import (
    average_soft_tags,
    count_expected,
    get_expected_agreement,
    make_certain_tags,
    make_soft_tags,
)

VOCAB = spacy.blank("en").vocab
LABELS = ["LOC", "ORG", "PER"]
ENTITY_SETS = [[], [(0, 1, "PER")], [(0, 2, "LOC")], [(1, 4, "PER"), (4, 5, "ORG")], [(3, 5, "ORG")]]
Ents = list[tuple[int, int, str]]


def make_doc(ents: Ents, length: int = 5) -> Doc:
    doc = Doc(VOCAB, words=["x"] * length)
    doc.ents = [Span(doc, start, end, label=label) for start, end, label in ents]
    return doc


def get_tags(ents: Ents, labels: list[str] = LABELS, length: int = 5) -> list[int]:
    """Return the numbers of tags, written out."""
    tags = [0] * length
    for start, end, label in ents:
        offset = 4 * labels.index(label)
        for i in range(start, end):
            if end - start == 1:
                tags[i] = offset + 4
            else:
                tags[i] = offset + (1 if i == start else 3 if i == end - 1 else 2)
    return tags


def count_sequences(sequences: list[tuple[list[int], float]], labels: list[str] = LABELS) -> dict[str, numpy.ndarray]:
    n_tags = count_tags(len(labels))
    counts: Mapping[str, numpy.ndarray] = {
        "emissions": numpy.zeros((5, n_tags)),
        "transitions": numpy.zeros((n_tags, n_tags)),
        "start": numpy.zeros(n_tags),
        "end": numpy.zeros(n_tags),
    }
    for tags, probability in sequences:
        counts["emissions"][range(5), tags] += probability
        numpy.add.at(counts["transitions"], (tags[:-1], tags[1:]), probability)
        counts["start"][tags[0]] += probability
        counts["end"][tags[-1]] += probability
    return dict(counts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(ENTITY_SETS), min_size=1, max_size=5), st.sampled_from([0.0, 0.5, 2.0]))
def test_the_average_of_entities_counts_each_teacher_equally(teachers: list[Ents], weight: float) -> None:
    mean = average_soft_tags([make_certain_tags(make_doc(ents)) for ents in teachers], weight)
    expected, is_counted = count_expected([mean], [5], LABELS, None)
    by_hand = count_sequences([(get_tags(ents), weight / len(teachers)) for ents in teachers])
    assert is_counted.all()
    assert expected.weights.tolist() == [weight]
    for name, array in by_hand.items():
        assert_allclose(getattr(expected, name), array, atol=1e-6)


def test_counts_add_up_over_docs_and_leave_out_docs_without_a_distribution() -> None:
    targets = [None, make_certain_tags(make_doc([(0, 1, "PER")])), make_certain_tags(make_doc([], 0))]
    expected, is_counted = count_expected(targets, [2, 5, 0], LABELS, None)
    assert is_counted.tolist() == [False, True, True]
    assert expected.weights.tolist() == [0, 1, 1]
    assert not expected.emissions[:2].any()
    assert_allclose(expected.emissions[2:], count_sequences([(get_tags([(0, 1, "PER")]), 1.0)])["emissions"])


def test_a_distribution_that_the_model_can_not_express_is_not_counted() -> None:
    soft = average_soft_tags([make_certain_tags(make_doc(ents)) for ents in ENTITY_SETS])
    allowed = numpy.ones((5, count_tags(3)), dtype=bool)
    assert count_expected([soft], [5], LABELS, allowed)[1].tolist() == [True]
    allowed[4, get_tags([(4, 5, "ORG")])[4]] = False
    assert count_expected([soft], [5], LABELS, allowed)[1].tolist() == [False]
    assert count_expected([soft], [5], ["LOC", "PER"], None)[1].tolist() == [False]


@pytest.mark.parametrize(("before", "tags"), [([0, 1], [1, 0]), ([0, 0], [0, 2]), ([0, 0], [2, 3]), ([0, 0], [0, 1])])
def test_an_invalid_tag_sequence_is_not_counted(before: list[int], tags: list[int]) -> None:
    ones = numpy.ones(2, dtype="int64")
    target = SoftTags(("PER",), ones, numpy.array(before), numpy.array(tags), ones.astype("f"))
    expected, is_counted = count_expected([target], [2], LABELS, None)
    assert not is_counted.any()
    assert not expected.emissions.any()


def test_pairs_of_a_batch_become_soft_tags_of_docs() -> None:
    tags = [0, 5, 7, 12]  # Of the docs with 1, 0 and 3 tokens: O; B-ORG L-ORG U-PER.
    pairs = TagPairs(numpy.arange(4), numpy.array([-1, -1, 5, 7]), numpy.array(tags), numpy.ones(4))
    first, empty, last = make_soft_tags(pairs, [1, 0, 3], LABELS)
    assert (first.labels, first.tags.tolist(), first.before.tolist()) == ((), [0], [0])
    assert empty.counts.tolist() == []
    assert (last.labels, last.tags.tolist(), last.before.tolist()) == (("ORG", "PER"), [1, 3, 8], [0, 1, 3])


def test_the_agreement_of_a_doc_is_the_mean_probability_of_its_tags() -> None:
    mean = average_soft_tags([make_certain_tags(make_doc([(0, 1, "PER")])), make_certain_tags(make_doc([]))])
    assert get_expected_agreement(mean, make_certain_tags(make_doc([(0, 1, "PER")]))) == pytest.approx(0.9)
    assert get_expected_agreement(mean, make_certain_tags(make_doc([(0, 1, "LOC")]))) == pytest.approx(0.8)
