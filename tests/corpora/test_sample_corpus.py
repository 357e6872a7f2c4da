"""The sample corpus: well-formed, consistent and split without overlap."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import spacy

from spacy_bilstm.corpora import Problems, read_corpus
from spacy_bilstm.corpora.conllu import Sentence, read_sentences
from spacy_bilstm.corpora.corpus_file import CorpusFile

SAMPLE = Path(__file__).parents[2] / "assets" / "sample"
SPLITS = ("train", "dev", "test")
UPOS_OF_XPOS = {
    "CC": "CCONJ", "CD": "NUM", "DT": "DET PRON", "EX": "PRON", "FW": "X", "IN": "ADP SCONJ", "JJ": "ADJ", "JJR": "ADJ",
    "JJS": "ADJ", "MD": "AUX", "NN": "NOUN NUM PRON SYM", "NNP": "PROPN", "NNPS": "PROPN", "NNS": "NOUN", "PDT": "DET",
    "POS": "PART", "PRP": "PRON", "PRP$": "PRON", "RB": "ADV PART", "RBR": "ADV", "RBS": "ADV", "RP": "ADP ADV",
    "SYM": "SYM", "TO": "PART", "UH": "INTJ", "VB": "AUX VERB", "VBD": "AUX VERB", "VBG": "AUX VERB", "VBN": "AUX VERB",
    "VBP": "AUX VERB", "VBZ": "AUX VERB", "WDT": "DET PRON", "WP": "PRON", "WP$": "PRON", "WRB": "ADV", ".": "PUNCT",
    ",": "PUNCT", ":": "PUNCT", "-LRB-": "PUNCT", "-RRB-": "PUNCT", "``": "PUNCT", "''": "PUNCT", "HYPH": "PUNCT",
    "$": "SYM", "ADD": "X", "NFP": "PUNCT SYM",
}  # fmt: skip
"""The Penn tags of the corpus, each with its possible universal tags."""


def read_split(split: str) -> list[Sentence]:
    return list(read_sentences(CorpusFile.read(SAMPLE / f"{split}.conllu", Problems())))


@pytest.fixture(scope="module")
def sentences() -> dict[str, list[Sentence]]:
    return {split: read_split(split) for split in SPLITS}


def test_the_three_splits_have_at_least_500_sentences(sentences: dict[str, list[Sentence]]) -> None:
    sizes = {split: len(sentences[split]) for split in SPLITS}
    assert sum(sizes.values()) >= 500
    assert sizes["train"] > 2 * sizes["dev"] > 0
    assert sizes["test"] > 50


def test_no_sentence_or_id_occurs_twice(sentences: dict[str, list[Sentence]]) -> None:
    every = [sentence for split in SPLITS for sentence in sentences[split]]
    texts = Counter(" ".join(word.form.lower() for word in sentence.words) for sentence in every)
    ids = Counter(sentence.comments["sent_id"] for sentence in every)
    assert [text for text, n in texts.items() if n > 1] == []
    assert [sent_id for sent_id, n in ids.items() if n > 1] == []


@pytest.mark.parametrize("split", SPLITS)
def test_tags_lemmas_and_entities_are_complete_and_valid(sentences: dict[str, list[Sentence]], split: str) -> None:
    for sentence in sentences[split]:
        for word in sentence.words:
            assert word.upos in UPOS_OF_XPOS[word.xpos].split(), f"{word.form} in {sentence.comments}"
            assert word.lemma == word.lemma.strip() != ""
            assert word.misc["NER"] == "O" or word.misc["NER"][2:] in ("PER", "ORG", "LOC")
        tags = ["O", *(word.misc["NER"] for word in sentence.words)]
        assert all(tag[0] != "I" or before[2:] == tag[2:] for before, tag in pairwise(tags))


@pytest.mark.parametrize("split", SPLITS)
def test_spacys_tokenizer_finds_the_words(split: str) -> None:
    """Plain text has the same tokens as the corpus that a pipeline is trained on."""
    nlp = spacy.blank("en")
    for doc in read_corpus(SAMPLE / f"{split}.conllu").docs:
        assert [token.text for token in doc] == [token.text for token in nlp.make_doc(doc.text)]


@pytest.mark.parametrize("split", SPLITS)
def test_every_entity_label_and_most_tags_are_frequent(sentences: dict[str, list[Sentence]], split: str) -> None:
    words = [word for sentence in sentences[split] for word in sentence.words]
    entities = Counter(word.misc["NER"][2:] for word in words if word.misc["NER"][0] == "B")
    assert all(entities[label] >= 15 for label in ("PER", "ORG", "LOC"))
    assert len({word.upos for word in words}) >= 15
