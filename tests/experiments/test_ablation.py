"""Test the ablation: its rows, its store and its tables."""

import json
from pathlib import Path
from typing import Any

import pytest

from spacy_bilstm.experiments import ablation
from spacy_bilstm.experiments.ablation import ROWS, Ablation, change_config, make_table, run_ablation, write_table
from spacy_bilstm.experiments.results import OtherSettingsError
from spacy_bilstm.recipes import make_config
from spacy_bilstm.util.machine import get_versions

EWT = Ablation("train.spacy", "dev.spacy")


def get_setting(config: Any, name: str) -> Any:
    """Return the setting with a dotted name."""
    for key in name.split("."):
        config = config[key]
    return config


def test_every_row_changes_a_setting_that_the_recipe_has() -> None:
    recipe = make_config("en", EWT.pipeline, EWT.optimize)
    for row, changes in ROWS.items():
        config = recipe.copy()
        change_config(config, row)
        for name, value in changes.items():
            assert get_setting(recipe, name) != value, f"{row}: {name} is {value} in the recipe, too"
            assert get_setting(config, name) == value


def test_rows_that_change_a_missing_component_are_left_out() -> None:
    rows = ["the recipe", "no label smoothing", "spaCy's transition-based `ner` for the CRF"]
    assert Ablation("train.spacy", "dev.spacy", pipeline=["ner"]).select(rows) == [rows[0], rows[2]]
    assert Ablation("train.spacy", "dev.spacy", pipeline=["morphologizer"]).select(rows) == rows[:2]


def test_trainings_in_the_store_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "ablation.json"
    done = {"the recipe": {"0": {"ents_f": 0.5}}}
    store.write_text(json.dumps({"versions": get_versions(), "efficiency, 1000 steps": done}))
    monkeypatch.setattr(ablation, "train_row", lambda row, seed, ablation: {"ents_f": 0.25})
    trained: list[tuple[str, int]] = []
    results = run_ablation(
        EWT, store, ["the recipe", "no dropout"], [0, 1], lambda row, seed, results: trained.append((row, seed))
    )
    assert trained == [("no dropout", 0), ("the recipe", 1), ("no dropout", 1)]
    assert results["the recipe"] == {"0": {"ents_f": 0.5}, "1": {"ents_f": 0.25}}
    assert json.loads(store.read_text()) == {"versions": get_versions(), "efficiency, 1000 steps": results}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"versions": {"spacy": "3.0.0"}, "efficiency, 1000 steps": {}}', "spacy: 3.0.0 there"),
        ('{"efficiency, 1000 steps": {}}', "results of other versions"),
        ("[1]", "does not hold results of an experiment"),
        ("x", "does not hold results of an experiment"),
    ],
    ids=["other", "unknown", "a list", "no JSON"],
)
def test_a_store_of_other_versions_is_not_continued(tmp_path: Path, content: str, message: str) -> None:
    store = tmp_path / "ablation.json"
    store.write_text(content)
    with pytest.raises(OtherSettingsError, match=message):
        run_ablation(EWT, store, ["the recipe"], [0])
    assert store.read_text() == content


def test_the_table_has_means_and_standard_deviations() -> None:
    runs = {"0": {"ents_f": 0.5}, "1": {"ents_f": 0.6}}
    table = make_table({"the recipe": runs, "no dropout": {"0": {"ents_f": 0.25}}})
    assert "| the recipe | 55.0 ± 7.1 | 2 |\n| no dropout | 25.0 | 1 |" in table


def test_only_the_table_with_the_name_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "ablation.md"
    page.write_text("<!-- table: a -->\nold\n<!-- end table -->\n<!-- table: b -->\n<!-- end table -->\n")
    write_table(page, "b", "new")
    assert page.read_text() == (
        "<!-- table: a -->\nold\n<!-- end table -->\n<!-- table: b -->\n\nnew\n\n<!-- end table -->\n"
    )


def test_a_page_without_the_table_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "ablation.md"
    page.write_text("<!-- table: a -->\n<!-- end table -->\n")
    with pytest.raises(ValueError, match="has no table 'c'"):
        write_table(page, "c", "")
