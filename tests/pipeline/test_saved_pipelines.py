"""Pipelines that earlier versions have saved: they load, predict the same, and are saved with the same weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from safetensors.torch import load, save
from spacy.language import Language
from spacy.tokens import Doc, Token
from toy_pipelines import get_files

SAVED = Path(__file__).parent.parent / "data" / "pipelines"
PIPELINES = sorted(path.parent for path in SAVED.glob("*/*/config.cfg"))


@pytest.fixture(scope="module", params=PIPELINES, ids=lambda path: str(path.relative_to(SAVED)))
def path(request: pytest.FixtureRequest) -> Path:
    """The folder of a saved pipeline."""
    return request.param


@pytest.fixture(scope="module")
def nlp(path: Path) -> Language:
    return spacy.load(path)


@pytest.fixture(scope="module")
def saved(path: Path) -> dict[str, Any]:
    """The texts, and the predictions of the version that saved the pipeline."""
    return json.loads(path.with_name(f"{path.name}.json").read_text(encoding="utf8"))


@pytest.fixture(scope="module")
def docs(nlp: Language, saved: dict[str, Any]) -> list[Doc]:
    return list(nlp.pipe(saved["texts"]))


def test_there_are_saved_pipelines() -> None:
    assert len(PIPELINES) >= 2


TOKEN_ANNOTATIONS: dict[str, Callable[[Token], str]] = {
    "tags": lambda token: token.tag_,
    "pos": lambda token: token.pos_,
    "morph": lambda token: str(token.morph),
}


@pytest.mark.parametrize("kind", TOKEN_ANNOTATIONS)
def test_token_annotations_are_the_same(docs: list[Doc], saved: dict[str, Any], kind: str) -> None:
    predicted = [[TOKEN_ANNOTATIONS[kind](token) for token in doc] for doc in docs]
    assert predicted == [prediction[kind] for prediction in saved["predictions"]]


def test_entities_are_the_same(docs: list[Doc], saved: dict[str, Any]) -> None:
    predicted = [[[entity.start, entity.end, entity.label_] for entity in doc.ents] for doc in docs]
    assert predicted == [prediction["ents"] for prediction in saved["predictions"]]


def test_confidences_are_the_same(docs: list[Doc], saved: dict[str, Any]) -> None:
    for doc, prediction in zip(docs, saved["predictions"], strict=True):
        confidences = doc.spans["ner"].attrs["scores"] if "ner" in doc.spans else None
        assert confidences == pytest.approx(prediction["confidences"], abs=1e-4)


def test_scores_of_categories_are_the_same(docs: list[Doc], saved: dict[str, Any]) -> None:
    for doc, prediction in zip(docs, saved["predictions"], strict=True):
        assert doc.cats == pytest.approx(prediction["cats"], abs=1e-4)


def read_settings(data: bytes) -> dict[str, Any]:
    """Return a component's settings without the number of their format."""
    return {name: value for name, value in srsly.json_loads(data).items() if name != "format"}


def read_model(data: bytes) -> bytes:
    """Return a stored model without the number of the format of its torch weights."""
    model = srsly.msgpack_loads(data)
    model["shims"] = [[save(load(shim)) for shim in shims] for shims in model["shims"]]
    return srsly.msgpack_dumps(model)


@pytest.mark.parametrize(("name", "read"), [("cfg", read_settings), ("model", read_model)])
def test_the_pipeline_is_saved_with_the_same_weights_and_settings(
    path: Path, tmp_path: Path, name: str, read: Callable[[bytes], Any]
) -> None:
    spacy.load(path).to_disk(tmp_path)
    before, after = get_files(path), get_files(tmp_path)
    assert before.keys() == after.keys()
    names = [file for file in before if Path(file).name == name]
    assert names
    assert [file for file in names if read(before[file]) != read(after[file])] == []
