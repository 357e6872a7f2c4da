"""The reliability of confidences."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_predictions import CONFIDENCES, annotate_randomly, make_pipeline

from spacy_bilstm.evaluation.reliability import measure_reliability
from spacy_bilstm.pipeline.ner_scorer import get_calibration_error, judge_entities

NLP = make_pipeline("ner")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_bins_add_up_to_the_calibration_error(seed: int) -> None:
    annotated = annotate_randomly(NLP, seed)
    entities = list(judge_entities(annotated.examples, CONFIDENCES))
    reliability = measure_reliability(annotated)
    assert reliability is not None
    weighted = [group.n * abs(group.confidence - group.accuracy) for group in reliability.bins]
    assert sum(weighted) / len(entities) == pytest.approx(reliability.calibration_error)
    assert reliability.calibration_error == get_calibration_error(entities)


def test_there_is_no_reliability_without_confidences() -> None:
    annotated = annotate_randomly(NLP, 0)
    assert measure_reliability(replace(annotated, confidences=None)) is None
    assert measure_reliability(replace(annotated, confidences="no_such_group")) is None
