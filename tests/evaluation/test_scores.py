"""The numbers of a report: they are spaCy's own, their intervals are right, and so is what they are broken down to."""

import random
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example
from toy_corpus import make_docs

from spacy_bilstm.evaluation.annotation import Evaluation
from spacy_bilstm.evaluation.bootstrap import Measure, estimate
from spacy_bilstm.evaluation.confusions import list_confusions, make_matrix
from spacy_bilstm.evaluation.outcomes import Count
from spacy_bilstm.evaluation.reliability import calibrate
from spacy_bilstm.evaluation.scores import Outcomes, SeenInTraining, find_outcomes, score
from spacy_bilstm.evaluation.training_log import LogError, read_log
from spacy_bilstm.evaluation.worst_sentences import find_worst
from spacy_bilstm.pipeline.ner_scorer import find_outcomes as find_confidences
from spacy_bilstm.pipeline.ner_scorer import get_calibration_error

# The pipeline that the docs are scored for; nothing in it is trained, as the predictions are made up.
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


def make_pipeline(*pipes: str) -> Language:
    nlp = spacy.blank("en")
    for pipe in pipes:
        nlp.add_pipe(pipe)
    if nlp.has_pipe("textcat") or nlp.has_pipe("textcat_multilabel"):
        for label in ("ANIMAL", "TRAVEL", "NEVER"):
            nlp.get_pipe(pipes[-1]).add_label(label)
    return nlp


def damage(doc: Doc, rng: random.Random) -> Doc:
    """Give a copy of a doc in which some of everything is wrong, and some tokens are joined."""
    damaged = doc.copy()
    for token in damaged:
        token.lemma_ = token.lower_
        if rng.random() < 0.3:
            token.tag_, token.pos_, token.lemma_ = "NN", "NOUN", "cat"
            token.set_morph("Number=Sing")
            token.dep_ = rng.choice(["dobj", "nsubj"])
    ents = [ent for ent in damaged.ents if rng.random() < 0.7]
    if rng.random() < 0.5 and not any(ent.start < 2 for ent in ents):
        ents.append(Span(damaged, 0, 2, label=rng.choice(["PERSON", "ORG"])))
    damaged.set_ents(ents)
    damaged.spans["sc"] = [span for span in damaged.spans["sc"] if rng.random() < 0.7]
    damaged.spans["sure"] = list(damaged.ents)
    damaged.spans["sure"].attrs["scores"] = [rng.random() for _ in damaged.ents]
    damaged.cats = {"ANIMAL": rng.random(), "TRAVEL": rng.random(), "NEVER": 0.1}
    if rng.random() < 0.3:
        with damaged.retokenize() as retokenizer:
            retokenizer.merge(damaged[1:3])
    return damaged


def make_evaluation(nlp: Language, seed: int, n_docs: int = 12) -> Evaluation:
    rng = random.Random(seed)
    docs = make_docs(nlp.vocab, n_docs, seed)
    for doc in docs:
        doc.has_unknown_spaces = False
        for token in doc:
            token.lemma_ = token.lower_
        if rng.random() < 0.2:
            doc.set_ents([], missing=[doc[:2]], default="unmodified")
    examples = [Example(damage(doc, rng), doc) for doc in docs]
    return Evaluation(examples, Scorer(nlp).score(examples), 1.0, "sure")


@pytest.fixture(scope="module", params=["textcat", "textcat_multilabel"])
def nlp(request: pytest.FixtureRequest) -> Language:
    return make_pipeline(*PIPES, request.param)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_scores_are_those_of_spacy(nlp: Language, seed: int) -> None:
    evaluation = make_evaluation(nlp, seed)
    scores = score(evaluation, find_outcomes(nlp, evaluation), None, n_resamples=20, seed=0)
    shown = {KEYS[row.name]: row.estimate.value for row in scores.headline}
    multilabel = nlp.has_pipe("textcat_multilabel")
    assert shown.keys() == set(KEYS.values()) - (set() if multilabel else {"cats_macro_auc"})
    for key, value in shown.items():
        assert value == pytest.approx(evaluation.scores[key]), key
    for rows, key in ((scores.entities, "ents_per_type"), (scores.categories, "cats_f_per_type")):
        for row in rows:
            expected = evaluation.scores[key][row.name]
            found = {"p": row.precision.value, "r": row.recall.value, "f": row.f.value}
            assert {kind: value or 0.0 for kind, value in found.items()} == pytest.approx(expected)
    for row in scores.headline:
        if row.estimate.lower is not None and row.estimate.upper is not None:
            assert 0 <= row.estimate.lower <= row.estimate.upper <= 1


def test_intervals_are_as_wide_as_they_should_be_and_depend_on_the_seed_alone() -> None:
    rng = numpy.random.default_rng(0)
    right = rng.random(400) < 0.8
    measure = Measure.of([Count(int(is_right), 0, int(not is_right)) for is_right in right], "r")
    found, again, other = (estimate([measure], 1000, seed)[0] for seed in (0, 0, 1))
    assert found == again != other
    share = right.mean()
    error = 1.96 * (share * (1 - share) / 400) ** 0.5
    assert (found.value, found.lower, found.upper) == pytest.approx((share, share - error, share + error), abs=0.01)


def test_without_anything_to_resample_there_is_no_interval() -> None:
    one, nothing = estimate([Measure.of([Count(1, 1, 0)]), Measure.of([Count(0, 0, 0)])], 10, 0)
    assert (one.value, one.lower) == (pytest.approx(2 / 3), None)
    assert (nothing.value, nothing.lower) == (None, None)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_what_is_broken_down_adds_up(nlp: Language, seed: int) -> None:
    evaluation = make_evaluation(nlp, seed)
    found = find_outcomes(nlp, evaluation)
    n_wrong = sum(doc.count.fp for doc in found.tokens["tag"])
    rows = list_confusions(evaluation.examples, found.tokens["tag"], 1000)
    assert sum(row.n for row in rows) == n_wrong
    matrix = make_matrix(found.tokens["tag"], 1000)
    assert sum(map(sum, matrix.counts)) - sum(matrix.counts[i][i] for i in range(len(matrix.values))) == n_wrong
    calibration = calibrate(evaluation.examples, "sure")
    outcomes = list(find_confidences(evaluation.examples, "sure"))
    if calibration is not None:
        weighted = [group.n * abs(group.confidence - group.share_right) for group in calibration.bins]
        assert sum(weighted) / len(outcomes) == pytest.approx(calibration.error)
        assert calibration.error == get_calibration_error(outcomes)


def test_seen_and_unseen_words_and_names_are_told_apart() -> None:
    nlp = make_pipeline("tagger", "ner")
    gold = Doc(nlp.vocab, ["Anna", "met", "Bo"], tags=["NNP", "VBD", "NNP"], ents=["B-PER", "O", "B-PER"])
    predicted = Doc(nlp.vocab, ["Anna", "met", "Bo"], tags=["NNP", "VBD", "NN"], ents=["B-PER", "O", "O"])
    examples = [Example(predicted, gold)]
    evaluation = Evaluation(examples, Scorer(nlp).score(examples), 1.0, None)
    seen = SeenInTraining({"Anna", "met"}, {"Anna"})
    tags, names = score(evaluation, find_outcomes(nlp, evaluation), seen, 10, 0).seen
    assert (tags.n_seen, tags.seen.value, tags.n_unseen, tags.unseen.value) == (2, 1.0, 1, 0.0)
    assert (names.n_seen, names.seen.value, names.n_unseen, names.unseen.value) == (1, 1.0, 1, 0.0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_worst_sentences_come_first_and_keep_their_text(seed: int) -> None:
    nlp = make_pipeline("tagger", "ner")
    evaluation = make_evaluation(nlp, seed)
    found = find_outcomes(nlp, evaluation)
    sentences = find_worst(evaluation, found, 1000)
    assert [s.n_errors for s in sentences] == sorted((s.n_errors for s in sentences), reverse=True)
    n_tags = sum(len(doc.confusions) for doc in found.tokens["tag"])
    n_entities = sum(len(doc.missed) + len(doc.wrong) for doc in found.entities)
    assert sum(sentence.n_errors for sentence in sentences) == n_tags + n_entities
    for sentence in sentences:
        for pieces in (sentence.gold, sentence.predicted):
            assert "".join(piece.text for piece in pieces) == sentence.text
    assert len(find_worst(evaluation, found, 2)) <= 2


def test_missing_annotation_is_not_scored() -> None:
    nlp = make_pipeline("tagger", "ner", "textcat")
    words = Doc(nlp.vocab, ["Anna", "left"])
    examples = [Example(words, words.copy())]
    evaluation = Evaluation(examples, Scorer(nlp).score(examples), 1.0, None)
    assert find_outcomes(nlp, evaluation) == Outcomes({}, [], [])
    assert find_worst(evaluation, find_outcomes(nlp, evaluation), 5) == []


def test_a_log_becomes_curves(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"epoch": 0, "step": step, "losses": {"ner": 9.0 - step}, "scores": {"ents_f": 10.0 * step, "pos_acc": 0.0}}
        for step in (1, 2)
    ]
    srsly.write_jsonl(tmp_path / "log.jsonl", rows)
    log = read_log(tmp_path / "log.jsonl")
    assert (log.steps, log.scores, log.losses) == ([1, 2], {"ents_f": [10.0, 20.0]}, {"ner": [8.0, 7.0]})


@pytest.mark.parametrize("line", ["{", "[]", '{"step": 1}', '{"step": 1, "losses": {"a": "x"}, "scores": {}}', ""])
def test_a_line_that_is_none_of_a_log_is_named(line: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "losses": {}, "scores": {}}\n' + line + "\n", encoding="utf8")
    with pytest.raises(LogError, match=r"Line 2 of .*log\.jsonl"):
        read_log(path)
