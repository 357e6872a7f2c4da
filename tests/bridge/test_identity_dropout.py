"""Identity dropout: which tokens lose their identity, and which words count as unseen."""

import numpy
import pytest
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_bilstm.bridge.bloom_filter import add_hashes, make_bloom_filter
from spacy_bilstm.bridge.context_counts import ContextCounts
from spacy_bilstm.bridge.features import read_features
from spacy_bilstm.bridge.identity_dropout import (
    UNSEEN,
    draw_dropped_tokens,
    drop_identities,
    find_well_known,
    is_augmented,
    mark_as_augmented,
    replace_unseen,
)

VOCAB = Vocab()


def make_docs(texts: list[list[str]], augmented: bool = False) -> list[Doc]:
    docs = [Doc(VOCAB, words=words) for words in texts]
    for doc in docs:
        if augmented:
            mark_as_augmented(doc)
    return docs


def draw(docs: list[Doc], counts: ContextCounts) -> numpy.ndarray:
    return draw_dropped_tokens(docs, read_features(docs, [ORTH])[:, 0], counts, strength=1.0)


def count(counts: ContextCounts, word: str) -> int:
    return int(counts.count(numpy.array([VOCAB.strings.add(word)], dtype="uint64"))[0])


def test_rare_words_are_dropped_more_often_than_frequent_ones() -> None:
    docs = make_docs([["the", f"word{i}", "of"] for i in range(40)])
    counts = ContextCounts()
    fix_random_seed(0)
    dropped = sum(draw(docs, counts).reshape(40, 3).sum(0) for _ in range(20))
    the, word, of = dropped / (20 * 40)
    assert 0.4 < word < 0.6  # One context each, so the probability is 1 / (1 + 1).
    assert the < 0.1
    assert of < 0.1


@pytest.mark.parametrize("strength", [1, 1000])
def test_a_strength_may_be_a_whole_number(strength: int) -> None:
    docs = make_docs([[f"word{i}", "the", f"name{i}"] for i in range(300)])  # 255 contexts, the most that are counted
    words = read_features(docs, [ORTH])[:, 0]
    counts = ContextCounts()
    draw_dropped_tokens(docs, words, counts, strength)
    dropped = draw_dropped_tokens(docs, words, counts, strength).reshape(300, 3)[:, 1].mean()
    assert dropped == pytest.approx(strength / (strength + 255), abs=0.06)


@pytest.fixture
def counts_after_augmentation() -> ContextCounts:
    """Counts of a corpus in which augmentation has put its names into 500 other contexts."""
    counts = ContextCounts()
    draw(make_docs([["of", f"name{i}", "in"] for i in range(10)]), counts)
    augmented = make_docs([[f"left{i}", f"name{i % 10}", f"right{i}"] for i in range(500)], augmented=True)
    for start in range(0, 500, 50):
        draw(augmented[start : start + 50], counts)
    return counts


@pytest.mark.parametrize(("word", "n_contexts"), [("name3", 1), ("in", 10), ("left3", 0)])
def test_contexts_of_augmented_docs_are_not_counted(
    counts_after_augmentation: ContextCounts, word: str, n_contexts: int
) -> None:
    assert count(counts_after_augmentation, word) == n_contexts


def test_a_word_of_augmented_docs_alone_is_dropped_like_one_with_one_context(
    counts_after_augmentation: ContextCounts,
) -> None:
    docs = make_docs([[f"left{i}", f"name{i % 10}", f"right{i}"] for i in range(500)], augmented=True)
    fix_random_seed(0)
    assert 0.4 < draw(docs, counts_after_augmentation).mean() < 0.6


def test_only_marked_docs_are_augmented() -> None:
    (marked,) = make_docs([["a"]], augmented=True)
    (other,) = make_docs([["a"]])
    assert is_augmented(marked)
    assert not is_augmented(other)


def test_unseen_words_share_one_identity_in_prediction() -> None:
    seen = make_bloom_filter()
    words = numpy.array([5, 6, 7], dtype="uint64")
    add_hashes(seen, words[:1])
    assert replace_unseen(words, seen).tolist() == [5, UNSEEN, UNSEEN]


def test_dropped_words_count_as_unseen_in_training() -> None:
    words = numpy.array([5, 6, 7], dtype="uint64")
    assert drop_identities(words, numpy.array([False, True, False])).tolist() == [5, UNSEEN, 7]


def test_pretraining_knows_words_of_many_contexts_well() -> None:
    counts = ContextCounts()
    draw(make_docs([["the", f"word{i}", "of"] for i in range(60)] + [["the", "word3", "of"]] * 60), counts)
    words = numpy.array([VOCAB.strings.add(word) for word in ("the", "word3", "new")], dtype="uint64")
    assert find_well_known(words, counts).tolist() == [True, False, False]
