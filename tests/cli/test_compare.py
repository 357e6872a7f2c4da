"""Test `spacy bilstm compare`: its options, its files and its messages."""

from pathlib import Path
from typing import Any

import pytest
import srsly
from toy_corpus import write_docs
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app
from spacy_bilstm.experiments import running

SMALL = ["--width", "16", "--steps", "4", "--seeds", "1"]


def run(*args: Any, exit_code: int = 0) -> Result:
    """Run `compare` with arguments and check the exit code."""
    result = CliRunner().invoke(app, ["compare", *map(str, args)])
    assert result.exit_code == exit_code, result.output
    return result


def join_lines(text: str) -> str:
    """Undo the line breaks of a message."""
    return " ".join(text.split())


def get_runs(path: Path) -> list[tuple[str, int]]:
    """Return the name and the seed of each run in a JSON file."""
    return [(row["name"], row["seed"]) for row in srsly.read_json(path)["runs"]]


def test_future_context_writes_json_plot_and_table(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"out.{name}" for name in ("json", "svg", "md")}
    options = ["--cells", "lstm", "--distances", 5, "--no-cnn", "--width", 32, "--steps", 60, "--learn-rate", 0.01]
    files = ["--output", paths["json"], "--plot", paths["svg"], "--table", paths["md"]]
    result = run("future-context", *options, "--seeds", 2, *files)
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


def test_long_gap_with_a_curriculum_trains_every_cell_and_the_cnn() -> None:
    result = run("long-gap", "--distances", "5,7", "--curriculum", *SMALL)
    assert all(f"{name}, seed 0" in result.output for name in ("RNN", "GRU", "LSTM", "CNN"))


def test_merge_scores_both_questions() -> None:
    result = run("merge", "--merges", "concat,mul", "--depths", "1,2", "--distance", 2, *SMALL)
    assert all(f"{name}, seed 0: both " in result.output for name in ("BiLSTM", "BiLSTM mul", "2-layer BiLSTM mul"))


def test_the_same_command_continues_after_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert "2 of 3 trainings are done" in result.output
    assert "Run the same command to continue" in result.output
    assert get_runs(path) == [("BiLSTM", 0), ("BiLSTM sum", 0)]
    trained.clear()
    run(*command)
    assert trained == ["BiLSTM mean"]
    assert get_runs(path) == [("BiLSTM", 0), ("BiLSTM sum", 0), ("BiLSTM mean", 0)]


def test_a_file_with_other_settings_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text('{"experiment": "merge", "settings": {"distance": 2}, "versions": {}, "runs": []}', encoding="utf8")
    result = run("merge", *SMALL, "--output", path, exit_code=1)
    assert "distance: 2 there, 5 now" in join_lines(result.output)


def test_corpus_compares_all_annotated_components(tmp_path: Path) -> None:
    train, dev = write_docs(tmp_path / "train.spacy", 32, 0), write_docs(tmp_path / "dev.spacy", 8, 1)
    plot, output = tmp_path / "out.png", tmp_path / "out.json"
    options = ["--cells", "lstm", "--directions", "2", "--width", 16, "--steps", 40, "--learn-rate", 0.01, "--seeds", 1]
    files = ["--plot", plot, "--output", output]
    run("corpus", "--train", train, "--dev", dev, *options, "--dropout", 0.2, *files)
    assert srsly.read_json(output)["settings"]["dropout"] == 0.2
    runs = srsly.read_json(output)["runs"]
    assert [row["name"] for row in runs] == ["BiLSTM", "CNN"]
    for row in runs:
        assert set(row["scores"]) == {"tag_acc", "pos_acc", "morph_acc", "ents_f"}
        assert row["scores"]["tag_acc"] > 0.6
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_component_without_annotation_is_an_error(tmp_path: Path) -> None:
    import spacy
    from spacy.tokens import Doc, DocBin

    path = tmp_path / "tagged.spacy"
    DocBin(docs=[Doc(spacy.blank("en").vocab, words=["a"], tags=["DT"])]).to_disk(path)
    result = run("corpus", "--train", path, "--dev", path, "--pipes", "ner", exit_code=1)
    assert "no annotation for 'ner'" in join_lines(result.output)


def test_price_writes_json_and_plot(tmp_path: Path) -> None:
    output, plot = tmp_path / "out.json", tmp_path / "out.svg"
    sizes = ["--width", 16, "--n-docs", 4, "--max-length", 10, "--rounds", 2]
    run("price", "--cells", "lstm", *sizes, "--output", output, "--plot", plot)
    content = srsly.read_json(output)
    assert content["settings"] == {"width": 16, "n_docs": 4, "max_length": 10, "rounds": 2, "threads": 1}
    assert [row["name"] for row in content["results"]] == ["LSTM", "BiLSTM", "BiLSTM sum", "CNN"]
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
def test_invalid_options_are_errors_before_any_training(args: list[str], message: str) -> None:
    assert message in join_lines(run(*args, exit_code=1).output)


def test_reading_frame_trains_on_single_characters(tmp_path: Path) -> None:
    result = run("reading-frame", *SMALL, "--distances", 6, "--cells", "gru", "--directions", 1, "--no-cnn")
    assert "chance 33.3 %" in result.output
    assert "GRU" in result.output


@pytest.mark.parametrize("raw", [False, True])
def test_next_word_writes_json_and_table(tmp_path: Path, raw: bool) -> None:
    (tmp_path / "raw.txt").write_text("one two three four\n" * 30)
    text = ["--text", tmp_path / "raw.txt", "--distances", "1,2"] if raw else ["--distances", "4"]
    files = ["--output", tmp_path / "out.json", "--table", tmp_path / "out.md"]
    result = run("next-word", *SMALL, *text, "--cells", "gru,lstm", *files)
    assert get_runs(tmp_path / "out.json") == [("GRU", 0), ("LSTM", 0)]
    assert "| LSTM | perplexity |" in (tmp_path / "out.md").read_text(encoding="utf8")
    assert "Wrote" in result.output


def test_next_word_needs_long_enough_texts(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("one two three four\n" * 30)
    result = run("next-word", *SMALL, "--text", tmp_path / "raw.txt", exit_code=1)
    assert "has no text of more than 50 words" in join_lines(result.output)
