"""Entities in MISC: tags under any usual key and the brackets of mentions are read; invalid ones are missing."""

import pytest

from spacy_bilstm.corpora.conllu import read_sentences
from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.misc_entities import assign_entities
from spacy_bilstm.corpora.problems import Problems
from spacy_bilstm.corpora.tags import Scheme


def read(*sentences: str, comment: str = "", scheme: Scheme | None = None) -> tuple[list[str], Problems]:
    """Return the entity tags of sentences, given by the MISC columns of their words."""
    text = comment + "\n".join(
        "".join(f"{i}\tw\t_\t_\t_\t_\t_\t_\t_\t{misc}\n" for i, misc in enumerate(sentence.split(), 1))
        for sentence in sentences
    )
    file = CorpusFile("x.conllu", text.split("\n"))
    found = list(read_sentences(file))
    assign_entities(found, file, scheme)
    return [" ".join(word.entity or "?" for word in sentence.words) for sentence in found], file.problems


@pytest.mark.parametrize(
    ("misc", "tags"),
    [
        ("NER=B-PER NER=I-PER NER=O _", "B-PER I-PER O ?"),
        ("SpaceAfter=No|name=B-PER name=I-PER name=O", "B-PER I-PER O"),
        ("ner=B-PER ner=E-PER ner=O ner=S-LOC", "B-PER I-PER O B-LOC"),
        ("NE=B-PER NE=O", "B-PER O"),
        ("Gloss=a|Own=B-PER Gloss=b|Own=O", "B-PER O"),
        ("start_char=0|end_char=3|ner=S-PER start_char=4|end_char=8|ner=O", "B-PER O"),
        ("name=Ada name=B-X name=York", "? ? ?"),
        ("SpaceAfter=No _", "? ?"),
    ],
    ids=["NER", "NorNE", "Stanza", "NE", "any key", "Stanza with offsets", "mostly no tags", "none"],
)
def test_tags_are_read_under_any_key(misc: str, tags: str) -> None:
    assert read(misc) == ([tags], Problems())


def test_the_scheme_can_be_chosen() -> None:
    assert read("NER=I-PER NER=O", scheme=Scheme.iob1) == (["B-PER O"], Problems())


@pytest.mark.parametrize(
    ("misc", "message"),
    [
        ("NER=O NER=LOC", "x.conllu, line 2: 'LOC' is not an entity tag"),
        ("NER=O NER=I-LOC", "x.conllu, line 2: 'I-LOC' follows 'O', so its entity has no start"),
    ],
)
def test_an_invalid_tag_is_a_warning_and_missing(misc: str, message: str) -> None:
    tags, problems = read(misc)
    assert tags == ["O ?"]
    assert [str(warning)[: len(message)] for warning in problems.warnings] == [message]


def test_keys_that_are_not_read_are_a_warning() -> None:
    tags, problems = read("NER=B-PER|name=O|Entity=(1-x) NER=O|name=B-X")
    assert tags == ["B-PER O"]
    (warning,) = problems.warnings
    assert str(warning) == "x.conllu: the entities are read from 'NER' in MISC, and not from 'name', 'Entity'."


GUM = "# global.Entity = GRP-etype-infstat-link\n"
COREFUD = "# global.Entity = eid-etype-head-other\n"


@pytest.mark.parametrize(
    ("misc", "comment", "tags"),
    [
        ("Entity=(person-1) _", "", "B-person O"),
        ("Entity=(person-1 _ Entity=person-1)", "", "B-person I-person I-person"),
        ("Entity=(1-person-new-coref Entity=1) _", GUM, "B-person I-person O"),
        ("Entity=(e1-person-1- Entity=e1) Entity=(e1-person-1-)", COREFUD, "B-person I-person B-person"),
        ("_ _", GUM, "? ?"),
        ("Entity=(e1--1-) Entity=(e2-place-1-)", COREFUD, "O B-place"),
        ("Entity=(e1[1/2]-person-1-) _ Entity=(e1[2/2]-person-1-)", COREFUD, "O O O"),
    ],
    ids=["one word", "old GUM", "GUM", "CorefUD", "none", "without a type", "discontinuous"],
)
def test_mentions_in_brackets_are_entities(misc: str, comment: str, tags: str) -> None:
    assert read(misc, comment=comment) == ([tags], Problems())


@pytest.mark.parametrize(
    ("misc", "tags"),
    [
        ("Entity=(1-org-x(2-place-x) _ Entity=1)", "B-org I-org I-org"),
        ("Entity=(1-org-x(1-place-x _ Entity=1) Entity=1)", "B-org I-org I-org I-org"),
        ("Entity=(1-org-x Entity=(2-place-x Entity=1) Entity=2)", "B-org I-org I-org O"),
        ("Entity=(2-place-x)(1-org-x) _", "B-place O"),
    ],
    ids=["nested", "nested with the same id", "crossing", "twice"],
)
def test_only_the_longest_of_overlapping_mentions_becomes_tags(misc: str, tags: str) -> None:
    assert read(misc, comment=GUM) == ([tags], Problems())


@pytest.mark.parametrize(
    ("misc", "message"),
    [
        ("Entity=1) _", "x.conllu, line 5: the mention '1' ends without a start at 'w'"),
        ("_ Entity=(1-person-x", "x.conllu, line 5: the mention '1' has no end"),
    ],
)
def test_unmatched_brackets_leave_the_entities_of_the_sentence_missing(misc: str, message: str) -> None:
    tags, problems = read("Entity=(1-person-x) _", misc, comment=GUM)
    assert tags == ["B-person O", "? ?"]
    assert [str(warning)[: len(message)] for warning in problems.warnings] == [message]
