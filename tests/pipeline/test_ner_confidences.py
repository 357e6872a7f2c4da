"""The confidences of `bilstm_ner`, and thresholds on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from toy_corpus import make_examples
from toy_ner import KEY, TEXTS, Entity, get_ents, get_scores, make_nlp
from toy_pipelines import overfit


def test_confidences_are_off_by_default(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:

    def fail(*args: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("spacy_bilstm.pipeline.ner_prediction.compute_span_probabilities", fail)
    assert not nlp(TEXTS[1]).spans


def test_the_span_group_has_the_predicted_entities_and_their_confidences(load: Callable[..., Language]) -> None:
    nlp = load(confidences=KEY)
    for doc in nlp.pipe(TEXTS):
        assert [(span.start, span.end, span.label_) for span in doc.spans[KEY]] == get_ents(doc)
        assert len(get_scores(doc)) == len(doc.ents)
        assert all(type(score) is float and 0.5 < score <= 1 for score in get_scores(doc))


def test_a_confidence_is_the_probability_of_all_analyses_with_the_entity() -> None:
    nlp = make_nlp(confidences=KEY, temperature=3.0)
    overfit(nlp, epochs=2)
    ner = nlp.get_pipe("bilstm_ner")
    doc = nlp("Anna to Rome")
    assert doc.ents
    analyses = ner.k_best([nlp.make_doc(doc.text)], 1000)[0]
    assert_allclose(sum(probability for probability, _ in analyses), 1)
    assert [probability for probability, _ in analyses] == sorted((p for p, _ in analyses), reverse=True)
    assert len({tuple((ent.start, ent.end, ent.label) for ent in ents) for _, ents in analyses}) == len(analyses)
    assert [(ent.start, ent.end, ent.label_) for ent in analyses[0][1]] == get_ents(doc)
    for span, score in zip(doc.spans[KEY], get_scores(doc), strict=True):
        having = [p for p, ents in analyses if (span.start, span.end) in {(ent.start, ent.end) for ent in ents}]
        assert score <= sum(having) + 1e-9
        assert_allclose(
            score, sum(p for p, ents in analyses if any(str(e) == str(span) and e.label == span.label for e in ents))
        )


def test_a_temperature_changes_confidences_but_never_entities(load: Callable[..., Language]) -> None:
    docs = [[*load(confidences=KEY, temperature=temperature).pipe(TEXTS)] for temperature in (0.5, 1.0, 5.0)]
    assert len({str([get_ents(doc) for doc in same]) for same in docs}) == 1
    cold, normal, hot = ([score for doc in same for score in get_scores(doc)] for same in docs)
    assert all(a >= b > c for a, b, c in zip(cold, normal, hot, strict=True))


@pytest.mark.parametrize("store_user_data", [False, True])
def test_confidences_survive_storage_of_docs(
    store_user_data: bool, load: Callable[..., Language], tmp_path: Path
) -> None:
    nlp = load(confidences=KEY)
    doc = nlp(TEXTS[1])
    expected = get_scores(doc)
    assert expected
    DocBin(docs=[doc], store_user_data=store_user_data).to_disk(tmp_path / "docs.spacy")
    (binned,) = DocBin().from_disk(tmp_path / "docs.spacy").get_docs(nlp.vocab)
    doc.to_disk(tmp_path / "doc")
    stored = Doc(nlp.vocab).from_disk(tmp_path / "doc")
    for other in (binned, stored, Doc(nlp.vocab).from_bytes(doc.to_bytes()), doc.copy()):
        assert get_scores(other) == expected
        assert [(span.start, span.end, span.label_) for span in other.spans[KEY]] == get_ents(doc)


@pytest.mark.parametrize("confidences", [None, KEY])
def test_entities_below_the_threshold_are_left_out(confidences: str | None) -> None:
    """This holds without confidences, too."""
    nlp = make_nlp(confidences=KEY)
    overfit(nlp, epochs=4)
    docs = list(nlp.pipe(TEXTS))
    scores = sorted(score for doc in docs for score in get_scores(doc))
    threshold = scores[len(scores) // 2]
    other = make_nlp(confidences=confidences, threshold=threshold)
    other.from_bytes(nlp.to_bytes())
    n_kept = 0
    for doc, filtered in zip(docs, other.pipe(TEXTS), strict=True):
        ents = zip(get_ents(doc), get_scores(doc), strict=True)
        expected = [ent for ent, score in ents if score >= threshold]
        assert get_ents(filtered) == expected
        assert all(token.ent_iob in (1, 2, 3) for token in filtered)
        if confidences:
            assert len(get_scores(filtered)) == len(expected)
        n_kept += len(expected)
    assert n_kept == len(scores) - len(scores) // 2


def choose_from_all_analyses(nlp: Language, doc: Doc, threshold: float) -> list[tuple[Entity, float]]:
    """Return the spans that are probable by all analyses together, the most probable first where they overlap.

    Three tokens and two labels have 41 analyses.
    """
    probabilities: dict[Entity, float] = {}
    for probability, ents in nlp.get_pipe("bilstm_ner").k_best([nlp.make_doc(doc.text)], 100)[0]:
        for ent in ents:
            span = (ent.start, ent.end, ent.label_)
            probabilities[span] = probabilities.get(span, 0.0) + probability
    chosen: dict[Entity, float] = {}
    for span, value in sorted(probabilities.items(), key=lambda item: -item[1]):
        if value >= threshold and all(span[1] <= start or end <= span[0] for start, end, _ in chosen):
            chosen[span] = value
    return sorted(chosen.items())


@pytest.mark.parametrize("threshold", [0.02, 0.2])
def test_a_low_threshold_finds_all_probable_spans(threshold: float) -> None:
    """Entities are not only those of the best analysis."""
    settings = {"confidences": KEY, "temperature": 3.0}
    nlp = make_nlp(**settings)
    overfit(nlp, epochs=1)
    other = make_nlp(threshold=threshold, **settings).from_bytes(nlp.to_bytes())
    texts = ["Anna to Rome", "Rome saw", "", "she met Paul"]
    n_more = 0
    for best, doc in zip(nlp.pipe(texts), other.pipe(texts), strict=True):
        expected = choose_from_all_analyses(nlp, doc, threshold)
        assert get_ents(doc) == [span for span, _ in expected]
        assert_allclose(get_scores(doc), [value for _, value in expected])
        assert [(span.start, span.end, span.label_) for span in doc.spans[KEY]] == get_ents(doc)
        n_more += len(set(get_ents(doc)) - set(get_ents(best)))
    assert n_more


def test_a_threshold_keeps_preset_entities(load: Callable[..., Language]) -> None:
    """They have no confidence."""
    nlp = load(confidences=KEY, threshold=0.3)
    doc = nlp.make_doc("Anna to Rome")
    doc.set_ents([Span(doc, 1, 2, label="OTHER")], default="missing")
    doc = nlp(doc)
    assert (1, 2, "OTHER") in get_ents(doc)
    assert len(doc.ents) == 3
    assert [(span.start, span.end) for span in doc.spans[KEY]] == [(0, 1), (2, 3)]


def test_a_doc_that_passes_twice_keeps_its_confidences(load: Callable[..., Language]) -> None:
    nlp = load(confidences=KEY)
    for text in TEXTS:
        doc = nlp(text)
        entities, scores = get_ents(doc), get_scores(doc)
        doc = nlp(doc)
        assert get_ents(doc) == entities
        assert [(span.start, span.end, span.label_) for span in doc.spans[KEY]] == entities
        assert get_scores(doc) == scores


def test_the_group_follows_changes_of_the_entities(load: Callable[..., Language]) -> None:
    """An entity that was removed leaves it, one that was set by hand is not in it, and all are predicted only once."""
    nlp = load(confidences=KEY)
    doc = nlp("Anna to Rome")
    (anna, rome), scores = doc.ents, get_scores(doc)
    doc.set_ents([Span(doc, 1, 2, label="OTHER"), rome], blocked=[anna])
    doc = nlp(doc)
    assert [ent.text for ent in doc.ents] == ["to", "Rome"]
    assert [(span.text, score) for span, score in zip(doc.spans[KEY], get_scores(doc), strict=True)] == [
        ("Rome", scores[1])
    ]
    doc.set_ents([rome], default="missing")
    doc = nlp(doc)
    assert [span.text for span in doc.spans[KEY]] == ["Anna", "Rome"]
    assert_allclose(get_scores(doc), scores, atol=0.05)
    doc.set_ents([], default="missing")
    assert [span.text for span in nlp(doc).spans[KEY]] == ["Anna", "Rome"]


def test_a_group_without_scores_is_replaced(load: Callable[..., Language]) -> None:
    nlp = load(confidences=KEY)
    doc = nlp("Anna to Rome")
    doc.spans[KEY] = [doc[0:3], *doc.ents]
    assert len(nlp(doc).spans[KEY]) == 0


def test_a_doc_whose_entities_were_merged_can_pass_again(load: Callable[..., Language]) -> None:
    """The group is of no use then: spaCy does not move the spans of groups when tokens are merged."""
    nlp = load(confidences=KEY)
    doc = nlp("so Anna to Rome")
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    assert len(nlp(doc).spans[KEY]) == len(get_scores(doc))


def test_json_can_have_the_scores(load: Callable[..., Language]) -> None:
    """The guide shows this way: the spans of the JSON have the order of the group, and are read back."""
    doc = load(confidences=KEY)("Anna to Rome")
    data = doc.to_json()
    for span, score in zip(data["spans"][KEY], get_scores(doc), strict=True):
        span["score"] = score
    assert [(span["start"], round(span["score"], 1)) for span in data["spans"][KEY]] == [(0, 1.0), (8, 1.0)]
    stored = Doc(doc.vocab).from_json(data)
    assert [span.text for span in stored.spans[KEY]] == ["Anna", "Rome"]


def test_spacy_find_threshold_tries_thresholds(tmp_path: Path, corpus: Path, run_spacy: Callable[..., Any]) -> None:
    """An overfitted model needs none, and 1 leaves no entity."""
    nlp = make_nlp()
    overfit(nlp)
    nlp.to_disk(tmp_path / "model")
    args = [tmp_path / "model", corpus / "dev.spacy", "bilstm_ner", "threshold", "ents_f", "-n", 3]
    lines = run_spacy("find-threshold", *args).output.splitlines()
    (best,) = [line for line in lines if "Best threshold" in line]
    assert "value of 1.0" in best
    assert any(line.split() == ["1.0", "0.0"] for line in lines)


def test_the_calibration_error_of_confidences_is_scored(load: Callable[..., Language]) -> None:
    scores = load(confidences=KEY).evaluate(make_examples(load().vocab))
    assert 0 < scores["ents_ece"] < 0.2
    assert scores["ents_f"] == 1


def test_entities_confidences_and_analyses_do_not_depend_on_the_batch(load: Callable[..., Language]) -> None:
    nlp = load(confidences=KEY, temperature=4.0)
    ner = nlp.get_pipe("bilstm_ner")
    together = list(nlp.pipe(TEXTS, batch_size=len(TEXTS)))
    analyses = ner.k_best([nlp.make_doc(text) for text in TEXTS], 3)
    for text, doc, expected in zip(TEXTS, together, analyses, strict=True):
        alone = nlp(text)
        assert get_ents(alone) == get_ents(doc)
        assert_allclose(get_scores(alone), get_scores(doc), atol=1e-5)
        ((*parses,),) = ner.k_best([nlp.make_doc(text)], 3)
        assert [[str(span) for span in spans] for _, spans in parses] == [
            [str(s) for s in spans] for _, spans in expected
        ]
        assert_allclose([p for p, _ in parses], [p for p, _ in expected], atol=1e-5)
