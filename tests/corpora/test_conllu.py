"""CoNLL-U files: unreadable sentences are errors, invalid annotation is missing, and every problem has its line."""

import pytest

from spacy_bilstm.corpora.conllu import Sentence, read_sentences
from spacy_bilstm.corpora.corpus_file import CorpusFile
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


def read(text: str) -> tuple[list[Sentence], Problems]:
    file = CorpusFile("x.conllu", text.split("\n"))
    return list(read_sentences(file)), file.problems


def test_words_comments_and_multiword_tokens_are_read() -> None:
    (sentence,), problems = read(SENTENCE)
    assert problems == Problems()
    assert sentence.start == 1
    assert sentence.comments == {"sent_id": "1", "text": "They don't leave Rio."}
    assert [word.form for word in sentence.words] == ["They", "do", "n't", "leave", "Rio", "."]
    assert [word.line for word in sentence.words] == [3, 5, 6, 7, 9, 10]
    assert [word.misc.get("NER") for word in sentence.words] == ["O", "O", "O", "O", "B-LOC", "O"]
    assert sentence.multiword_tokens == [(2, 3, "don't", True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\ta\n", "x.conllu, line 1: this line has 2 columns. CoNLL-U needs 10"),
        (SENTENCE.replace("\tthey\t", "\t\t"), "line 3: a column is empty"),
        (SENTENCE.replace("5\tRio", "x\tRio"), "line 9: the id 'x' is not a number"),
        (SENTENCE.replace("5\tRio", "05\tRio"), "line 9: the id '05' is not a number"),
        (SENTENCE.replace("5\tRio", "²\tRio"), "line 9: the id '²' is not a number"),
        (SENTENCE.replace("2-3\t", "2-3-4\t"), "line 4: the id '2-3-4' is not a number"),
        (SENTENCE.replace("\t0\troot", "\t00\troot"), "line 7: the head '00' is not a number"),
        (SENTENCE.replace("\t0\troot", "\t-1\troot"), "line 7: the head '-1' is not a number"),
        (SENTENCE.replace("5\tRio", "7\tRio"), "line 9: the id is 7 instead of 5"),
        (SENTENCE.replace("2-3\t", "2-9\t"), "line 1: the multiword token 'don't' has the range 2-9"),
        (
            SENTENCE.replace("2-3\t", "2-3" + "\tx" * 9 + "\n3-4\t"),
            "line 1: the multiword tokens 'x' and 'don't' share word 3",
        ),
        ("# text = a\n\n", "line 1: this sentence has no words"),
    ],
)
def test_an_unreadable_sentence_is_an_error_and_the_next_one_is_read(text: str, message: str) -> None:
    sentences, problems = read(text.strip("\n") + "\n\n" + SENTENCE + "1\tb\n")
    assert [sentence.comments["text"] for sentence in sentences] == ["They don't leave Rio."]
    first, last = problems.errors
    assert message in str(first)
    assert "2 columns" in str(last)


@pytest.mark.parametrize("feats", ["np|ant", "A=1|b", "|", "A=", "=1", "A=1|"])
def test_features_that_are_not_pairs_are_missing(feats: str) -> None:
    (sentence,), problems = read(SENTENCE.replace("Case=Nom|Number=Plur", feats))
    (warning,) = problems.warnings
    assert str(warning).startswith(f"x.conllu, line 3: the features '{feats}' are not like Case=Nom|Number=Sing")
    assert [word.feats for word in sentence.words] == ["_", "_", "_", "VerbForm=Inf", "_", "_"]


@pytest.mark.parametrize(
    ("comment", "document", "paragraph"),
    [
        ("newdoc", True, False),
        ("newdoc id = x", True, False),
        ("newpar id = x", False, True),
        ("newpar", False, True),
        ("newpar_block = head (1 s)", False, False),
        ("text = newdoc", False, False),
    ],
)
def test_comments_mark_documents_and_paragraphs(comment: str, document: bool, paragraph: bool) -> None:
    (sentence,), _ = read(f"# {comment}\n{SENTENCE}")
    assert (sentence.starts_document, sentence.starts_paragraph) == (document, paragraph)


def test_an_unknown_part_of_speech_is_missing() -> None:
    (sentence,), problems = read(SENTENCE.replace("PROPN", "PRONOUN"))
    (warning,) = problems.warnings
    assert "line 9: 'PRONOUN' is not a universal part of speech" in str(warning)
    assert [word.upos for word in sentence.words] == ["PRON", "AUX", "PART", "VERB", "_", "PUNCT"]


@pytest.mark.parametrize("head", ["9", "5", "_"], ids=["out of range", "cycle", "no root"])
def test_heads_that_are_not_a_tree_are_missing(head: str) -> None:
    (sentence,), problems = read(SENTENCE.replace("\t0\troot", f"\t{head}\troot"))
    (warning,) = problems.warnings
    assert "line 3: the head 4 does not lead to the root" in str(warning)
    assert {(word.head, word.deprel) for word in sentence.words} == {("_", "_")}
    assert [word.xpos for word in sentence.words] == ["PRP", "VBP", "RB", "VB", "NNP", "."]
