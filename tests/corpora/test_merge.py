"""Merging: entities join the sentences they belong to; everything else is missing and said."""

from spacy_bilstm.corpora.columns import read_columns
from spacy_bilstm.corpora.conllu import Sentence, read_sentences
from spacy_bilstm.corpora.merge import merge_entities
from spacy_bilstm.corpora.problems import Problems


def merge(treebank: dict[str, str], tagged: dict[str, str]) -> tuple[list[Sentence], Problems]:
    """Merge sentences, given by their ids: words in the treebank; words, some as word/tag, in the other file."""
    problems = Problems()
    conllu = "".join(
        f"# sent_id = {sent_id}\n"
        + "".join(f"{i}\t{word}\t_\t_\t_\t_\t_\t_\t_\tNER=O\n" for i, word in enumerate(words.split(), 1))
        + "\n"
        for sent_id, words in treebank.items()
    )
    iob2 = "".join(
        f"# sent_id = {sent_id}\n"
        + "".join("{}\t{}\n".format(*f"{word}/O".split("/")[:2]) for word in words.split())
        + "\n"
        for sent_id, words in tagged.items()
    )
    sentences = list(read_sentences(conllu.split("\n"), "x.conllu", problems))
    merge_entities(sentences, read_columns(iob2.split("\n"), "x.iob2", problems), ("x.conllu", "x.iob2"), problems)
    return sentences, problems


def test_entities_join_the_sentences_with_their_id() -> None:
    sentences, problems = merge({"a": "in Rio", "b": "Ann Lee"}, {"b": "Ann/B-PER Lee/I-PER", "a": "in Rio/B-LOC"})
    assert problems == Problems()
    assert [[word.entity for word in sentence.words] for sentence in sentences] == [["O", "B-LOC"], ["B-PER", "I-PER"]]


def test_sentences_that_are_absent_or_differ_are_missing_and_said() -> None:
    sentences, problems = merge(
        {"a": "in Rio", "b": "Ann", "c": "it 's", "d": "so long"},
        {"a": "in Rio/B-LOC", "c": "it's", "e": "x", "d": "so"},
    )
    tags = [[word.entity for word in sentence.words] for sentence in sentences]
    assert tags == [["O", "B-LOC"], [""], ["", ""], ["", ""]]
    assert [str(warning) for warning in problems.warnings] == [
        "x.conllu, line 5: the sent_id 'b' is not in x.iob2: its entities are missing.",
        "x.iob2, line 5: 'c' has 'it's' as word 1, where the treebank has 'it': missing entities.",
        "x.iob2, line 11: 'd' has 'nothing' as word 2, where the treebank has 'long': missing entities.",
        "x.iob2, line 8: 'e' is not in x.conllu: its entities are not used.",
    ]
    assert problems.errors == []


def test_files_of_different_corpora_are_an_error() -> None:
    _, problems = merge({"a": "in Rio"}, {"b": "in Rio/B-LOC"})
    assert "no sent_id of x.conllu is in this file" in str(problems.errors[0])
