"""CoNLL-U: what it says arrives in the docs, and what is wrong is said with file and line."""

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm.corpora.conllu import read_sentences, sentence_to_doc
from spacy_bilstm.corpora.problems import Problems

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
CONTRACTION = (
    "# text = casa del rey\n1\tcasa\tcasa\tNOUN\tN\t_\t0\troot\t_\t_\n2-3\tdel\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "2\tde\tde\tADP\tP\tA=1\t4\tcase\t_\t{}\n3\tel\tel\tDET\tD\tA=2|B=3\t4\tdet\t_\t{}\n"
    "4\trey\trey\tNOUN\tN\t_\t1\tnmod\t_\t{}\n\n"
)
VOCAB = spacy.blank("en").vocab


def read(text: str) -> tuple[list[Doc], Problems]:
    problems = Problems()
    sentences = read_sentences(text.split("\n"), "x.conllu", problems)
    docs = [sentence_to_doc(sentence, VOCAB, "x.conllu", problems) for sentence in sentences]
    return [doc for doc in docs if doc is not None], problems


def read_well(text: str) -> list[Doc]:
    docs, problems = read(text)
    assert problems == Problems()
    return docs


def rows(*columns: tuple[str, str, str]) -> str:
    """Make a sentence of (form, head, misc) rows."""
    lines = [f"{i}\t{form}\t_\t_\t_\t_\t{head}\t_\t_\t{misc}" for i, (form, head, misc) in enumerate(columns, 1)]
    return "\n".join(lines) + "\n\n"


def test_annotation_arrives_in_the_doc() -> None:
    (doc,) = read_well(SENTENCE)
    assert doc.text == "They don't leave Rio."
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
    (doc,) = read_well(CONTRACTION.format("_", "_", "_"))
    assert doc.text == "casa del rey"
    assert (doc[1].tag_, doc[1].pos_, doc[1].lemma_, str(doc[1].morph)) == ("P_D", "ADP", "de el", "A=1,2|B=3")
    assert [token.head.i for token in doc] == [0, 2, 0]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("O", "O", "B-PER"), [("O", ""), ("B", "PER")]),
        (("B-PER", "I-PER", "I-PER"), [("B", "PER"), ("I", "PER")]),
        (("B-PER", "I-PER", "O"), [("B", "PER"), ("O", "")]),
    ],
)
def test_an_entity_of_whole_contractions_is_kept(tags: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    (doc,) = read_well(CONTRACTION.format(*(f"NER={tag}" for tag in tags)))
    assert [(token.ent_iob_, token.ent_type_) for token in doc[1:]] == expected


@pytest.mark.parametrize("tags", [("O", "B-PER", "I-PER"), ("B-PER", "B-PER", "I-PER"), ("B-PER", "B-ORG", "I-ORG")])
def test_an_entity_that_starts_inside_a_contraction_is_missing(tags: tuple[str, ...]) -> None:
    (doc,), problems = read(CONTRACTION.format(*(f"NER={tag}" for tag in tags)))
    assert [token.ent_iob_ for token in doc] == ["", "", ""]
    (warning,) = problems.warnings
    assert "inside the multiword token 'del'" in str(warning)


def test_entities_that_are_not_annotated_are_missing_and_not_outside() -> None:
    known, unknown = read_well(rows(("a", "_", "NER=O"), ("b", "_", "_")) + rows(("c", "_", "_")))
    assert [token.ent_iob_ for token in known] == ["O", ""]
    assert [token.ent_iob_ for token in unknown] == [""]


def test_a_file_without_trees_has_sentence_starts_and_no_heads() -> None:
    (doc,) = read_well(rows(("a", "_", "_"), ("b", "_", "_")))
    assert doc.has_annotation("SENT_START")
    assert not doc.has_annotation("DEP")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\ta\n", "x.conllu, line 1: 2 columns where CoNLL-U has 10"),
        (SENTENCE.replace("\tthey\t", "\t\t"), "line 3: an empty column"),
        (SENTENCE.replace("5\tRio", "x\tRio"), "line 9: the id 'x' or the head '4' is not a number"),
        (SENTENCE.replace("5\tRio", "7\tRio"), "line 9: the id is 7, not 5"),
        (SENTENCE.replace("2-3\t", "2-9\t"), "line 1: the multiword token 'don't' spans 2-9"),
        ("# text = a\n\n", "line 1: a sentence without words"),
    ],
)
def test_what_cannot_be_read_is_an_error_and_the_next_sentence_is_read(text: str, message: str) -> None:
    docs, problems = read(text.strip("\n") + "\n\n" + SENTENCE + "1\tb\n")
    assert [doc.text for doc in docs] == ["They don't leave Rio."]
    first, last = problems.errors
    assert message in str(first)
    assert "2 columns" in str(last)


@pytest.mark.parametrize(
    ("text", "message", "missing"),
    [
        (SENTENCE.replace("B-LOC", "LOC"), "line 9: 'LOC' is not an entity tag", "ENT_IOB"),
        (SENTENCE.replace("B-LOC", "I-LOC"), "line 9: 'I-LOC' follows 'O', so its entity has no start", "ENT_IOB"),
        (SENTENCE.replace("PROPN", "PRONOUN"), "line 9: 'PRONOUN' is not one of the universal", "POS"),
        (SENTENCE.replace("\t0\troot", "\t9\troot"), "line 3: from the head 4 no way leads to the root", "DEP"),
        (SENTENCE.replace("\t0\troot", "\t5\troot"), "line 3: from the head 4 no way leads to the root", "DEP"),
        (SENTENCE.replace("\t0\troot", "\t_\troot"), "line 3: from the head 4 no way leads to the root", "DEP"),
    ],
)
def test_annotation_that_is_not_valid_is_missing(text: str, message: str, missing: str) -> None:
    (doc,), problems = read(text)
    (warning,) = problems.warnings
    assert message in str(warning)
    assert not doc.has_annotation(missing, require_complete=True)
    assert doc.has_annotation("TAG", require_complete=True)


def test_a_text_that_the_words_do_not_spell_is_said() -> None:
    _, problems = read(SENTENCE.replace("SpaceAfter=No|", ""))
    (warning,) = problems.warnings
    assert "line 1: the words spell 'They don't leave Rio .', but '# text' says 'They don't leave Rio.'" in str(warning)


@given(st.lists(st.tuples(st.text("abé🙂", min_size=1, max_size=4), st.booleans()), min_size=1, max_size=9))
def test_the_docs_text_is_the_sentences(words: list[tuple[str, bool]]) -> None:
    text = "".join(word + " " * space for word, space in words).strip()
    columns = [(word, "_", "_" if space else "SpaceAfter=No") for word, space in words]
    (doc,) = read_well(f"# text = {text}\n" + rows(*columns))
    assert doc.text == text
