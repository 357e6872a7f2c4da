"""`spacy bilstm corpus`: files of any format become docs, with statistics, and every problem is printed."""

import os
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app
from spacy_bilstm.util.files import written_whole

TREEBANK = """\
# sent_id = 1
# text = They don't leave Rio.
1\tThey\tthey\tPRON\tPRP\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tleave\tleave\tVERB\tVB\t_\t0\troot\t_\t_
5\tRio\tRio\tPROPN\tNNP\t_\t4\tobj\t_\tSpaceAfter=No
6\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\t_

# sent_id = 2
# text = Why?
1\tWhy\twhy\tADV\tWRB\t_\t0\troot\t_\tSpaceAfter=No
2\t?\t?\tPUNCT\t.\t_\t1\tpunct\t_\t_

"""
ENTITIES = "# sent_id = 1\nThey O\ndo B-X\nn't O\nleave O\nRio B-LOC\n. O\n\n# sent_id = 2\nWhy? O\n"
VOCAB = spacy.blank("en").vocab
CORPORA = os.environ.get("SPACY_BILSTM_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="SPACY_BILSTM_CORPORA does not name a folder of corpora")


def said(result: Result) -> str:
    """What a command printed, without the line breaks that depend on the lengths of paths."""
    return " ".join(result.output.split())


def run(*args: Any) -> Result:
    return CliRunner().invoke(app, ["corpus", *map(str, args)])


def load(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(VOCAB))


def table(result: Result) -> dict[str, str]:
    """Give the printed statistics."""
    lines = (line.rsplit("  ", 1) for line in result.output.splitlines())
    return {words[0].strip(): words[1].strip() for words in lines if len(words) == 2 and words[0].strip()}


@pytest.fixture
def treebank(tmp_path: Path) -> Path:
    (tmp_path / "in.conllu").write_text(TREEBANK, encoding="utf8")
    (tmp_path / "in.iob2").write_text(ENTITIES, encoding="utf8")
    return tmp_path / "in.conllu"


def test_the_command_writes_docs_and_prints_their_statistics(treebank: Path, tmp_path: Path) -> None:
    result = run(treebank, tmp_path / "new" / "out.spacy", "--lang", "en")
    assert result.exit_code == 0, result.output
    assert table(result) == {"Sentences": "2", "Tokens": "8", "Types": "8", "Tags": "7"}
    assert [doc.text for doc in load(tmp_path / "new" / "out.spacy")] == ["They don't leave Rio.", "Why?"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.spacy"]


def test_entities_of_another_file_are_merged_and_what_does_not_fit_is_missing(treebank: Path, tmp_path: Path) -> None:
    entities = tmp_path / "in.iob2"
    result = run(treebank, tmp_path / "out.spacy", "--entities", entities, "--ignore-label", "X")
    assert result.exit_code == 0, result.output
    assert f"{entities}, line 9: '2' has 'Why?' as word 1, where the treebank has 'Why'" in said(result)
    first, second = load(tmp_path / "out.spacy")
    assert [(ent.text, ent.label_) for ent in first.ents] == [("Rio", "LOC")]
    assert [token.ent_iob_ for token in first] == ["O", "O", "O", "O", "B", "O"]
    assert [token.ent_iob_ for token in second] == ["", ""]
    counts = table(result)
    assert counts["Entities LOC"] == counts["Sentences with missing entities"] == "1"
    assert counts["Entities X, read as outside"] == "1"
    assert [token.head.i for token in first] == [3, 3, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.conll", "in O\nRio B-LOC\n"),
        ("in.txt", "Rio\tS-LOC\nNew\tB-LOC\nYork\tE-LOC\n"),
        ("in.jsonl", '{"text": "in Rio", "spans": [{"start": 3, "end": 6, "label": "LOC"}]}\n'),
    ],
)
def test_columns_and_jsonl_are_read_by_their_ending(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    result = run(tmp_path / name, tmp_path / "out.spacy")
    assert result.exit_code == 0, result.output
    assert load(tmp_path / "out.spacy")[0].ents[0].label_ == "LOC"


def test_unseen_words_are_counted_against_the_training_corpus(treebank: Path, tmp_path: Path) -> None:
    (tmp_path / "dev.conll").write_text("They O\nleave O\nLima B-LOC\nLima B-LOC\n", encoding="utf8")
    run(treebank, tmp_path / "train.spacy")
    result = run(tmp_path / "dev.conll", tmp_path / "dev.spacy", "--against", tmp_path / "train.spacy")
    assert table(result)["Unseen tokens"] == "50.0 %"
    assert table(result)["Unseen types"] == "33.3 %"


@pytest.mark.parametrize(("verbose", "n_printed"), [([], 5), (["--verbose"], 7)])
def test_the_first_problems_are_printed_and_all_are_counted(tmp_path: Path, verbose: list[str], n_printed: int) -> None:
    (tmp_path / "in.tsv").write_text("a\tO\n" * 9 + "b\tb\n" * 7, encoding="utf8")
    result = run(tmp_path / "in.tsv", tmp_path / "out.spacy", *verbose)
    assert result.exit_code == 0
    assert "7 warnings" in said(result)
    assert result.output.count("'b' is not an entity tag") == n_printed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1\ta\n", "line 1: 2 columns where CoNLL-U has 10"),
        (b"", "holds no"),
        (b"\n\n", "holds no"),
        (b"\n\xff\xfe\x00", "line 2: not UTF-8"),
        ((TREEBANK + "x\n\ny\n").encode(), "2 errors"),
    ],
)
def test_a_wrong_file_leaves_the_target_as_it_was(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "in.conllu").write_bytes(data)
    (tmp_path / "out.spacy").write_text("precious")
    result = run(tmp_path / "in.conllu", tmp_path / "out.spacy")
    assert result.exit_code == 1
    assert message in said(result)
    assert "Nothing was written" in said(result)
    assert (tmp_path / "out.spacy").read_text() == "precious"


def test_wrong_options_are_said(treebank: Path, tmp_path: Path) -> None:
    entities = tmp_path / "in.iob2"
    result = run(entities, tmp_path / "out.spacy", "--entities", entities)
    assert result.exit_code == 1
    assert "--entities joins a corpus in CoNLL-U" in said(result)
    result = run(treebank, tmp_path / "out.spacy", "--lang", "nonesuch")
    assert result.exit_code == 1
    assert "no language 'nonesuch'" in said(result)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def fail() -> None:
        with written_whole(tmp_path / "out") as draft:
            draft.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())


@needs_corpora
def test_english_ewt_keeps_the_sentences_own_text_and_gains_entities(tmp_path: Path) -> None:
    treebank = Path(CORPORA or "") / "UD_English-EWT" / "en_ewt-ud-dev.conllu"
    entities = Path(CORPORA or "") / "UNER_English-EWT" / "en_ewt-ud-dev.iob2"
    result = run(treebank, tmp_path / "out.spacy", "--entities", entities)
    assert result.exit_code == 0, result.output
    assert "3 warnings" in said(result)
    docs = load(tmp_path / "out.spacy")
    lines = treebank.read_text(encoding="utf8").split("\n")
    assert [doc.text for doc in docs] == [line[9:] for line in lines if line.startswith("# text = ")]
    assert {ent.label_ for doc in docs for ent in doc.ents} == {"PER", "LOC", "ORG"}
    tagged = entities.read_text(encoding="utf8").count("\tB-")
    assert tagged - 10 <= sum(len(doc.ents) for doc in docs) <= tagged


@needs_corpora
def test_wnut17_is_read_without_a_problem(tmp_path: Path) -> None:
    path = Path(CORPORA or "") / "WNUT17" / "emerging.dev.conll"
    result = run(path, tmp_path / "out.spacy")
    assert "warning" not in said(result)
    rows = [line for line in path.read_text(encoding="utf8").split("\n") if line.strip()]
    docs = load(tmp_path / "out.spacy")
    assert [token.text for doc in docs for token in doc] == [row.split("\t")[0] for row in rows]
    assert sum(len(doc.ents) for doc in docs) == sum(row.split("\t")[1].startswith("B-") for row in rows)
