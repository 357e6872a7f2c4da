"""The results of learning curves: which can be in one table, and what the page shows."""

import json
from pathlib import Path

import pytest

from spacy_bilstm.experiments.learning_curves import Run, get_results, make_table, read_results, write
from spacy_bilstm.experiments.results import OtherSettingsError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def store(selected: Run, torch: str = "2.0", steps: int = 100, **scores: float) -> None:
    path = get_results("toy") / selected.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {**vars(selected), "settings": {"steps": steps}, "versions": {"torch": torch}, "scores": scores}
    path.write_text(json.dumps(result))


def test_a_table_of_several_versions_is_an_error() -> None:
    store(Run("nothing", 1, 0), ents_f=0.5)
    store(Run("nothing", 3, 0), ents_f=0.6)
    assert len(read_results("toy")) == 2
    store(Run("nothing", 10, 0), torch="1.0", ents_f=0.5)
    with pytest.raises(OtherSettingsError, match="other versions"):
        read_results("toy")


def test_a_table_of_several_settings_is_an_error() -> None:
    store(Run("nothing", 1, 0), ents_f=0.5)
    store(Run("nothing", 3, 0), steps=200, ents_f=0.6)
    with pytest.raises(OtherSettingsError, match=r"steps: \d00 there, \d00 now"):
        read_results("toy")


def test_the_table_has_means_of_seeds_in_the_order_of_the_variants() -> None:
    results = {
        ("nothing", 10): [{"ents_f": 0.5}, {"ents_f": 0.6}],
        ("pretrained", 100): [{"ents_f": 0.7}],
    }
    assert make_table(results).splitlines() == [
        "| entity F | 10 % | 100 % |",
        "|---|---|---|",
        "| nothing | 55.0 ± 7.1 |  |",
        "| pretrained |  | 70.0 |",
        "| number of seeds | 2 | 1 |",
    ]


def test_the_page_gets_the_table_and_the_plot(tmp_path: Path) -> None:
    store(Run("pretrained, own vectors", 10, 0), ents_f=0.5, pos_acc=0.9)
    store(Run("nothing", 10, 0), ents_f=0.25, pos_acc=0.8)
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("<!-- table: toy -->\n<!-- end table -->\n")
    write("toy", page)
    assert "| pretrained, own vectors | 50.0 |" in page.read_text()
    assert (tmp_path / "docs" / "images" / "few-annotations-toy.svg").is_file()
    assert [key for key, _ in read_results("toy").items()] == [("nothing", 10), ("pretrained, own vectors", 10)]


def test_no_results_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Train first"):
        write("toy", tmp_path / "page.md")
