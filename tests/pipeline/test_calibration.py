"""`calibrate`: it fits the temperature and the threshold of an entity recogniser."""

from pathlib import Path

import numpy
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from toy_calibration import make_ambiguous_docs, make_docs, make_examples, train, train_overconfident, write_docs

from spacy_bilstm.pipeline import calibration
from spacy_bilstm.pipeline.calibration import CalibrationResult, _minimize, calibrate, fit_threshold
from spacy_bilstm.pipeline.ner import BiLSTMEntityRecognizer


@pytest.fixture(scope="module")
def overconfident_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a trained pipeline that is too confident."""
    path = tmp_path_factory.mktemp("overconfident") / "model"
    train_overconfident().to_disk(path)
    return path


@pytest.fixture
def nlp(overconfident_path: Path) -> Language:
    """Return that pipeline, loaded again."""
    return spacy.load(overconfident_path)


@pytest.fixture(scope="module")
def ambiguous() -> tuple[Language, CalibrationResult]:
    """Return a pipeline with a fitted threshold, and the result of the calibration."""
    nlp = train(make_ambiguous_docs)
    return nlp, calibrate(nlp, make_examples(nlp, make_ambiguous_docs(nlp.vocab)), threshold=True)


def get_ner(nlp: Language) -> BiLSTMEntityRecognizer:
    ner = nlp.get_pipe("ner")
    assert isinstance(ner, BiLSTMEntityRecognizer)
    return ner


def make_dev_examples(nlp: Language) -> list[Example]:
    return make_examples(nlp, make_docs(nlp.vocab, 90, incorrect=4))


def test_a_fitted_temperature_lowers_the_calibration_error(nlp: Language) -> None:
    errors = []
    get_ner(nlp).cfg["confidences"] = "ents"
    for calibrates in (False, True):
        if calibrates:
            before, after = calibrate(nlp, make_dev_examples(nlp)).temperature
        errors.append(nlp.evaluate(make_dev_examples(nlp))["ents_ece"])
    assert errors == pytest.approx([before.calibration_error, after.calibration_error], abs=1e-6)
    assert errors[0] > 0.2
    assert errors[1] < 0.05
    assert after.log_loss < before.log_loss
    assert (before.temperature, after.temperature) == (1.0, get_ner(nlp).cfg["temperature"])


def test_a_fitted_temperature_keeps_the_entities(nlp: Language) -> None:
    texts = [doc.text for doc in make_docs(nlp.vocab, 90)]
    before = [doc.to_json() for doc in nlp.pipe(texts)]
    calibrate(nlp, make_dev_examples(nlp))
    assert [doc.to_json() for doc in nlp.pipe(texts)] == before


def test_a_corpus_and_its_examples_have_the_same_fit(nlp: Language, overconfident_path: Path, tmp_path: Path) -> None:
    path = write_docs(make_docs(nlp.vocab, 90, incorrect=4), tmp_path / "dev.spacy")
    from_path = calibrate(spacy.load(overconfident_path), path, gold_preproc=True)
    assert calibrate(nlp, make_dev_examples(nlp)) == from_path


def test_calibration_prints_nothing_and_keeps_the_examples(nlp: Language, capfd: pytest.CaptureFixture[str]) -> None:
    examples = make_dev_examples(nlp)
    calibrate(nlp, examples)
    assert capfd.readouterr() == ("", "")
    assert not any(example.predicted.ents or example.predicted.spans for example in examples)
    assert not any(len(example.predicted.tensor) for example in examples)


def test_a_fitted_threshold_is_half_of_the_best_f(ambiguous: tuple[Language, CalibrationResult]) -> None:
    nlp, result = ambiguous
    assert result.threshold is not None
    before, after = result.threshold
    assert before.f_score == pytest.approx(2 * 15 / (20 + 24))
    assert after.f_score == pytest.approx(2 * 24 / (40 + 24))
    assert after.threshold == get_ner(nlp).cfg["threshold"] == pytest.approx(after.f_score / 2, abs=1e-3)


def test_the_scores_of_a_fitted_threshold_are_those_of_the_pipeline(
    ambiguous: tuple[Language, CalibrationResult],
) -> None:
    nlp, result = ambiguous
    assert result.threshold is not None
    scores = nlp.evaluate(make_examples(nlp, make_ambiguous_docs(nlp.vocab)))
    after = result.threshold[1]
    assert (after.precision, after.recall, after.f_score) == pytest.approx(
        tuple(scores[f"ents_{kind}"] for kind in "prf")
    )


def test_a_second_calibration_keeps_the_threshold(ambiguous: tuple[Language, CalibrationResult]) -> None:
    nlp, _ = ambiguous
    fitted = get_ner(nlp).cfg["threshold"]
    result = calibrate(nlp, make_examples(nlp, make_ambiguous_docs(nlp.vocab)), threshold=True)
    assert result.threshold is not None
    assert result.threshold[0] is result.threshold[1]
    assert get_ner(nlp).cfg["threshold"] == fitted


def test_fitted_settings_are_in_the_config_and_can_be_overridden(
    ambiguous: tuple[Language, CalibrationResult], tmp_path: Path
) -> None:
    nlp, _ = ambiguous
    nlp.to_disk(tmp_path / "model")
    names = ("temperature", "threshold")
    fitted = [get_ner(nlp).cfg[name] for name in names]
    config = spacy.util.load_config(tmp_path / "model" / "config.cfg")["components"]["ner"]
    assert [config[name] for name in names] == fitted
    assert [get_ner(spacy.load(tmp_path / "model")).cfg[name] for name in names] == fitted
    settings = {"components": {"ner": {"threshold": 0.0, "temperature": 1.0}}}
    overridden = get_ner(spacy.load(tmp_path / "model", config=settings))
    assert [overridden.cfg[name] for name in names] == [1.0, 0.0]


def test_fitted_settings_stay_if_the_same_pipeline_is_loaded_again(nlp: Language, tmp_path: Path) -> None:
    calibrate(nlp, make_dev_examples(nlp))
    fitted = get_ner(nlp).cfg["temperature"]
    assert fitted != 1.0
    nlp.from_bytes(nlp.to_bytes())
    assert get_ner(nlp).cfg["temperature"] == fitted
    nlp.to_disk(tmp_path / "model")
    assert get_ner(nlp.from_disk(tmp_path / "model")).cfg["temperature"] == fitted
    assert get_ner(spacy.load(tmp_path / "model")).cfg["temperature"] == fitted


def test_no_temperature_is_fitted_if_all_entities_are_correct(nlp: Language) -> None:
    with pytest.raises(ValueError, match="predicts 59 entities, and 59 of them are correct"):
        calibrate(nlp, make_examples(nlp, make_docs(nlp.vocab, 59)))
    assert get_ner(nlp).cfg["temperature"] == 1.0


def test_no_threshold_is_fitted_if_no_entity_is_correct(nlp: Language) -> None:
    recognizer = get_ner(nlp)
    examples = make_examples(nlp, [Doc(nlp.vocab, words=["Ada"], ents=["B-ORG"])])
    nlp.get_pipe("tok2vec")(examples[0].predicted)
    with pytest.raises(ValueError, match="none of them is correct"):
        fit_threshold(recognizer, examples)
    assert recognizer.cfg["threshold"] == 0.0


def test_a_failed_fit_of_the_threshold_restores_the_temperature(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ValueError("no fit")

    monkeypatch.setattr(calibration, "fit_threshold", fail)
    with pytest.raises(ValueError, match="no fit"):
        calibrate(nlp, make_dev_examples(nlp), threshold=True)
    assert get_ner(nlp).cfg["temperature"] == 1.0


def test_a_threshold_above_all_confidences_is_not_used(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = get_ner(nlp)
    examples = make_examples(nlp, make_ambiguous_docs(nlp.vocab))
    # Half of the best F is 0.375, but all confidences are lower.
    judged = numpy.array([(0.2, float(bool(example.reference.ents))) for example in examples])
    by_threshold = {0.0: judged[:0]}
    monkeypatch.setattr(calibration, "_predict_and_judge", lambda *args, threshold: by_threshold.get(threshold, judged))
    before, after = fit_threshold(recognizer, examples)
    assert after is before
    assert recognizer.cfg["threshold"] == 0.0


@pytest.mark.parametrize("pipe", ["tok2vec", "no_such_pipe"])
def test_a_component_that_is_not_a_bilstm_ner_is_an_error(nlp: Language, pipe: str) -> None:
    with pytest.raises(ValueError, match=f"no bilstm_ner '{pipe}'. It has these: ner"):
        calibrate(nlp, [], pipe)


@pytest.mark.parametrize("minimum", [-2.0, 0.0, 0.3, 1.9])
def test_the_search_finds_a_minimum(minimum: float) -> None:
    assert _minimize(lambda x: (x - minimum) ** 2, -2.3, 2.3) == pytest.approx(minimum, abs=1e-3)
