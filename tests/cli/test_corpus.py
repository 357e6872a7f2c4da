"""`spacy bilstm corpus`: its options, the table and the problems it prints, and its exit status."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from blank_pipelines import cached_blank_pipelines
from spacy.tokens import DocBin
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app

TREEBANK = (
    "# sent_id = 1\n# text = Rio?\n1\tRio\tRio\tPROPN\tNNP\t_\t0\troot\t_\tSpaceAfter=No\n"
    "2\t?\t?\tPUNCT\t.\t_\t1\tpunct\t_\t_\n\n# sent_id = 2\n1\tWhy\twhy\tADV\tWRB\t_\t0\troot\t_\t_\n\n"
)
ENTITIES = "# sent_id = 1\nRio B-LOC\n? B-X\n\n# sent_id = 2\nWhy? O\n"


@pytest.fixture(scope="module", autouse=True)
def _cached_blank_pipelines() -> Iterator[None]:
    with cached_blank_pipelines():
        yield


def run(*args: Any) -> Result:
    return CliRunner().invoke(app, ["corpus", *map(str, args)])


def printed(result: Result) -> str:
    """Return the output without the line breaks that depend on the lengths of paths."""
    return " ".join(result.output.split())


def read_table(result: Result) -> dict[str, str]:
    """Return the printed statistics."""
    lines = (line.rsplit("  ", 1) for line in result.output.splitlines())
    return {words[0].strip(): words[1].strip() for words in lines if len(words) == 2 and words[0].strip()}


@pytest.fixture
def treebank(tmp_path: Path) -> Path:
    (tmp_path / "in.conllu").write_text(TREEBANK, encoding="utf8")
    (tmp_path / "in.iob2").write_text(ENTITIES, encoding="utf8")
    return tmp_path / "in.conllu"


def test_the_statistics_are_printed(treebank: Path, tmp_path: Path) -> None:
    result = run(treebank, tmp_path / "out.spacy", "--lang", "en")
    assert result.exit_code == 0, result.output
    assert read_table(result) == {
        "Documents": "2",
        "Sentences": "2",
        "Tokens": "3",
        "Types": "3",
        "Tags": "3",
        "Documents with missing entities": "2",
    }
    assert "Wrote" in result.output


def test_every_option_has_its_effect(treebank: Path, tmp_path: Path) -> None:
    options = ["--format", "conllu", "--entities", tmp_path / "in.iob2", "--scheme", "iob2", "--ignore-label", "X"]
    run(treebank, tmp_path / "train.spacy")
    result = run(treebank, tmp_path / "out.spacy", *options, "--against", tmp_path / "train.spacy")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'in.iob2'}, line 5: word 1 is 'Why?' here and 'Why' in the treebank" in printed(result)
    table = read_table(result)
    assert table["Entities LOC"] == table["Documents with missing entities"] == "1"
    assert table["Entities X, read as outside"] == "1"
    assert table["Unseen tokens"] == "0.0 %"
    docs = DocBin().from_disk(tmp_path / "out.spacy").get_docs(spacy.blank("en").vocab)
    assert [[ent.label_ for ent in doc.ents] for doc in docs] == [["LOC"], []]


@pytest.mark.parametrize(("verbose", "n_printed"), [([], 5), (["--verbose"], 7)])
def test_the_first_problems_are_printed_and_all_are_counted(tmp_path: Path, verbose: list[str], n_printed: int) -> None:
    (tmp_path / "in.tsv").write_text("a\tO\n" * 9 + "b\tb\n" * 7, encoding="utf8")
    result = run(tmp_path / "in.tsv", tmp_path / "out.spacy", *verbose)
    assert result.exit_code == 0
    assert "7 warnings" in printed(result)
    assert result.output.count("'b' is not an entity tag") == n_printed
    assert ("and 2 more" in printed(result)) == (not verbose)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\ta\n", "1 error"),
        ("1\ta\n", "Correct the errors above"),
        ("", "in.conllu has no sentences"),
        (TREEBANK + "x\n\ny\n", "2 errors"),
    ],
)
def test_errors_are_printed_and_nothing_is_written(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "in.conllu").write_text(text, encoding="utf8")
    result = run(tmp_path / "in.conllu", tmp_path / "out.spacy")
    assert result.exit_code == 1
    assert message in printed(result)
    assert "Nothing was written" in printed(result)
    assert not (tmp_path / "out.spacy").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "columns", "--entities", "in.iob2"], "into a corpus in CoNLL-U only"),
        (["--lang", "nonesuch"], "no language 'nonesuch'"),
        (["--lang", "../en"], "no language '../en'"),
        (["--lang", "punctuation"], "no language 'punctuation'"),
        (["--against", "in.iob2"], "in.iob2 is not in spaCy's binary format"),
    ],
)
def test_incorrect_options_are_printed(
    treebank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(treebank, tmp_path / "out.spacy", *options)
    assert result.exit_code == 1
    assert message in printed(result)


def test_sentences_are_grouped_on_request(treebank: Path, tmp_path: Path) -> None:
    single = run(treebank, tmp_path / "single.spacy")
    assert "Every document has one sentence" in printed(single)
    grouped = run(treebank, tmp_path / "grouped.spacy", "-n", "2")
    assert read_table(grouped)["Documents"] == "1"
    assert "Every document has one sentence" not in printed(grouped)
    (doc,) = DocBin().from_disk(tmp_path / "grouped.spacy").get_docs(spacy.blank("en").vocab)
    assert doc.text == "Rio? Why"


def test_zero_sentences_per_document_set_no_limit(treebank: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.conllu"
    marked.write_text("# newdoc\n" + treebank.read_text(encoding="utf8"), encoding="utf8")
    for options in (["-n", "0"], []):
        assert read_table(run(marked, tmp_path / "out.spacy", *options))["Documents"] == "1"
    assert read_table(run(marked, tmp_path / "out.spacy", "-n", "1"))["Documents"] == "2"


def test_a_corpus_without_annotation_is_a_warning_after_the_table(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('[{"text": "Ada left.", "persons": [[0, 3]]}]', encoding="utf8")
    result = run(tmp_path / "in.json", tmp_path / "out.spacy")
    assert result.exit_code == 0
    table, warnings = printed(result).split("Documents with missing entities 1")
    assert "annotat" not in table.replace("Sentences not annotated", "")
    assert "keys look like annotation and are not read (in how many records): 'persons' (1)" in warnings
    assert "Nothing is annotated" in warnings


def test_an_unwritable_target_is_printed(treebank: Path) -> None:
    result = run(treebank, treebank / "out.spacy")
    assert result.exit_code == 1
    assert "can't be written" in printed(result)
