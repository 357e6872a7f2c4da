"""Scores on sentences, documents and groups of sentences."""

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_bilstm.experiments import document_lengths
from spacy_bilstm.experiments.document_lengths import (
    CNN,
    MAX_SENTENCES,
    Lengths,
    compare_lengths,
    make_forms,
    make_row_config,
    make_table,
    score,
)
from spacy_bilstm.experiments.results import OtherSettingsError
from spacy_bilstm.recipes import make_config
from spacy_bilstm.util.machine import get_versions

VOCAB = spacy.blank("en").vocab
LENGTHS = Lengths("train.spacy", "dev.spacy", ["tagger", "senter", "parser"], steps=7, cnn_steps=9)


def make_document(n_sentences: int) -> Doc:
    return Doc(VOCAB, words=["She", "left", "."] * n_sentences, sent_starts=[True, False, False] * n_sentences)


def test_the_forms_have_the_same_sentences() -> None:
    forms = make_forms([make_document(30), make_document(12)])
    lengths = {form: [len(list(doc.sents)) for doc in docs] for form, docs in forms.items()}
    assert lengths == {"sentences": [1] * 42, "documents": [30, 12], "20 sentences": [20, 20, 2]}


@pytest.mark.parametrize("row", MAX_SENTENCES)
def test_a_row_is_the_recipe_with_other_pieces(row: str) -> None:
    config = make_row_config(row, LENGTHS)
    recipe = make_config("en", LENGTHS.pipeline)
    assert config["training"]["batcher"].pop("max_sentences") == MAX_SENTENCES[row]
    del recipe["training"]["batcher"]["max_sentences"]
    assert config["training"]["batcher"] == recipe["training"]["batcher"]
    assert config["components"] == recipe["components"]
    assert config["training"]["max_steps"] == config["training"]["optimizer"]["learn_rate"]["total_steps"] == 7


def test_the_last_row_is_spacys_default() -> None:
    config = make_row_config(CNN, LENGTHS)
    assert config["components"]["tok2vec"]["model"]["encode"]["@architectures"] == "spacy.MaxoutWindowEncoder.v2"
    assert config["training"]["max_steps"] == 9


def test_sentences_are_scored_for_each_component_that_finds_them() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", name="parser")
    assert score(nlp, [make_document(3)]) == {"parser_f": 1.0}
    assert score(spacy.blank("en"), [make_document(3)]) == {}


def test_trainings_in_the_store_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: Any = {"sentences": {"tag_acc": 0.5}}
    monkeypatch.setattr(document_lengths, "train_row", lambda row, seed, lengths: stored)
    trained: list[tuple[str, int]] = []
    for seeds in ([0], [0, 1]):
        results = compare_lengths(
            LENGTHS, tmp_path / "x.json", [CNN], seeds, lambda row, seed, results: trained.append((row, seed))
        )
    assert trained == [(CNN, 0), (CNN, 1)]
    assert results == {CNN: {"0": stored, "1": stored}}
    versions, *tables = json.loads((tmp_path / "x.json").read_text()).values()
    assert (versions, tables) == (get_versions(), [results])


def test_a_store_of_other_versions_is_not_continued(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"versions": {"spacy": "3.0.0"}, "efficiency": {}}')
    with pytest.raises(OtherSettingsError, match=r"spacy: 3\.0\.0 there"):
        compare_lengths(LENGTHS, tmp_path / "x.json", [CNN], [0])


def test_the_table_has_a_row_for_each_form() -> None:
    runs = {
        str(seed): {"sentences": {"tag_acc": f}, "documents": {"tag_acc": 0.25}} for seed, f in ((0, 0.5), (1, 0.6))
    }
    table = make_table({"documents": runs})
    assert "| documents | sentences | 55.0 ± 7.1 | 2 |\n| documents | documents | 25.0 ± 0.0 | 2 |" in table
