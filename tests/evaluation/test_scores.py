"""The scores of an evaluation: they equal spaCy's own, and seen and unseen words are told apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from toy_predictions import annotate_randomly, make_pipeline, score_examples

from spacy_bilstm.evaluation.corpus import SeenInTraining
from spacy_bilstm.evaluation.outcomes import compare_corpus
from spacy_bilstm.evaluation.scores import Scores, score

PIPES = ["tagger", "morphologizer", "trainable_lemmatizer", "parser", "ner", "spancat"]
KEYS = {
    "Tokenization": "token_acc",
    "Tags": "tag_acc",
    "Parts of speech": "pos_acc",
    "Morphology": "morph_acc",
    "Lemmas": "lemma_acc",
    "UAS": "dep_uas",
    "LAS": "dep_las",
    "Sentences F": "sents_f",
    "Entities precision": "ents_p",
    "Entities recall": "ents_r",
    "Entities F": "ents_f",
    "Spans 'sc' F": "spans_sc_f",
    "Categories micro F": "cats_micro_f",
    "Categories macro F": "cats_macro_f",
    "Categories macro AUC": "cats_macro_auc",
}


@pytest.fixture(scope="module", params=["textcat", "textcat_multilabel"])
def nlp(request: pytest.FixtureRequest) -> Language:
    """Return a pipeline with a component for every kind of score."""
    return make_pipeline(*PIPES, request.param)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_scores_are_those_of_spacy(nlp: Language, seed: int) -> None:
    annotated = annotate_randomly(nlp, seed)
    scores = score(annotated, compare_corpus(nlp, annotated), None, n_resamples=1, seed=0)
    check_headline(scores, annotated.scores, nlp.has_pipe("textcat_multilabel"))
    check_labels(scores, annotated.scores)


def test_scores_have_intervals_except_an_area_under_a_curve(nlp: Language) -> None:
    annotated = annotate_randomly(nlp, 0)
    scores = score(annotated, compare_corpus(nlp, annotated), None, n_resamples=20, seed=0)
    for row in scores.headline:
        if row.name == "Categories macro AUC":
            assert row.estimate.lower is None
        else:
            assert row.estimate.lower is not None
            assert row.estimate.upper is not None
            assert 0 <= row.estimate.lower <= row.estimate.upper <= 1


def check_headline(scores: Scores, expected: dict[str, float], multilabel: bool) -> None:
    shown = {KEYS[row.name]: row.estimate.value for row in scores.headline}
    assert shown.keys() == set(KEYS.values()) - (set() if multilabel else {"cats_macro_auc"})
    for key, value in shown.items():
        assert value == pytest.approx(expected[key]), key


def check_labels(scores: Scores, expected: dict[str, dict[str, dict[str, float]]]) -> None:
    for rows, key in ((scores.entities, "ents_per_type"), (scores.categories, "cats_f_per_type")):
        for row in rows:
            found = {"p": row.precision.value, "r": row.recall.value, "f": row.f.value}
            assert {kind: value or 0.0 for kind, value in found.items()} == pytest.approx(expected[key][row.name])


def test_seen_and_unseen_words_and_entities_are_scored_apart() -> None:
    nlp = make_pipeline("tagger", "ner")
    gold = Doc(nlp.vocab, ["Anna", "met", "Bo"], tags=["NNP", "VBD", "NNP"], ents=["B-PER", "O", "B-PER"])
    predicted = Doc(nlp.vocab, ["Anna", "met", "Bo"], tags=["NNP", "VBD", "NN"], ents=["B-PER", "O", "O"])
    annotated = score_examples(nlp, [Example(predicted, gold)])
    seen = SeenInTraining({"Anna", "met"}, {"Anna"})
    tags, entities = score(annotated, compare_corpus(nlp, annotated), seen, 10, 0).seen
    assert (tags.n_seen, tags.seen.value, tags.n_unseen, tags.unseen.value) == (2, 1.0, 1, 0.0)
    assert (entities.n_seen, entities.seen.value, entities.n_unseen, entities.unseen.value) == (1, 1.0, 1, 0.0)
