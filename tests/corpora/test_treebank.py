"""Treebanks: the Doc of a CoNLL-U sentence has its text, its annotation and its multiword tokens."""

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.docs import make_doc
from spacy_bilstm.corpora.problems import Problems
from spacy_bilstm.corpora.treebank import read_treebank

SENTENCE = """\
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
NLP = spacy.blank("en")


def read(text: str, entities: str | None = None) -> tuple[list[Doc], Problems]:
    file = CorpusFile("x.conllu", text.split("\n"))
    tagged = None if entities is None else CorpusFile("x.iob2", entities.split("\n"), file.problems)
    docs = [make_doc(sentence, NLP.vocab, file) for sentence in read_treebank(file, NLP, None, tagged)]
    return [doc for doc in docs if doc is not None], file.problems


def read_without_problems(text: str) -> list[Doc]:
    docs, problems = read(text)
    assert problems == Problems()
    return docs


def make_sentence(*columns: tuple[str, str, str]) -> str:
    """Make a sentence from the form, the head and the MISC column of each word."""
    lines = [f"{i}\t{form}\t_\t_\t_\t_\t{head}\t_\t_\t{misc}" for i, (form, head, misc) in enumerate(columns, 1)]
    return "\n".join(lines) + "\n\n"


def test_the_doc_has_the_annotation_of_the_sentence() -> None:
    (doc,) = read_without_problems(SENTENCE)
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


def test_a_multiword_token_that_its_words_do_not_spell_stays_one_token() -> None:
    (doc,) = read_without_problems(CONTRACTION.format("_", "_", "_"))
    assert doc.text == "casa del rey"
    assert (doc[1].tag_, doc[1].pos_, doc[1].lemma_, str(doc[1].morph)) == ("P_D", "ADP", "de el", "A=1,2|B=3")
    assert [token.head.i for token in doc] == [0, 2, 0]


def test_a_multiword_token_has_the_head_of_the_word_next_to_the_root() -> None:
    """Its first word may have a head outside of it that its last word governs."""
    heads = {1: "3", 2: "5", 3: "0", 4: "3", 5: "3"}
    lines = [f"{i}\t{'xacyz'[i - 1]}\t_\tX\t_\t_\t{head}\tdep{i}\t_\t_" for i, head in heads.items()]
    lines.insert(1, "2-3\tAB\t_\t_\t_\t_\t_\t_\t_\t_")
    (doc,) = read_without_problems("\n".join(lines) + "\n\n")
    assert [token.text for token in doc] == ["x", "AB", "y", "z"]
    assert [token.head.i for token in doc] == [1, 1, 1, 1]
    assert doc[1].dep_ == "dep3"


@given(st.data())
def test_merged_multiword_tokens_leave_a_tree(data: st.DataObject) -> None:
    n_words = data.draw(st.integers(2, 8))
    order = data.draw(st.permutations(range(1, n_words + 1)))
    heads = dict.fromkeys(order[:1], "0")
    for i, word in enumerate(order[1:], start=1):
        heads[word] = str(data.draw(st.sampled_from(order[:i])))
    lines, start = [], 1
    while start <= n_words:
        end = data.draw(st.integers(start, n_words))
        lines += [f"{start}-{end}\tM\t_\t_\t_\t_\t_\t_\t_\t_"] * (end > start)
        lines += [f"{i}\tw\t_\t_\t_\t_\t{heads[i]}\tdep\t_\t_" for i in range(start, end + 1)]
        start = end + 1
    (doc,) = read_without_problems("\n".join(lines) + "\n\n")
    (root,) = [token for token in doc if token.head == token]
    for token in doc:
        path = [token]
        while path[-1] != root:
            path.append(path[-1].head)
            assert len(path) <= len(doc)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("O", "O", "B-PER"), [("O", ""), ("B", "PER")]),
        (("B-PER", "I-PER", "I-PER"), [("B", "PER"), ("I", "PER")]),
        (("B-PER", "I-PER", "O"), [("B", "PER"), ("O", "")]),
    ],
)
def test_an_entity_of_whole_multiword_tokens_is_kept(tags: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    (doc,) = read_without_problems(CONTRACTION.format(*(f"NER={tag}" for tag in tags)))
    assert [(token.ent_iob_, token.ent_type_) for token in doc[1:]] == expected


@pytest.mark.parametrize("tags", [("O", "B-PER", "I-PER"), ("B-PER", "B-PER", "I-PER"), ("B-PER", "B-ORG", "I-ORG")])
def test_an_entity_that_starts_inside_a_multiword_token_is_missing(tags: tuple[str, ...]) -> None:
    (doc,), problems = read(CONTRACTION.format(*(f"NER={tag}" for tag in tags)))
    assert [token.ent_iob_ for token in doc] == ["", "", ""]
    (warning,) = problems.warnings
    assert "inside the multiword token 'del'" in str(warning)


def test_missing_entity_annotation_is_not_outside() -> None:
    known, unknown = read_without_problems(
        make_sentence(("a", "_", "NER=O"), ("b", "_", "_")) + make_sentence(("c", "_", "_"))
    )
    assert [token.ent_iob_ for token in known] == ["O", ""]
    assert [token.ent_iob_ for token in unknown] == [""]


def test_a_file_without_trees_has_sentence_starts_and_no_heads() -> None:
    (doc,) = read_without_problems(make_sentence(("a", "_", "_"), ("b", "_", "_")))
    assert doc.has_annotation("SENT_START")
    assert not doc.has_annotation("DEP")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (SENTENCE.replace("B-LOC", "LOC"), "ENT_IOB"),
        (SENTENCE.replace("PROPN", "PRONOUN"), "POS"),
        (SENTENCE.replace("\t0\troot", "\t9\troot"), "DEP"),
    ],
)
def test_invalid_annotation_is_missing_and_the_rest_is_kept(text: str, missing: str) -> None:
    (doc,), problems = read(text)
    assert len(problems.warnings) == 1
    assert not doc.has_annotation(missing, require_complete=True)
    assert doc.has_annotation("TAG", require_complete=True)


def test_a_text_comment_that_the_words_do_not_spell_is_a_warning() -> None:
    _, problems = read(SENTENCE.replace("SpaceAfter=No|", ""))
    (warning,) = problems.warnings
    assert "line 1: the words spell 'They don't leave Rio .', but '# text' is 'They don't leave Rio.'" in str(warning)


def test_entities_of_another_file_replace_those_of_the_treebank() -> None:
    treebank = "# sent_id = a\n" + make_sentence(("Ann", "_", "NER=O"), ("left", "_", "NER=B-X"))
    (doc,), problems = read(treebank, "# sent_id = a\nAnn B-PER\nleft O\n")
    assert problems == Problems()
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ann", "PER")]


@given(st.lists(st.tuples(st.text("abé🙂", min_size=1, max_size=4), st.booleans()), min_size=1, max_size=9))
def test_the_doc_has_the_text_of_the_sentence(words: list[tuple[str, bool]]) -> None:
    text = "".join(word + " " * space for word, space in words).strip()
    columns = [(word, "_", "_" if space else "SpaceAfter=No") for word, space in words]
    (doc,) = read_without_problems(f"# text = {text}\n" + make_sentence(*columns))
    assert doc.text == text
