"""Merging: entities join the sentences with their id and words; a mismatch leaves them missing, with a warning."""

from spacy_bilstm.corpora.columns import read_tagged_sentences
from spacy_bilstm.corpora.conllu import Sentence, read_sentences
from spacy_bilstm.corpora.corpus_file import CorpusFile
from spacy_bilstm.corpora.merge import merge_entities
from spacy_bilstm.corpora.problems import Problems


def merge(treebank: dict[str, str], tagged: dict[str, str]) -> tuple[list[Sentence], Problems]:
    """Merge sentences, given by their ids: words in the treebank; words, some as word/tag, in the other file."""
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
    problems = Problems()
    treebank_file = CorpusFile("x.conllu", conllu.split("\n"), problems)
    tagged_file = CorpusFile("x.iob2", iob2.split("\n"), problems)
    sentences = list(read_sentences(treebank_file))
    merge_entities(sentences, read_tagged_sentences(tagged_file), treebank_file, tagged_file)
    return sentences, problems


def test_entities_join_the_sentences_with_their_id() -> None:
    sentences, problems = merge({"a": "in Rio", "b": "Ann Lee"}, {"b": "Ann/B-PER Lee/I-PER", "a": "in Rio/B-LOC"})
    assert problems == Problems()
    assert [[word.entity for word in sentence.words] for sentence in sentences] == [["O", "B-LOC"], ["B-PER", "I-PER"]]


def test_entities_of_absent_and_different_sentences_are_missing_with_a_warning() -> None:
    sentences, problems = merge(
        {"a": "in Rio", "b": "Ann", "c": "it 's", "d": "so long"},
        {"a": "in Rio/B-LOC", "c": "it's", "e": "x", "d": "so"},
    )
    tags = [[word.entity for word in sentence.words] for sentence in sentences]
    assert tags == [["O", "B-LOC"], [""], ["", ""], ["", ""]]
    assert [str(warning) for warning in problems.warnings] == [
        "x.conllu, line 5: the sent_id 'b' is not in x.iob2. The entities of this sentence are missing.",
        "x.iob2, line 5: word 1 is 'it's' here and 'it' in the treebank. The entities of 'c' are missing.",
        "x.iob2, line 11: word 2 is missing here and 'long' in the treebank. The entities of 'd' are missing.",
        "x.iob2, line 8: the sent_id 'e' is not in x.conllu. Its entities are not used.",
    ]
    assert problems.errors == []


def test_files_of_different_treebanks_are_an_error() -> None:
    _, problems = merge({"a": "in Rio"}, {"b": "in Rio/B-LOC"})
    assert "this file has no sent_id of x.conllu" in str(problems.errors[0])


def test_a_sentence_without_an_id_or_with_one_that_occurs_again_is_not_used() -> None:
    problems = Problems()
    treebank = CorpusFile("x.conllu", ["# sent_id = a", "1\tRio" + "\t_" * 8], problems)
    tagged = CorpusFile("x.iob2", ["# sent_id = a", "Rio B-LOC", "", "# sent_id = a", "Rio O", "", "Rio O"], problems)
    sentences = list(read_sentences(treebank))
    merge_entities(sentences, read_tagged_sentences(tagged), treebank, tagged)
    assert [word.entity for word in sentences[0].words] == ["B-LOC"]
    assert [str(warning) for warning in problems.warnings] == [
        "x.iob2, line 4: the sent_id 'a' occurs again. The entities here are not used.",
        "x.iob2, line 7: there is no '# sent_id ='. The entities of this sentence are not used.",
    ]
