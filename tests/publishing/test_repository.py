"""The folder of a repository on the Hub: it loads, and its card has the scores, the metadata and the way to use it."""

from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from toy_corpus import write_docs
from toy_pipelines import get_files

from spacy_bilstm.publishing import build_repository

META = {"name": "toys", "version": "1.2.3", "description": "Tags toys.", "license": "CC BY-SA 4.0", "author": "Ann"}
WHEEL = b"PK\x05\x06" + bytes(18)  # An empty archive.
PERFORMANCE = {"ents_p": 0.81234, "ents_r": 0.7, "ents_f": 0.75, "ents_per_type": {"GPE": {"f": 1.0}}, "tag_acc": 0.9}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, trained_path: Path) -> Path:
    """Return the path of a trained pipeline with scores in its meta.json."""
    path = tmp_path_factory.mktemp("trained") / "model"
    nlp = spacy.load(trained_path)
    nlp.meta["performance"] = PERFORMANCE
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="module")
def repository(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_repository(model, "ann/toys", tmp_path_factory.mktemp("hub") / "toys", meta=META, dataset="Toy dev")


def read_card(directory: Path) -> tuple[dict[str, Any], str]:
    """Return the metadata and the text of a model card."""
    start, metadata, text = (directory / "README.md").read_text(encoding="utf8").split("---\n", 2)
    assert start == ""
    return srsly.yaml_loads(metadata), text


def test_the_folder_holds_the_pipeline_with_the_given_meta(repository: Any, model: Path) -> None:
    nlp = spacy.load(repository.directory)
    assert {name: nlp.meta[name] for name in META} == META
    assert set(repository.files) == {*get_files(model), "README.md"}
    assert repository.n_bytes == sum(len(data) for data in get_files(repository.directory).values())
    text = "Anna travels to Paris."
    assert [token.tag_ for token in nlp(text)] == [token.tag_ for token in spacy.load(model)(text)]


def test_the_card_has_the_metadata_that_the_hub_shows(repository: Any) -> None:
    metadata, _ = read_card(repository.directory)
    assert metadata["library_name"] == "spacy"
    assert metadata["language"] == ["en"]
    assert metadata["license"] == "cc-by-sa-4.0"
    assert metadata["tags"][:3] == ["spacy", "spacy-bilstm", "token-classification"]


def test_the_card_has_the_scores_of_the_training(repository: Any) -> None:
    metadata, text = read_card(repository.directory)
    (index,) = metadata["model-index"]
    assert index["name"] == "en_toys"
    entities, tags = index["results"]
    assert entities["task"] == {"name": "NER", "type": "token-classification"}
    assert entities["dataset"] == {"name": "Toy dev", "type": "custom"}
    assert entities["metrics"][0] == {"name": "NER Precision", "type": "precision", "value": 0.8123}
    assert [metric["value"] for metric in entities["metrics"]] == [0.8123, 0.7, 0.75]
    assert tags["metrics"] == [{"name": "TAG (XPOS) Accuracy", "type": "accuracy", "value": 0.9}]
    assert "| `TAG_ACC` | 90.00 |" in text


def test_the_card_says_what_the_pipeline_is_and_how_to_use_it(repository: Any) -> None:
    _, text = read_card(repository.directory)
    for line in ("# en_toys", "Tags toys.", 'nlp = spacy.load(snapshot_download("ann/toys"))', "### Label Scheme"):
        assert line in text
    assert "resolve/main" not in text


def test_scores_of_a_corpus_have_intervals(model: Path, tmp_path: Path) -> None:
    corpus = write_docs(tmp_path / "held_out.spacy", 20, seed=1)
    result = build_repository(model, "ann/toys", tmp_path / "hub", corpus=corpus, n_resamples=20)
    metadata, text = read_card(result.directory)
    assert "On held_out: 20 documents with" in text
    assert "`TAG_ACC`" not in text
    scores = {score.name: score.estimate for score in result.evaluation.scores.headline}
    results = {entry["task"]["name"]: entry for entry in metadata["model-index"][0]["results"]}
    assert results["TAG"]["dataset"]["name"] == "held_out"
    assert results["TAG"]["metrics"][0]["value"] == pytest.approx(scores["Tags"].value, abs=1e-4)
    tags = scores["Tags"]
    row = f"| Tags | {100 * tags.value:.1f} | {100 * tags.lower:.1f} to {100 * tags.upper:.1f} |"
    assert row in text
    assert result.missing == ["description", "license", "author"]


def test_the_wheel_is_in_the_folder_and_the_card_installs_it(model: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "en_toys-1.2.3-py3-none-any.whl"
    wheel.write_bytes(WHEEL)
    result = build_repository(model, "ann/toys", tmp_path / "hub", meta=META, wheel=wheel)
    assert (result.directory / wheel.name).read_bytes() == WHEEL
    _, text = read_card(result.directory)
    assert f"pip install https://huggingface.co/ann/toys/resolve/main/{wheel.name}" in text
    assert 'nlp = spacy.load("en_toys")' in text


def test_the_wheel_may_have_the_normalised_name_and_version(model: Path, tmp_path: Path) -> None:
    """`spacy package` writes these into the name of the wheel."""
    wheel = tmp_path / "en_mytoys-0.1.0b0-py3-none-any.whl"
    wheel.write_bytes(WHEEL)
    meta = META | {"name": "MyToys", "version": "0.1.0-beta"}
    assert wheel.name in build_repository(model, "ann/toys", tmp_path / "hub", meta=meta, wheel=wheel).files
    other = meta | {"version": "0.1.0-alpha"}
    with pytest.raises(ValueError, match=r"begin with en_mytoys-0\.1\.0a0-"):
        build_repository(model, "ann/toys", tmp_path / "other", meta=other, wheel=wheel)
    unknown = meta | {"version": "first"}
    with pytest.raises(ValueError, match=r"is not the wheel of this pipeline.*begin with en_mytoys-first-"):
        build_repository(model, "ann/toys", tmp_path / "unknown", meta=unknown, wheel=wheel)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"repo_id": "toys"}, "is not the name of a repository on the Hub. Give OWNER/NAME"),
        ({"repo_id": "a/b/c"}, "is not the name of a repository"),
        ({"repo_id": "ann/toys--2"}, "is not the name of a repository"),
        ({"repo_id": "ann/toys.git"}, "is not the name of a repository"),
        ({"repo_id": "ann/../toys"}, "is not the name of a repository"),
        ({"meta": {"lang": "sv"}}, "the pipeline determines 'lang'"),
        ({"wheel": "en_other-1.0.0-py3-none-any.whl"}, "is not the wheel of this pipeline.*begin with en_toys-1.2.3-"),
        ({"wheel": "missing.whl"}, "is not a wheel"),
        ({"wheel": "en_toys-1.2.3-junk.whl"}, "is not a wheel"),
        ({"meta": {"license": 5}}, "'license' of meta.json must be a string, not 5"),
        ({"meta": {"name": None}}, "'name' of meta.json must be a string, not None"),
        ({"meta": {"name": "a/b"}}, "'name' of meta.json is 'a/b'. Use letters, digits and '_' only"),
        ({"meta": {"version": "1 or 2"}}, "'version' of meta.json is '1 or 2'"),
        ({"meta": {"spacy_version": "new"}}, "'spacy_version' of meta.json is 'new'"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    model: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    arguments = {"repo_id": "ann/toys", "meta": META} | arguments
    if "wheel" in arguments:
        arguments["wheel"] = tmp_path / arguments["wheel"]
        if "missing" not in str(arguments["wheel"]):
            arguments["wheel"].write_bytes(b"junk" if "junk" in arguments["wheel"].name else WHEEL)
    with pytest.raises(ValueError, match=message):
        build_repository(model, directory=tmp_path / "hub", **arguments)
    assert not (tmp_path / "hub").exists()


def test_a_folder_that_has_files_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf8")
    with pytest.raises(ValueError, match=r"contains notes.txt, which is not part of a pipeline"):
        build_repository(model, "ann/toys", tmp_path)
    assert (tmp_path / "notes.txt").read_text(encoding="utf8") == "mine"
