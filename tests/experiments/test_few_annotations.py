"""Trainings on parts of a corpus: which parts are chosen, and which trainings are missing."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from toy_corpus import make_docs

from spacy_bilstm.experiments import few_annotations
from spacy_bilstm.experiments.few_annotations import Experiment, main, select_part, select_texts, train_and_score
from spacy_bilstm.experiments.learning_curves import VARIANTS, Run
from spacy_bilstm.experiments.results import OtherSettingsError
from spacy_bilstm.util.machine import get_versions

VOCAB = spacy.blank("en").vocab


def store(experiment: Experiment, selected: Run, torch: str | None = None, **scores: float) -> None:
    """Store a result, as that of the present versions or of another version of torch."""
    path = experiment.results / selected.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    versions = get_versions() | ({"torch": torch} if torch else {})
    result = {**vars(selected), "settings": experiment.settings, "versions": versions, "scores": scores}
    path.write_text(json.dumps(result))


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


def test_pretraining_on_some_texts_reads_those_at_the_start(experiment: Experiment) -> None:
    experiment.raw.write_text('{"text": "one"}\n{"text": "two"}\n{"text": "three"}\n')
    select_texts(experiment.raw, 2, experiment.raw.with_name("start.jsonl"))
    assert experiment.raw.with_name("start.jsonl").read_text() == '{"text": "one"}\n{"text": "two"}\n'


def test_steps_grow_with_the_root_of_the_part(experiment: Experiment) -> None:
    assert [experiment.count_steps(percent) for percent in (1, 25, 100)] == [200, 1000, 2000]


def test_variants_with_vectors_need_vectors(experiment: Experiment) -> None:
    assert experiment.find_variants() == [name for name, variant in VARIANTS.items() if not variant.vectors]


def test_a_stored_training_is_not_repeated(experiment: Experiment) -> None:
    store(experiment, Run("nothing", 10, 0), ents_f=0.5)
    assert train_and_score(experiment, Run("nothing", 10, 0)) == {"ents_f": 0.5}


def test_a_result_of_other_versions_or_settings_is_an_error(experiment: Experiment) -> None:
    store(experiment, Run("nothing", 10, 0), torch="1.0", ents_f=0.5)
    with pytest.raises(OtherSettingsError, match=r"other versions \(torch: 1.0 there"):
        train_and_score(experiment, Run("nothing", 10, 0))
    store(experiment, Run("nothing", 10, 0), ents_f=0.5)
    with pytest.raises(OtherSettingsError, match=r"other settings \(steps: 2000 there, 7 now"):
        train_and_score(replace(experiment, steps=7), Run("nothing", 10, 0))


def test_a_result_without_versions_is_an_error(experiment: Experiment) -> None:
    path = experiment.results / Run("nothing", 10, 0).file_name
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**vars(Run("nothing", 10, 0)), "scores": {"ents_f": 0.5}}))
    with pytest.raises(OtherSettingsError, match="does not hold a result with its versions"):
        train_and_score(experiment, Run("nothing", 10, 0))


def test_a_student_is_scored_on_gold_tokens(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tokenizer would split the one token of the corpus in two, and the ruler would not find it.
    doc = Doc(VOCAB, words=["can't"], ents=["B-X"])
    DocBin(docs=[doc]).to_disk(experiment.dev)
    student = spacy.blank("en")
    student.add_pipe("entity_ruler").add_patterns([{"label": "X", "pattern": [{"ORTH": "can't"}]}])
    student.to_disk("student")
    monkeypatch.setattr(few_annotations, "_train_teacher", lambda *_: Path("teacher"))
    monkeypatch.setattr(few_annotations, "distill", lambda *_, **__: SimpleNamespace(output="student"))
    assert train_and_score(experiment, Run("self-trained", 100, 0))["ents_f"] == 1.0


def test_variants_share_the_teachers_of_the_same_vectors(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def train(*arguments: Any) -> dict[str, float]:
        output = arguments[4]
        trained.append(output)
        output.mkdir()
        spacy.blank("en").to_disk(output / "model-last")
        return {}

    def distill(teachers: list[Path], *_: Any, **__: Any) -> SimpleNamespace:
        assert all((teacher / "meta.json").exists() for teacher in teachers)
        return SimpleNamespace(output=teachers[0])

    monkeypatch.setattr(few_annotations, "_train", train)
    monkeypatch.setattr(few_annotations, "distill", distill)
    counts = []
    for variant in ("self-trained", "ensemble-distilled"):
        train_and_score(experiment, Run(variant, 10, 0))
        counts.append(len(trained))
    train_and_score(experiment, Run("self-trained", 10, 1))
    assert [*counts, len(trained)] == [1, 3, 4]


def test_the_missing_trainings_are_listed_as_commands(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store(experiment, Run("nothing", 10, 0), ents_f=0.5)
    arguments = ["toy", "--train", str(experiment.train), "--dev", str(experiment.dev), "--raw", "raw.jsonl"]
    chosen = ["--percent", "10", "--seeds", "2", "--variant", "nothing", "--variant", "self-trained", "--list"]
    monkeypatch.setattr("sys.argv", ["few_annotations", *arguments, *chosen])
    main()
    commands = capsys.readouterr().out.splitlines()
    assert len(commands) == 3
    assert all(command.count("--variant") == command.count("--percent") == 1 for command in commands)
    assert commands[0].endswith("--variant self-trained --percent 10 --seed 0")
    assert commands[1].endswith("--variant nothing --percent 10 --seed 1")
