"""The curves of few annotations: which parts are chosen, which trainings are missing, and what the page shows."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from toy_corpus import make_docs

from spacy_bilstm.experiments.few_annotations import (
    VARIANTS,
    Experiment,
    Run,
    get_results,
    main,
    make_table,
    read_results,
    run,
    select_part,
    write,
)

VOCAB = spacy.blank("en").vocab


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment on a toy corpus of 20 docs, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    DocBin(docs=make_docs(VOCAB, 20)).to_disk(tmp_path / "train.spacy")
    return Experiment("toy", tmp_path / "train.spacy", tmp_path / "train.spacy", tmp_path / "raw.jsonl")


def get_texts(path: Path, percent: int, seed: int) -> list[str]:
    return [doc.text for doc in select_part(path, percent, seed).get_docs(VOCAB)]


def test_a_larger_part_contains_the_smaller_one(experiment: Experiment) -> None:
    small, large = (get_texts(experiment.train, percent, 0) for percent in (10, 50))
    assert (len(small), len(large)) == (2, 10)
    assert large[:2] == small
    assert len(get_texts(experiment.train, 1, 0)) == 1


def test_seeds_choose_other_documents(experiment: Experiment) -> None:
    assert get_texts(experiment.train, 50, 0) != get_texts(experiment.train, 50, 1)


def test_steps_grow_with_the_root_of_the_part(experiment: Experiment) -> None:
    assert [experiment.count_steps(percent) for percent in (1, 25, 100)] == [200, 1000, 2000]


def test_variants_with_vectors_need_vectors(experiment: Experiment) -> None:
    assert experiment.find_variants() == [name for name, variant in VARIANTS.items() if not variant.vectors]


def store(name: str, selected: Run, **scores: float) -> None:
    path = get_results(name) / selected.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**vars(selected), "scores": scores}))


def test_a_stored_training_is_not_repeated(experiment: Experiment) -> None:
    store("toy", Run("nothing", 10, 0), ents_f=0.5)
    assert run(experiment, Run("nothing", 10, 0)) == {"ents_f": 0.5}


def test_the_missing_trainings_are_listed_as_commands(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store("toy", Run("nothing", 10, 0), ents_f=0.5)
    arguments = ["toy", "--train", str(experiment.train), "--dev", str(experiment.dev), "--raw", "raw.jsonl"]
    chosen = ["--percent", "10", "--seeds", "2", "--variant", "nothing", "--variant", "self-trained", "--list"]
    monkeypatch.setattr("sys.argv", ["few_annotations", *arguments, *chosen])
    main()
    commands = capsys.readouterr().out.splitlines()
    assert len(commands) == 3
    assert all(command.count("--variant") == command.count("--percent") == 1 for command in commands)
    assert commands[0].endswith("--variant self-trained --percent 10 --seed 0")
    assert commands[1].endswith("--variant nothing --percent 10 --seed 1")


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
    ]


def test_the_page_gets_the_table_and_the_plot(experiment: Experiment, tmp_path: Path) -> None:
    store("toy", Run("pretrained, own vectors", 10, 0), ents_f=0.5, pos_acc=0.9)
    store("toy", Run("nothing", 10, 0), ents_f=0.25, pos_acc=0.8)
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("<!-- table: toy -->\n<!-- end table -->\n")
    write("toy", page)
    assert "| pretrained, own vectors | 50.0 |" in page.read_text()
    assert (tmp_path / "docs" / "images" / "few-annotations-toy.svg").is_file()
    assert [key for key, _ in read_results("toy").items()] == [("nothing", 10), ("pretrained, own vectors", 10)]


def test_no_results_are_an_error(experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Train first"):
        write("toy", tmp_path / "page.md")
