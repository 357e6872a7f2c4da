"""`spacy bilstm compare`: it trains what is named, writes what it measured, continues, and says what is wrong."""

from pathlib import Path
from typing import Any

import pytest
import srsly
from toy_corpus import write_docs
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app
from spacy_bilstm.experiments import running
from spacy_bilstm.experiments.variants import make_variants

SMALL = ["--width", "16", "--steps", "4", "--seeds", "1"]


def run(*args: Any, exit_code: int = 0) -> Result:
    """Run `compare` with arguments; fail unless it ends with that exit code."""
    result = CliRunner().invoke(app, ["compare", *map(str, args)])
    assert result.exit_code == exit_code, result.output
    return result


def get_runs(path: Path) -> list[tuple[str, int]]:
    """Give the name and the seed of each run in a JSON file."""
    return [(row["name"], row["seed"]) for row in srsly.read_json(path)["runs"]]


def test_two_directions_see_the_word_ahead_and_one_does_not(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "svg", "md")}
    asked = ["--cells", "lstm", "--distances", 5, "--no-cnn", "--width", 32, "--steps", 60, "--learn-rate", 0.01]
    files = ["--output", paths["json"], "--plot", paths["svg"], "--table", paths["md"]]
    result = run("future-context", *asked, "--seeds", 2, *files)
    summary = {row["name"]: row for row in srsly.read_json(paths["json"])["summary"]}
    assert summary["LSTM"]["scores"]["5"]["mean"] < 0.6
    assert summary["BiLSTM"]["scores"]["5"] == {"mean": 1.0, "sd": 0.0}
    assert summary["BiLSTM"]["n_seeds"] == 2
    for row in summary.values():
        assert row["parameters"] > 0
        assert row["train_seconds"]["mean"] > 0
        assert row["train_words_per_second"]["mean"] > 0
        assert row["predict_words_per_second"]["mean"] > 0
    assert "100.0 ± 0.0" in result.output
    assert "| BiLSTM | 100.0 ± 0.0 |" in paths["md"].read_text(encoding="utf8")
    assert "BiLSTM" in paths["svg"].read_text(encoding="utf8")


def test_every_cell_and_the_cnn_are_trained_on_mixed_or_growing_distances() -> None:
    result = run("long-gap", "--distances", "5,7", "--curriculum", *SMALL)
    assert all(f"{name}, seed 0" in result.output for name in ("RNN", "GRU", "LSTM", "CNN"))


def test_merges_answer_both_questions() -> None:
    result = run("merge", "--merges", "concat,mul", "--depths", "1,2", "--distance", 2, *SMALL)
    assert all(f"{name}, seed 0: both " in result.output for name in ("BiLSTM", "BiLSTM mul", "2-layer BiLSTM mul"))


def test_a_stopped_comparison_continues_with_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.json"
    command = ["merge", *SMALL, "--distance", 2, "--merges", "concat,sum,mean", "--output", path]
    trained = []
    train = running.train

    def stop_at_the_third(variant: Any, *args: Any) -> Any:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(variant.name)
        return train(variant, *args)

    monkeypatch.setattr(running, "train", stop_at_the_third)
    result = run(*command, exit_code=130)
    assert "continues from here" in result.output
    assert get_runs(path) == [("BiLSTM", 0), ("BiLSTM sum", 0)]
    trained.clear()
    run(*command)
    assert trained == ["BiLSTM mean"]
    assert get_runs(path) == [("BiLSTM", 0), ("BiLSTM sum", 0), ("BiLSTM mean", 0)]


def test_results_of_other_settings_are_neither_mixed_nor_lost(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    command = ["merge", *SMALL, "--merges", "sum", "--output", path]
    run(*command)
    before = path.read_bytes()
    result = run(*command, "--learn-rate", 0.5, exit_code=1)
    assert "learn_rate: 0.003 there, 0.5 now" in " ".join(result.output.split())
    assert path.read_bytes() == before
    path.write_text('{"other": 1}', encoding="utf8")
    assert "does not hold results" in " ".join(run(*command, exit_code=1).output.split())


def test_a_training_gives_the_same_scores_again(tmp_path: Path) -> None:
    scores = []
    for name in ("a.json", "b.json"):
        run("long-gap", "--cells", "gru", "--no-cnn", "--distances", 5, *SMALL, "--output", tmp_path / name)
        scores.append(srsly.read_json(tmp_path / name)["runs"][0]["scores"])
    assert scores[0] == scores[1]


def test_a_corpus_is_compared_by_what_it_has_annotation_for(tmp_path: Path) -> None:
    train, dev = write_docs(tmp_path / "train.spacy", 32, 0), write_docs(tmp_path / "dev.spacy", 8, 1)
    plot, output = tmp_path / "out.png", tmp_path / "out.json"
    asked = ["--cells", "lstm", "--directions", "2", "--width", 16, "--steps", 40, "--learn-rate", 0.01, "--seeds", 1]
    run("corpus", "--train", train, "--dev", dev, *asked, "--plot", plot, "--output", output)
    runs = srsly.read_json(output)["runs"]
    assert [row["name"] for row in runs] == ["BiLSTM", "CNN"]
    for row in runs:
        assert set(row["scores"]) == {"tag_acc", "pos_acc", "morph_acc", "ents_f"}
        assert row["scores"]["tag_acc"] > 0.6
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_price_is_told_in_relation_to_one_direction(tmp_path: Path) -> None:
    output, plot = tmp_path / "out.json", tmp_path / "out.svg"
    sizes = ["--width", 16, "--n-docs", 4, "--max-length", 10, "--rounds", 2]
    run("price", "--cells", "lstm", *sizes, "--output", output, "--plot", plot)
    rows = {row["name"]: row for row in srsly.read_json(output)["results"]}
    assert list(rows) == ["LSTM", "BiLSTM", "BiLSTM sum", "CNN"]
    assert rows["LSTM"]["predict_ratio"] == rows["LSTM"]["train_ratio"] == 1.0
    assert rows["BiLSTM"]["parameters"] < rows["BiLSTM sum"]["parameters"]
    assert rows["CNN"]["predict_ratio"] is None
    assert plot.is_file()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["long-gap", "--cells", "lstm,elman"], "'elman'"),
        (["long-gap", "--cells", ""], "--cells is empty"),
        (["long-gap", "--distances", "3,5"], "at least 5"),
        (["long-gap", "--distances", "near"], "whole numbers"),
        (["merge", "--width", "15"], "must be even"),
        (["merge", "--plot", "plot.docx"], ".svg"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_trained(args: list[str], message: str) -> None:
    assert message in " ".join(run(*args, exit_code=1).output.split())


def test_a_corpus_without_the_annotation_asked_for_is_an_error(tmp_path: Path) -> None:
    import spacy
    from spacy.tokens import Doc, DocBin

    path = tmp_path / "tagged.spacy"
    DocBin(docs=[Doc(spacy.blank("en").vocab, words=["a"], tags=["DT"])]).to_disk(path)
    result = run("corpus", "--train", path, "--dev", path, "--pipes", "ner", exit_code=1)
    assert "no annotation for 'ner'" in " ".join(result.output.split())
    bare = tmp_path / "bare.spacy"
    DocBin(docs=[Doc(spacy.blank("en").vocab, words=["a"])]).to_disk(bare)
    assert "no annotation to train on" in " ".join(
        run("corpus", "--train", bare, "--dev", path, exit_code=1).output.split()
    )


def test_one_direction_comes_once_whatever_the_merges() -> None:
    names = [variant.name for variant in make_variants(["gru"], [1, 2], ["concat", "sum"], [1, 2], cnn=True)]
    assert names == ["GRU", "BiGRU", "BiGRU sum", "2-layer GRU", "2-layer BiGRU", "2-layer BiGRU sum", "CNN"]
