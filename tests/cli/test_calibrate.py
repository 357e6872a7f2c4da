"""`spacy bilstm calibrate` gives back a pipeline whose confidences fit better, and whose threshold does on request."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import fix_random_seed
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app
from spacy_bilstm.pipeline import calibration
from spacy_bilstm.pipeline.calibration import _minimize, fit_threshold
from spacy_bilstm.pipeline.ner import BiLSTMEntityRecognizer

NAMES = ["Ada", "Grace", "Alan", "Kurt", "Emmy", "Max"]
WORDS = ["the", "a", "bank", "river", "will", "mark", "rose", "may", "art", "hope"]


def make_docs(vocab: spacy.Vocab, n_docs: int, wrong: int) -> list[Doc]:
    """Docs in which a name is a person, but for every `wrong`-th, which no context tells."""
    docs = []
    for i in range(n_docs):
        words = [WORDS[i % 10], NAMES[i % 6], WORDS[(i // 3) % 10], "."]
        docs.append(Doc(vocab, words=words, ents=["O", "O" if i % wrong == 0 else "B-PER", "O", "O"]))
    return docs


def make_unsure_docs(vocab: spacy.Vocab) -> list[Doc]:
    """Docs of a name alone: half of the names are persons in nine of twenty, the others in fifteen of twenty."""
    is_person = [(name, i < n) for j, name in enumerate(NAMES) for n in [(9, 15)[j % 2]] for i in range(20)]
    return [Doc(vocab, words=[name], ents=["B-PER" if person else "O"]) for name, person in is_person]


def train(docs: Callable[[spacy.Vocab], list[Doc]]) -> spacy.Language:
    """Give a pipeline that was trained with docs."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    encode = {"@architectures": "spacy-bilstm.BiLSTMEncoder.v1", "width": 16}
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 16, "attrs": ["NORM"], "rows": [100]}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed | {"include_static_vectors": False}}
    nlp.add_pipe("tok2vec", config={"model": tok2vec | {"encode": encode}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
    model = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": listener}
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": model})
    examples = [Example(doc.copy(), doc) for doc in docs(nlp.vocab)]
    for example in examples:
        example.predicted.ents = []
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    return nlp


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that is too sure, as it was trained where every name is a person, and a corpus where not all are."""
    folder = tmp_path_factory.mktemp("calibrate")
    nlp = train(lambda vocab: make_docs(vocab, 60, wrong=1000)[1:])
    nlp.to_disk(folder / "model")
    DocBin(docs=make_docs(nlp.vocab, 90, wrong=4)).to_disk(folder / "dev.spacy")
    DocBin(docs=make_docs(nlp.vocab, 60, wrong=1000)[1:]).to_disk(folder / "right.spacy")
    return folder


@pytest.fixture
def run(folder: Path) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        paths = [str(folder / argument) if "/" not in argument else argument for argument in arguments[:3]]
        return CliRunner().invoke(app, ["calibrate", *paths, *arguments[3:]])

    return run


def test_confidences_fit_afterwards_and_entities_stay(run: Callable[..., Result], folder: Path) -> None:
    result = run("model", "dev.spacy", "calibrated")
    assert result.exit_code == 0, result.output
    errors = {}
    found = {}
    for name in ("model", "calibrated"):
        nlp = spacy.load(folder / name, config={"components": {"ner": {"confidences": "sure"}}})
        docs = DocBin().from_disk(folder / "dev.spacy").get_docs(nlp.vocab)
        examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
        errors[name] = nlp.evaluate(examples)["ents_ece"]
        found[name] = [[(ent.start, ent.end, ent.label_) for ent in example.predicted.ents] for example in examples]
    assert found["model"] == found["calibrated"]
    assert errors["model"] > 0.2
    assert errors["calibrated"] < 0.05
    for name, error in errors.items():
        assert f"{error:.3f}" in result.output, name


def evaluate(path: Path, corpus: Path) -> float:
    """Give the F of a pipeline's entities."""
    nlp = spacy.load(path)
    docs = DocBin().from_disk(corpus).get_docs(nlp.vocab)
    return float(nlp.evaluate([Example(nlp.make_doc(doc.text), doc) for doc in docs])["ents_f"])


def test_a_fitted_threshold_finds_what_the_best_analysis_misses(run: Callable[..., Result], folder: Path) -> None:
    nlp = train(make_unsure_docs)
    nlp.to_disk(folder / "unsure")
    DocBin(docs=make_unsure_docs(nlp.vocab)).to_disk(folder / "unsure.spacy")
    result = run("unsure", "unsure.spacy", "fitted", "--threshold")
    assert result.exit_code == 0, result.output
    before, after = (evaluate(folder / name, folder / "unsure.spacy") for name in ("unsure", "fitted"))
    assert before == pytest.approx(2 * 15 / (20 + 24))
    assert after == pytest.approx(2 * 24 / (40 + 24))
    fitted = spacy.load(folder / "fitted").get_pipe("ner").cfg
    assert fitted["threshold"] == pytest.approx(after / 2)
    for value in (f"{100 * before:.1f}", f"{100 * after:.1f}", f"{fitted['threshold']:.3f}"):
        assert value in result.output
    assert (
        spacy.util.load_config(folder / "fitted" / "config.cfg")["components"]["ner"]["threshold"]
        == fitted["threshold"]
    )
    overridden = spacy.load(folder / "fitted", config={"components": {"ner": {"threshold": 0.0, "temperature": 1.0}}})
    assert [overridden.get_pipe("ner").cfg[name] for name in ("threshold", "temperature")] == [0.0, 1.0]
    again = run("fitted", "unsure.spacy", "fitted-again", "--threshold")
    assert again.exit_code == 0, again.output
    assert "it stays as it was" in again.output
    assert spacy.load(folder / "fitted-again").get_pipe("ner").cfg["threshold"] == fitted["threshold"]


def test_no_threshold_is_fitted_where_all_is_wrong(folder: Path) -> None:
    nlp = spacy.load(folder / "model")
    recognizer = nlp.get_pipe("ner")
    assert isinstance(recognizer, BiLSTMEntityRecognizer)
    examples = [Example(nlp.make_doc("Ada"), Doc(nlp.vocab, words=["Ada"], ents=["B-ORG"]))]
    with pytest.raises(ValueError, match="none of them is right"):
        fit_threshold(recognizer, examples)
    assert recognizer.cfg["threshold"] == 0.0


def test_a_threshold_above_all_confidences_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer = train(make_unsure_docs).get_pipe("ner")
    assert isinstance(recognizer, BiLSTMEntityRecognizer)
    examples = [Example(Doc(doc.vocab, words=[doc.text]), doc) for doc in make_unsure_docs(recognizer.vocab)]
    # Half of the F is 0.375, but the model is less sure of any name.
    outcomes = numpy.array([(0.2, float(bool(example.reference.ents))) for example in examples])
    found = {0.0: outcomes[:0]}
    monkeypatch.setattr(calibration, "_predict", lambda *args, threshold: found.get(threshold, outcomes))
    before, after = fit_threshold(recognizer, examples)
    assert after is before
    assert recognizer.cfg["threshold"] == 0.0


def test_the_output_may_be_the_model_itself(run: Callable[..., Result], folder: Path) -> None:
    spacy.load(folder / "model").to_disk(folder / "own")
    assert run("own", "dev.spacy", "own").exit_code == 0
    assert spacy.load(folder / "own").get_pipe("ner").cfg["temperature"] > 1.5
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_where_nothing_is_wrong_nothing_is_fitted(run: Callable[..., Result], folder: Path) -> None:
    result = run("model", "right.spacy", "never")
    assert result.exit_code == 1
    assert "some must be right and some not" in " ".join(result.output.split())
    assert not (folder / "never").exists()


def test_a_component_that_is_none_is_an_error(run: Callable[..., Result]) -> None:
    result = run("model", "dev.spacy", "never", "--pipe", "tok2vec")
    assert result.exit_code == 1
    assert "has no bilstm_ner 'tok2vec'" in " ".join(result.output.split())


@pytest.mark.parametrize("minimum", [-2.0, 0.0, 0.3, 1.9])
def test_the_search_finds_a_minimum(minimum: float) -> None:
    assert _minimize(lambda x: (x - minimum) ** 2, -2.3, 2.3) == pytest.approx(minimum, abs=1e-3)
