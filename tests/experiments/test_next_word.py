"""Language models at each distance: the texts, the questions, and the results."""

import json
from pathlib import Path

import pytest
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_bilstm.experiments import (
    Run,
    compare_next_word,
    make_generated_task,
    make_next_word_table,
    make_raw_text_task,
    make_variants,
)
from spacy_bilstm.experiments.next_word import SCENES, UNKNOWN
from spacy_bilstm.experiments.probes import COUNTRIES


def test_the_deciding_word_is_at_the_distance_and_decides_the_last_word() -> None:
    task = make_generated_task((4, 10), n_train=20, n_test=50)
    decided = SCENES | {country: language.capitalize() for country, language in COUNTRIES.items()}
    for distance in (4, 10):
        for prompt in task.questions[str(distance)]:
            assert prompt.position == len(prompt.words) - 1
            assert decided[prompt.words[-1 - distance]] == prompt.words[-1]
    assert {len(text) for text in task.texts} == {6, 9, 15}
    assert sum(map(len, (prompt.words for prompt in task.questions["all"]))) > 500


def write_texts(folder: Path, kind: str) -> Path:
    words = [f"w{i % 7}" for i in range(60)]
    path = folder / f"raw.{kind}"
    if kind == "spacy":
        DocBin(docs=[Doc(Vocab(), words=words)] * 20).to_disk(path)
    elif kind == "jsonl":
        path.write_text(f"{json.dumps({'text': ' '.join(words)})}\n" * 20)
    else:
        path.write_text(f"{' '.join(words)}\n\n" * 20)
    return path


@pytest.mark.parametrize("kind", ["spacy", "jsonl", "txt"])
def test_raw_text_is_asked_for_the_same_words_after_more_and_more_words(tmp_path: Path, kind: str) -> None:
    task = make_raw_text_task(write_texts(tmp_path, kind), (1, 5), n_words=6, n_test=30, max_length=30)
    short, long = task.questions["1"], task.questions["5"]
    assert len(short) == len(long) == 30
    for one, other in zip(short, long, strict=True):
        assert (len(one.words), len(other.words)) == (2, 6)
        assert one.words == other.words[-2:]
        assert one.words[-1] in {word for text in task.texts for word in text} - {UNKNOWN}
    assert len({word for text in task.texts for word in text}) == 7  # Six words, and the unknown one.
    assert len(task.texts) == 36  # A tenth is held out.


def test_texts_that_are_too_short_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no text of more than 70 words"):
        make_raw_text_task(write_texts(tmp_path, "txt"), (70,), max_length=80)


def test_a_model_learns_words_that_are_decided_and_the_file_is_continued(tmp_path: Path) -> None:
    task = make_generated_task((4,), n_train=200, n_test=40)
    variants = make_variants(["gru"], [1])
    path = tmp_path / "out.json"
    settings = {"width": 32, "steps": 40, "learn_rate": 0.02, "seeds": [0], "output": path}
    comparison = compare_next_word(task, variants, **settings)
    (run,) = comparison.runs
    assert run.scores["accuracy 4"] == 1.0
    assert run.scores["perplexity 4"] < 1.5
    assert run.scores["perplexity all"] > run.scores["perplexity 4"]
    trained: list[Run] = []
    again = compare_next_word(task, variants, **settings, on_run=trained.append)
    assert trained == []
    assert again.runs[0].scores == pytest.approx(run.scores)
    table = make_next_word_table(comparison)
    assert table.header == ("encoder", "measure", "4", "all")
    assert table.rows[0][:3] == ("GRU", "accuracy", "100.0")


def test_encoders_that_read_the_words_that_follow_are_refused() -> None:
    with pytest.raises(ValueError, match="BiGRU reads the words that follow"):
        compare_next_word(make_generated_task((4,)), make_variants(["gru"], [2]))
