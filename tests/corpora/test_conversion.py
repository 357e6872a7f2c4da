"""Conversion: corpora of all formats become Docs and files, and an unreadable corpus raises all its problems."""

import os
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from spacy_bilstm.corpora import CorpusReadError, convert, read_corpus

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


def load(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(VOCAB))


@pytest.fixture
def treebank(tmp_path: Path) -> Path:
    (tmp_path / "in.conllu").write_text(TREEBANK, encoding="utf8")
    (tmp_path / "in.iob2").write_text(ENTITIES, encoding="utf8")
    return tmp_path / "in.conllu"


def test_the_docs_are_written_and_the_statistics_returned(treebank: Path, tmp_path: Path) -> None:
    result = convert(treebank, tmp_path / "new" / "out.spacy")
    assert result.to_rows() == [("Sentences", "2"), ("Tokens", "8"), ("Types", "8"), ("Tags", "7")]
    assert result.warnings == []
    assert [doc.text for doc in load(tmp_path / "new" / "out.spacy")] == ["They don't leave Rio.", "Why?"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.spacy"]


def test_a_corpus_is_read_without_writing(treebank: Path) -> None:
    before = set(treebank.parent.iterdir())
    corpus = read_corpus(str(treebank))
    assert [doc.text for doc in corpus.docs] == ["They don't leave Rio.", "Why?"]
    assert set(treebank.parent.iterdir()) == before


def test_nothing_is_printed(treebank: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    convert(treebank, tmp_path / "out.spacy", entities=tmp_path / "in.iob2")
    assert capfd.readouterr() == ("", "")


def test_entities_of_another_file_are_merged(treebank: Path, tmp_path: Path) -> None:
    entities = tmp_path / "in.iob2"
    corpus = read_corpus(treebank, entities=entities)
    (warning,) = corpus.warnings
    assert str(warning).startswith(f"{entities}, line 9: word 1 is 'Why?' here and 'Why' in the treebank.")
    first, second = corpus.docs
    assert [(ent.text, ent.label_) for ent in first.ents] == [("do", "X"), ("Rio", "LOC")]
    assert [token.ent_iob_ for token in first] == ["O", "B", "O", "O", "B", "O"]
    assert [token.ent_iob_ for token in second] == ["", ""]
    assert [token.head.i for token in first] == [3, 3, 3, 3, 3, 3]


def test_ignored_labels_are_read_as_outside_and_counted(treebank: Path, tmp_path: Path) -> None:
    result = convert(treebank, tmp_path / "out.spacy", entities=tmp_path / "in.iob2", ignore_labels=["X", "Y"])
    first, second = load(tmp_path / "out.spacy")
    assert [token.ent_iob_ for token in first] == ["O", "O", "O", "O", "B", "O"]
    assert [token.ent_iob_ for token in second] == ["", ""]
    assert result.ignored_entities == {"X": 1, "Y": 0}
    assert result.to_rows()[-4:] == [
        ("Entities LOC", "1"),
        ("Sentences with missing entities", "1"),
        ("Entities X, read as outside", "1"),
        ("Entities Y, read as outside", "0"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.conll", "in O\nRio B-LOC\n"),
        ("in.txt", "Rio\tS-LOC\nNew\tB-LOC\nYork\tE-LOC\n"),
        ("in.jsonl", '{"text": "in Rio", "spans": [{"start": 3, "end": 6, "label": "LOC"}]}\n'),
    ],
)
def test_the_suffix_chooses_the_format(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_corpus(tmp_path / name).docs[0].ents[0].label_ == "LOC"


def test_a_format_and_a_scheme_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("Ann I-PER\nRio B-LOC\nMay B-X\n", encoding="utf8")
    corpus = read_corpus(tmp_path / "in.jsonl", input_format="columns", scheme="iob1")
    assert [ent.label_ for ent in corpus.docs[0].ents] == ["PER", "LOC", "X"]
    assert corpus.warnings == []


def test_words_are_compared_with_another_corpus(treebank: Path, tmp_path: Path) -> None:
    (tmp_path / "dev.conll").write_text("They O\nleave O\nLima B-LOC\nLima B-LOC\n", encoding="utf8")
    convert(treebank, tmp_path / "train.spacy")
    statistics = convert(tmp_path / "dev.conll", tmp_path / "dev.spacy", against=tmp_path / "train.spacy").statistics
    assert (statistics.unseen_tokens, statistics.unseen_types) == (0.5, 1 / 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1\ta\n", "line 1: this line has 2 columns. CoNLL-U needs 10"),
        (b"", "has no sentences"),
        (b"\n\n", "has no sentences"),
        (b"\n\xff\xfe\x00", "line 2: this line is not UTF-8"),
        ((TREEBANK + "x\n\ny\n").encode(), "All 2 errors are in the exception's 'problems'"),
    ],
)
def test_an_unreadable_corpus_leaves_the_target_as_it_was(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "in.conllu").write_bytes(data)
    (tmp_path / "out.spacy").write_text("precious")
    with pytest.raises(CorpusReadError, match=message):
        convert(tmp_path / "in.conllu", tmp_path / "out.spacy")
    assert (tmp_path / "out.spacy").read_text() == "precious"


def test_the_exception_has_all_problems(tmp_path: Path) -> None:
    (tmp_path / "in.conllu").write_text(TREEBANK.replace("PROPN", "NAME") + "x\n\ny\n", encoding="utf8")
    with pytest.raises(CorpusReadError) as raised:
        read_corpus(tmp_path / "in.conllu")
    assert [error.line for error in raised.value.problems.errors] == [16, 18]
    assert [warning.line for warning in raised.value.problems.warnings] == [8]


def test_arguments_that_do_not_fit_are_refused(treebank: Path, tmp_path: Path) -> None:
    entities = tmp_path / "in.iob2"
    with pytest.raises(ValueError, match=r"into a corpus in CoNLL-U only, but .* is read as columns"):
        read_corpus(entities, entities=entities)
    with pytest.raises(ValueError, match="spaCy has no language 'nonesuch'"):
        read_corpus(treebank, lang="nonesuch")
    with pytest.raises(ValueError, match="'xml' is not a valid Format"):
        read_corpus(treebank, input_format="xml")
    with pytest.raises(ValueError, match="'bio' is not a valid Scheme"):
        read_corpus(treebank, scheme="bio")


@needs_corpora
def test_english_ewt_keeps_the_text_of_its_sentences_and_gains_entities() -> None:
    treebank = Path(CORPORA or "") / "UD_English-EWT" / "en_ewt-ud-dev.conllu"
    entities = Path(CORPORA or "") / "UNER_English-EWT" / "en_ewt-ud-dev.iob2"
    corpus = read_corpus(treebank, entities=entities)
    assert len(corpus.warnings) == 3
    lines = treebank.read_text(encoding="utf8").split("\n")
    assert [doc.text for doc in corpus.docs] == [line[9:] for line in lines if line.startswith("# text = ")]
    assert {ent.label_ for doc in corpus.docs for ent in doc.ents} == {"PER", "LOC", "ORG"}
    tagged = entities.read_text(encoding="utf8").count("\tB-")
    assert tagged - 10 <= sum(len(doc.ents) for doc in corpus.docs) <= tagged


@needs_corpora
def test_wnut17_is_read_without_a_problem() -> None:
    path = Path(CORPORA or "") / "WNUT17" / "emerging.dev.conll"
    corpus = read_corpus(path)
    assert corpus.warnings == []
    rows = [line for line in path.read_text(encoding="utf8").split("\n") if line.strip()]
    assert [token.text for doc in corpus.docs for token in doc] == [row.split("\t")[0] for row in rows]
    assert sum(len(doc.ents) for doc in corpus.docs) == sum(row.split("\t")[1].startswith("B-") for row in rows)
