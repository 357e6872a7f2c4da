"""Test the sentences of the probe tasks: the deciding words decide the tag, and nothing else reveals it."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm.experiments import probes

PROBES = {
    "long_gap": (probes.long_gap, list(probes.COUNTRIES.values()), 1),
    "future_context": (probes.future_context, list(probes.USES), 1),
    "agreement": (probes.agreement, list(probes.AGREEMENT_TAGS["both"]), 2),
    "agreement, same": (probes.agreement, list(probes.AGREEMENT_TAGS["same"]), 2),
}
DECIDED_BY = {
    word: tag for tag, words in {**probes.USES, **probes.NUMBERS}.items() for word in words
} | probes.COUNTRIES

names = st.sampled_from(list(PROBES))
seeds = st.integers(0, 2**32)
distances = st.integers(probes.MIN_DISTANCE, 200)


def read_tag(sentence: probes.Sentence) -> str:
    """Work out the tag from the deciding words alone."""
    numbers = [DECIDED_BY[sentence.words[i]] for i in sentence.deciding]
    if sentence.words[sentence.position] == "matched":
        return "SAME" if numbers[0] == numbers[1] else "OTHER"
    return "-".join(numbers)


@given(names, seeds, distances, st.data())
def test_the_deciding_words_are_at_the_distance_and_decide_the_tag(
    name: str, seed: int, distance: int, data: st.DataObject
) -> None:
    make, tags, n_deciding = PROBES[name]
    tag = data.draw(st.sampled_from(tags))
    sentence = make(random.Random(seed), tag, distance)
    assert sentence.tag == read_tag(sentence) == tag
    assert [abs(sentence.position - i) for i in sentence.deciding] == [distance] * n_deciding
    assert not any(
        word in DECIDED_BY for i, word in enumerate(sentence.words) if i not in (*sentence.deciding, sentence.position)
    )


@given(names, seeds, distances)
def test_sentences_with_different_tags_differ_in_the_deciding_words_only(name: str, seed: int, distance: int) -> None:
    make, tags, _ = PROBES[name]
    sentences = [make(random.Random(seed), tag, distance) for tag in tags]
    first = sentences[0]
    for other in sentences[1:]:
        assert (other.position, other.deciding, len(other.words)) == (first.position, first.deciding, len(first.words))
        differing = {i for i, pair in enumerate(zip(first.words, other.words, strict=True)) if len(set(pair)) == 2}
        assert differing <= set(first.deciding)


@given(names, seeds, st.integers(0, 60))
def test_all_tags_are_equally_frequent(name: str, seed: int, n: int) -> None:
    make, tags, _ = PROBES[name]
    counts = Counter(sentence.tag for sentence in probes.make_sentences(make, tags, 5, n, seed))
    assert sum(counts.values()) == n
    assert max(counts.values(), default=0) - min((counts[tag] for tag in tags), default=0) <= 1


def test_one_noun_alone_does_not_reveal_whether_the_numbers_are_the_same() -> None:
    sentences = probes.make_sentences(probes.agreement, probes.AGREEMENT_TAGS["same"], 5, 2000, seed=0)
    for noun in (0, -1):
        counts = Counter((DECIDED_BY[sentence.words[noun]], sentence.tag) for sentence in sentences)
        assert set(counts) == {(number, tag) for number in probes.NUMBERS for tag in ("SAME", "OTHER")}
        assert min(counts.values()) > 420


@pytest.mark.parametrize("name", PROBES)
def test_the_seed_determines_the_sentences(name: str) -> None:
    make, tags, _ = PROBES[name]
    assert probes.make_sentences(make, tags, 20, 8, seed=1) == probes.make_sentences(make, tags, 20, 8, seed=1)
    assert probes.make_sentences(make, tags, 20, 8, seed=1) != probes.make_sentences(make, tags, 20, 8, seed=2)


@given(st.sampled_from(probes.CODON_PLACES), seeds, st.integers(3, 100))
def test_the_distance_to_the_start_decides_the_place_in_the_codon(tag: str, seed: int, distance: int) -> None:
    sentence = probes.reading_frame(random.Random(seed), tag, distance)
    text = "".join(sentence.words)
    assert text.count("A") == 1
    start = text.index("ATG")
    assert sentence.deciding == (start, start + 1, start + 2)
    assert sentence.position == len(text) - 1
    assert (sentence.position - start) % 3 + 1 == int(sentence.tag) == int(tag)
    assert distance <= sentence.position - start < distance + 3
