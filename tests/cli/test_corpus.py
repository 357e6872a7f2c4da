"""`spacy bilstm corpus`: what CoNLL-U says arrives in the docs, and what is wrong is said with file and line."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app
from spacy_bilstm.cli.conllu import CorpusError, read_docs
from spacy_bilstm.cli.files import written_whole

SENTENCE = """\
# sent_id = 1
# text = They don't leave Rio.
1\tThey\tthey\tPRON\tPRP\tCase=Nom|Number=Plur\t4\tnsubj\t_\tNER=O
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\tNER=O
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\tNER=O
4\tleave\tleave\tVERB\tVB\tVerbForm=Inf\t0\troot\t_\tNER=O
4.1\tleave\tleave\tVERB\tVB\t_\t_\t_\t4:conj\t_
5\tRio\tRio\tPROPN\tNNP\t_\t4\tobj\t_\tSpaceAfter=No|NER=B-LOC
6\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\tNER=O

"""
VOCAB = spacy.blank("en").vocab


def read(text: str) -> list[Doc]:
    return list(read_docs(text.splitlines(), VOCAB, "x.conllu"))


def run(*args: Any) -> Result:
    return CliRunner().invoke(app, ["corpus", *map(str, args)])


def rows(*columns: tuple[str, ...]) -> str:
    """Make a sentence of (form, head, misc) rows."""
    lines = [f"{i}\t{form}\t_\t_\t_\t_\t{head}\t_\t_\t{misc}" for i, (form, head, misc) in enumerate(columns, 1)]
    return "\n".join(lines) + "\n\n"


def test_annotation_arrives_in_the_doc() -> None:
    (doc,) = read(SENTENCE)
    assert doc.text == "They don't leave Rio. "
    assert [token.text for token in doc] == ["They", "do", "n't", "leave", "Rio", "."]
    assert [token.pos_ for token in doc] == ["PRON", "AUX", "PART", "VERB", "PROPN", "PUNCT"]
    assert [token.tag_ for token in doc] == ["PRP", "VBP", "RB", "VB", "NNP", "."]
    assert [token.lemma_ for token in doc] == ["they", "do", "not", "leave", "Rio", "."]
    assert str(doc[0].morph) == "Case=Nom|Number=Plur"
    assert [token.head.i for token in doc] == [3, 3, 3, 3, 3, 3]
    assert [token.dep_ for token in doc] == ["nsubj", "aux", "advmod", "ROOT", "obj", "punct"]
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Rio", "LOC")]
    assert doc.has_annotation("ENT_IOB", require_complete=True)


def test_a_contraction_that_its_words_do_not_spell_stays_one_token() -> None:
    text = (
        "# text = casa del rey\n1\tcasa\tcasa\tNOUN\tN\t_\t0\troot\t_\t_\n2-3\tdel\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "2\tde\tde\tADP\tP\tA=1\t4\tcase\t_\t_\n3\tel\tel\tDET\tD\tA=2|B=3\t4\tdet\t_\t_\n"
        "4\trey\trey\tNOUN\tN\t_\t1\tnmod\t_\t_\n\n"
    )
    (doc,) = read(text)
    assert doc.text == "casa del rey "
    assert (doc[1].tag_, doc[1].pos_, doc[1].lemma_, str(doc[1].morph)) == ("P_D", "ADP", "de el", "A=1,2|B=3")
    assert [token.head.i for token in doc] == [0, 2, 0]


def test_entities_that_are_not_annotated_are_missing_and_not_outside() -> None:
    known, unknown = read(rows(("a", "_", "NER=O"), ("b", "_", "_")) + rows(("c", "_", "_")))
    assert [token.ent_iob_ for token in known] == ["O", ""]
    assert [token.ent_iob_ for token in unknown] == [""]


def test_a_file_without_trees_has_sentence_starts_and_no_heads() -> None:
    (doc,) = read(rows(("a", "_", "_"), ("b", "_", "_")))
    assert doc.has_annotation("SENT_START")
    assert not doc.has_annotation("DEP")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\ta\n", r"x.conllu, line 1: 2 columns where CoNLL-U has 10"),
        (SENTENCE.replace("\tthey\t", "\t\t"), r"line 3: an empty column"),
        (SENTENCE.replace("5\tRio", "x\tRio"), r"line 9: the id 'x' or the head '4' is not a number"),
        (SENTENCE.replace("5\tRio", "7\tRio"), r"line 9: the id is 7, not 5"),
        (SENTENCE.replace("VB\tVerbForm=Inf\t0", "VB\tVerbForm=Inf\t9"), r"line 7: the head 9 is not in the sentence"),
        (SENTENCE.replace("B-LOC", "LOC"), r"line 9: 'NER=LOC' is not O, B-TYPE or I-TYPE"),
        (SENTENCE.replace("B-LOC", "I-LOC"), r"line 9: 'NER=I-LOC' follows 'NER=O'. An entity starts with B-LOC"),
        (SENTENCE.replace("2-3\t", "2-9\t"), r"line 1: the multiword token 'don't' spans 2-9"),
        (SENTENCE.replace("SpaceAfter=No|", ""), r"line 1: the words spell '.*Rio \.', but '# text' says '.*Rio\.'"),
        ("# text = a\n\n", r"line 1: a sentence without words"),
        ("\n\n" + SENTENCE.replace("PROPN", "PRONOUN"), r"line 3: the sentence's annotation is not valid.*PRONOUN"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=f"(?s){message}"):
        read(text)


@given(st.lists(st.tuples(st.text("abé🙂", min_size=1, max_size=4), st.booleans()), min_size=1, max_size=9))
def test_the_docs_text_is_the_sentences(words: list[tuple[str, bool]]) -> None:
    text = "".join(word + " " * space for word, space in words).strip()
    columns = [(word, "_", "_" if space else "SpaceAfter=No") for word, space in words]
    (doc,) = read(f"# text = {text}\n" + rows(*columns))
    assert doc.text.strip() == text


def test_the_command_writes_docs_and_prints_their_statistics(tmp_path: Path) -> None:
    (tmp_path / "in.conllu").write_text(SENTENCE * 2, encoding="utf8")
    result = run(tmp_path / "in.conllu", tmp_path / "new" / "out.spacy", "--lang", "en")
    assert result.exit_code == 0, result.output
    for line in ("Sentences      2", "Tokens        12", "Entities LOC   2"):
        assert line.split() in [printed.split() for printed in result.output.splitlines()]
    docs = list(DocBin().from_disk(tmp_path / "new" / "out.spacy").get_docs(VOCAB))
    assert [doc.text for doc in docs] == ["They don't leave Rio. "] * 2
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.spacy"]


@pytest.mark.parametrize("data", [b"1\ta\n", b"", b"\xff\xfe\x00", b"\n\n"])
def test_a_wrong_file_leaves_the_target_as_it_was(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "in.conllu").write_bytes(data)
    (tmp_path / "out.spacy").write_text("precious")
    result = run(tmp_path / "in.conllu", tmp_path / "out.spacy")
    assert result.exit_code == 1
    assert "Nothing was written" in result.output
    assert (tmp_path / "out.spacy").read_text() == "precious"


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def fail() -> None:
        with written_whole(tmp_path / "out") as draft:
            draft.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())
