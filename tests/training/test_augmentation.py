"""Augmented batches."""

import random
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import registry

from spacy_bilstm.bridge.identity_dropout import is_augmented
from spacy_bilstm.bridge.soft_targets import SoftLabels, get_soft_labels, set_soft_targets

VOCAB = spacy.blank("en").vocab
PEOPLE, PLACES = ("Ada", "Ada Byron", "Grace Hopper", "Alan"), ("Oslo", "New York")
NAMES = [*(("PER", name) for name in PEOPLE), *(("LOC", name) for name in PLACES)]


def make_doc(names: list[tuple[str, str]]) -> Doc:
    """Make a doc with one extra word before each name, and with every kind of annotation."""
    words: list[str] = []
    entities = []
    for label, name in names:
        words += ["Then", *name.split()]
        entities.append((len(words) - len(name.split()), len(words), label))
    words.append(".")
    doc = Doc(
        VOCAB,
        words=words,
        tags=[f"tag-{word}" for word in words],
        lemmas=[f"lemma-{word}" for word in words],
        heads=[0] * len(words),
        deps=["ROOT"] + ["dep"] * (len(words) - 1),
    )
    doc.ents = [Span(doc, start, end, label=label) for start, end, label in entities]
    doc.spans["first"] = [Span(doc, 0, 1, label="FIRST")]
    doc.cats = {"news": 1.0}
    return doc


def augment(docs: list[Doc], epochs: int = 1, seed: int = 0, **probabilities: float) -> list[list[Example]]:
    random.seed(seed)
    by_length = registry.get("batchers", "spacy-bilstm.batch_by_length.v1")(size=50)
    batcher = registry.get("batchers", "spacy-bilstm.batch_augmented.v1")(by_length, **probabilities)
    examples = [Example(doc.copy(), doc) for doc in docs]
    return [[example for batch in batcher(examples) for example in batch] for _ in range(epochs)]


docs_of_names = st.lists(st.lists(st.sampled_from(NAMES), max_size=4), min_size=1, max_size=6).map(
    lambda all_names: [make_doc(names) for names in all_names]
)


@settings(max_examples=60, deadline=None)
@given(docs_of_names, st.integers(0, 5), st.floats(0, 1), st.floats(0, 1))
def test_names_change_together_with_their_annotation(
    docs: list[Doc], seed: int, swap_entities: float, lower_case: float
) -> None:
    seen = {(ent.label_, ent.text.lower()) for doc in docs for ent in doc.ents}
    (examples,) = augment(docs, seed=seed, swap_entities=swap_entities, lower_case=lower_case)
    originals = {id(doc) for doc in docs}
    assert len(examples) == len(docs)
    for example in examples:
        doc = example.reference
        assert is_augmented(example.predicted) == (id(doc) not in originals)
        if id(doc) in originals:
            continue
        assert [token.text for token in example.predicted] == [token.text for token in doc]
        assert {(ent.label_, ent.text.lower()) for ent in doc.ents} <= seen
        for token in doc:
            assert token.tag_.lower() == f"tag-{token.lower_}"
            assert token.lemma_.lower() == f"lemma-{token.lower_}"
            assert token.dep_ == ("ROOT" if token.i == 0 else "dep")
            assert token.head.i == 0
        assert doc.cats == {"news": 1.0}
        assert [(span.label_, span.start, span.end) for span in doc.spans["first"]] == [("FIRST", 0, 1)]


def test_names_differ_between_epochs_and_are_fixed_by_the_seed() -> None:
    docs = [make_doc([name]) for name in NAMES]
    epochs = [[example.reference.text for example in epoch] for epoch in augment(docs, epochs=4, swap_entities=1.0)]
    again = [[example.reference.text for example in epoch] for epoch in augment(docs, epochs=4, swap_entities=1.0)]
    assert epochs == again
    assert len({tuple(sorted(epoch)) for epoch in epochs}) > 1


def test_zero_probabilities_change_nothing() -> None:
    docs = [make_doc([name]) for name in NAMES]
    (examples,) = augment(docs)
    assert {id(example.reference) for example in examples} == {id(doc) for doc in docs}


def test_missing_annotation_stays_missing() -> None:
    doc = Doc(VOCAB, words=["Ada", "and", "what"], ents=["B-PER", "O", "O"])
    doc.set_ents([doc.ents[0]], missing=[doc[2:3]], default="outside")
    (examples,) = augment([doc], lower_case=1.0)
    reference = examples[0].reference
    assert [token.text for token in reference] == ["ada", "and", "what"]
    assert [token.ent_iob for token in reference] == [3, 2, 0]
    assert not reference.has_annotation("TAG")
    assert not reference.has_annotation("SENT_START")


def test_soft_targets_stay_with_their_tokens() -> None:
    """A name in the place of another is not the word that a teacher has tagged."""
    doc = Doc(VOCAB, words=["Ada", "left", "."], ents=["B-PER", "O", "O"])
    targets = SoftLabels.from_probabilities(numpy.array([[1.0, 0.0], [0.4, 0.6], [0.0, 1.0]]), ["A", "B"])
    set_soft_targets(doc, "tagger", targets)
    (examples,) = augment([doc], swap_entities=1.0, lower_case=1.0)
    found = get_soft_labels(examples[0].reference, "tagger")
    assert found is not None
    probabilities, is_known = found.to_probabilities({"A": 0, "B": 1})
    assert is_known.tolist() == [False, True, True]
    assert probabilities[1].tolist() == pytest.approx([0.4, 0.6], abs=1e-3)


def test_pieces_have_their_part_of_the_soft_targets() -> None:
    doc = Doc(VOCAB, words=["Ada", ".", "Bo", "left", "."], sent_starts=[True, False, True, False, False])
    targets = SoftLabels.from_probabilities(numpy.eye(5), list("ABCDE"))
    set_soft_targets(doc, "tagger", targets)
    (examples,) = augment([doc], max_sentences=1)
    found = {example.reference[0].text: get_soft_labels(example.reference, "tagger") for example in examples}
    assert {word: soft.labels[soft.indices[0]] for word, soft in found.items() if soft} == {"Ada": "A", "Bo": "C"}
    assert sorted(len(soft.counts) for soft in found.values() if soft) == [2, 3]


@pytest.mark.parametrize("name", ["swap_entities", "lower_case"])
def test_a_probability_above_1_is_an_error(name: str) -> None:
    arguments: dict[str, Any] = {name: 1.5}
    with pytest.raises(ValueError, match=f"{name} is a probability"):
        augment([make_doc(NAMES)], **arguments)


def test_documents_are_split_differently_in_each_epoch() -> None:
    doc = Doc(VOCAB, words=["Ada", "left", "."] * 20, sent_starts=[True, False, False] * 20)
    epochs = augment([doc], epochs=3, max_sentences=5)
    lengths = [[len(example.reference) for example in epoch] for epoch in epochs]
    assert all(sum(epoch) == 60 and max(epoch) <= 15 for epoch in lengths)
    assert len({tuple(sorted(epoch)) for epoch in lengths}) > 1


def test_names_in_pieces_change_too() -> None:
    doc = Doc(VOCAB, words=["Ada", "left", ".", "Bo", "left", "."], sent_starts=[True, False, False] * 2)
    doc.ents = [Span(doc, 0, 1, "PER"), Span(doc, 3, 4, "PER")]
    (examples,) = augment([doc], max_sentences=1, lower_case=1.0)
    assert sorted(example.reference.text.strip() for example in examples) == ["ada left .", "bo left ."]
    assert all(list(example.reference.sents) for example in examples)


def test_a_negative_number_of_sentences_is_an_error() -> None:
    with pytest.raises(ValueError, match="max_sentences is -1"):
        augment([make_doc(NAMES)], max_sentences=-1)
