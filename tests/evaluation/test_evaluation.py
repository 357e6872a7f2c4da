"""`evaluate`: the results of a pipeline, as data."""

from pathlib import Path

import pytest
import spacy
import srsly
from spacy.tokens import DocBin
from spacy.training import Corpus
from toy_corpus import make_docs, make_examples
from toy_pipelines import GRU, make_tok2vec

from spacy_bilstm.evaluation import Evaluation, evaluate

N_DOCS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a corpus, a log, and a pipeline with a `bilstm_ner` that is hardly trained."""
    folder = tmp_path_factory.mktemp("evaluation")
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": {"tok2vec": make_tok2vec(GRU)}})
    optimizer = nlp.initialize(lambda: make_examples(nlp.vocab))
    for _ in range(3):
        nlp.update(make_examples(nlp.vocab), sgd=optimizer)
    nlp.to_disk(folder / "model")
    DocBin(docs=make_docs(nlp.vocab, N_DOCS)).to_disk(folder / "gold.spacy")
    srsly.write_jsonl(folder / "log.jsonl", [{"step": 1, "losses": {"ner": 1.0}, "scores": {"ents_f": 50.0}}])
    return folder


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Evaluation:
    """Return the results with all options, except that the pipeline is a path."""
    gold, log = folder / "gold.spacy", folder / "log.jsonl"
    return evaluate(folder / "model", gold, train=gold, log=str(log), n_worst=3, n_resamples=50)


def test_the_scores_are_those_of_the_pipeline(evaluation: Evaluation, folder: Path) -> None:
    nlp = spacy.load(folder / "model")
    scores = nlp.evaluate(list(Corpus(folder / "gold.spacy")(nlp)))
    found = {row.name: row.estimate.value for row in evaluation.scores.headline}
    assert found["Entities F"] == pytest.approx(scores["ents_f"])


def test_every_section_has_data(evaluation: Evaluation) -> None:
    assert evaluation.scores.entities
    assert evaluation.scores.seen
    assert evaluation.reliability is not None
    assert evaluation.training_log is not None
    assert len(evaluation.worst_sentences) == 3
    assert evaluation.confusions == []
    assert evaluation.with_confidences
    assert evaluation.n_docs == N_DOCS
    assert evaluation.words_per_second > 0


def test_the_pipeline_and_the_machine_are_described(evaluation: Evaluation, folder: Path) -> None:
    pipeline = evaluation.pipeline
    assert (pipeline.name, pipeline.components) == ("en_pipeline 0.0.0", ["ner"])
    assert pipeline.n_parameters > 0
    assert pipeline.bytes_on_disk == sum(f.stat().st_size for f in (folder / "model").rglob("*") if f.is_file())
    assert pipeline.versions.keys() == {"spacy", "spacy-bilstm", "torch"}


def test_a_loaded_pipeline_gives_the_same_results_and_keeps_its_settings(evaluation: Evaluation, folder: Path) -> None:
    nlp = spacy.load(folder / "model")
    before = dict(nlp.get_pipe("ner").cfg)
    again = evaluate(nlp, folder / "gold.spacy", train=folder / "gold.spacy", n_worst=3, n_resamples=50)
    assert nlp.get_pipe("ner").cfg == before
    assert again.settings.model == evaluation.settings.model
    assert again.scores == evaluation.scores
    assert again.reliability == evaluation.reliability


def test_evaluation_prints_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    evaluate(folder / "model", folder / "gold.spacy", n_resamples=50)
    assert capfd.readouterr() == ("", "")


def test_an_unknown_pipeline_is_an_error(folder: Path) -> None:
    with pytest.raises(OSError, match="Can't find model 'no_such_pipeline'"):
        evaluate("no_such_pipeline", folder / "gold.spacy")
