"""The scorer of `bilstm_ner`: spaCy's scores and the expected calibration error of the confidences."""

import pytest
from spacy import registry
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_bilstm.pipeline.ner_scorer import assign_bins, get_calibration_error, score_ner

VOCAB = Vocab()
WORDS = ["a", "b", "c", "d", "e"]


def make_example(predicted: list[tuple[int, int, str, float]], gold: list[str] | None) -> Example:
    """Return an example with predicted entities, their confidences, and gold tags."""
    doc = Doc(VOCAB, words=WORDS)
    spans = [Span(doc, start, end, label) for start, end, label, _ in predicted]
    doc.ents = spans
    doc.spans["ents"] = SpanGroup(doc, spans=spans, attrs={"scores": [score for *_, score in predicted]})
    return Example(doc, Doc(VOCAB, words=WORDS, ents=gold))


def test_scores_are_those_of_spacy() -> None:
    """The registered scorer adds nothing but the calibration error to spaCy's scores."""
    scorer = registry.get("scorers", "spacy-bilstm.ner_scorer.v1")()
    examples = [make_example([(0, 2, "A", 0.9), (3, 4, "B", 0.8)], ["B-A", "I-A", "O", "O", "B-A"])]
    scores = scorer(iter(examples), confidences="ents", labels=["A", "B"], threshold=0.5)
    assert scores.pop("ents_ece") == pytest.approx((0.1 + 0.8) / 2)
    assert scores == get_ner_prf(examples)


def test_the_calibration_error_is_the_mean_over_bins() -> None:
    """It is the difference between the confidence and the accuracy of each bin, averaged over the entities."""
    outcomes = [(0.95, True), (1.0, True), (0.91, False), (0.25, False), (0.2, True), (0.0, False)]
    expected = 3 / 6 * abs(2.86 / 3 - 2 / 3) + 2 / 6 * abs(0.225 - 0.5) + 1 / 6 * 0
    assert get_calibration_error(outcomes) == pytest.approx(expected)


def test_the_calibration_error_is_0_for_perfect_and_1_for_the_worst_confidences() -> None:
    assert get_calibration_error([(1.0, True), (0.0, False)]) == 0
    assert get_calibration_error([(0.5, True), (0.5, False)]) == 0
    assert get_calibration_error([(0.0, True), (1.0, False)]) == 1


def test_there_is_no_calibration_error_without_confidences() -> None:
    """The setting, the span group, its entities or its scores can be missing."""
    gold = ["B-A", "I-A", "O", "O", "B-A"]
    example = make_example([(0, 2, "A", 0.9)], gold)
    assert score_ner([example])["ents_ece"] is None
    assert score_ner([example], confidences="other")["ents_ece"] is None
    assert score_ner([make_example([], gold)], confidences="ents")["ents_ece"] is None
    assert score_ner([], confidences="ents")["ents_ece"] is None
    del example.predicted.spans["ents"].attrs["scores"]
    assert score_ner([example], confidences="ents")["ents_ece"] is None


def test_entities_without_gold_annotation_are_skipped() -> None:
    predicted = [(0, 1, "A", 0.5), (2, 3, "A", 0.75)]
    partial = make_example(predicted, ["B-A", "O", "O", "O", "O"])
    partial.reference.set_ents([], missing=[partial.reference[2:3]], default="unmodified")
    assert score_ner([partial, make_example(predicted, None)], confidences="ents")["ents_ece"] == 0.5


def test_entities_are_compared_by_aligned_tokens() -> None:
    example = make_example([(0, 2, "A", 1.0)], None)
    merged = Doc(VOCAB, words=["a b", "c", "d", "e"], ents=["B-A", "O", "O", "O"])
    assert score_ner([Example(example.predicted, merged)], confidences="ents")["ents_ece"] == 0


def test_confidences_are_assigned_to_ten_bins_of_equal_width() -> None:
    assert assign_bins([0.0, 0.05, 0.1, 0.55, 0.95, 1.0]).tolist() == [0, 0, 1, 5, 9, 9]
