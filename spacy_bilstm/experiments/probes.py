"""Probe tasks. A distance or a rule comes in, sentences go out whose one tag a word far away decides.

Each probe is a function that makes one sentence. Everything but the deciding words is drawn without looking at the tag,
so nothing else can tell it, and the sentences of all tags look the same at all other places.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

COUNTRIES = {
    "France": "FRENCH",
    "Germany": "GERMAN",
    "Italy": "ITALIAN",
    "Japan": "JAPANESE",
    "Poland": "POLISH",
    "Russia": "RUSSIAN",
    "Spain": "SPANISH",
    "Turkey": "TURKISH",
}
"""Long gap: the country at the start, and the tag that it decides."""

NAMES = ("Apple", "Blackberry", "Orange", "Peach")
"""Future context: words for a fruit and for a company."""

USES = {
    "FRUIT": ("eat", "peel", "bake", "juice"),
    "ORG": ("sue", "audit", "employ", "outbid"),
}
"""Future context: the tag, and the verbs that decide it."""

NUMBERS = {
    "SG": ("teacher", "painter", "driver", "doctor"),
    "PL": ("teachers", "painters", "drivers", "doctors"),
}
"""Agreement: the grammatical number, and the nouns that have it."""

FILLERS = (
    "after",
    "almost",
    "also",
    "around",
    "before",
    "carefully",
    "even",
    "here",
    "later",
    "meanwhile",
    "near",
    "never",
    "once",
    "outside",
    "quickly",
    "rarely",
    "slowly",
    "soon",
    "then",
    "today",
)
"""What stands between, whatever the tag."""

MIN_DISTANCE = 5
"""The shortest distance between the word that decides and the one whose tag it decides: sentences without fillers."""

AGREEMENT_TAGS = {
    "both": tuple(f"{first}-{second}" for first in NUMBERS for second in NUMBERS),
    "same": ("SAME", "OTHER"),
}
"""Agreement: the tags of its two questions."""


@dataclass(frozen=True)
class Sentence:
    """A sentence in which one token has a tag.

    words: its words.
    position: index of the word that has a tag.
    tag: its tag.
    deciding: indices of the words that decide the tag.
    """

    words: tuple[str, ...]
    position: int
    tag: str
    deciding: tuple[int, ...]


def long_gap(rng: random.Random, tag: str, distance: int) -> Sentence:
    """Make a sentence such as "I grew up in France ... and I speak its language": the country decides the last tag.

    rng: what fillers are drawn from.
    tag: a value of `COUNTRIES`.
    distance: how many words the last one is behind the country, >= `MIN_DISTANCE`.
    RETURNS: the sentence.
    """
    country = next(word for word, language in COUNTRIES.items() if language == tag)
    opening, ending = ["I", "grew", "up", "in", country], ["and", "I", "speak", "its", "language"]
    words = opening + _fillers(rng, distance - len(ending)) + ending
    return Sentence(tuple(words), len(words) - 1, tag, (len(opening) - 1,))


def future_context(rng: random.Random, tag: str, distance: int) -> Sentence:
    """Make a sentence such as "Apple is something ... that we eat": the verb decides the tag of the first word.

    rng: what the first word, the fillers and the verb of its tag are drawn from.
    tag: a key of `USES`.
    distance: how many words the verb is behind the first word, >= `MIN_DISTANCE`.
    RETURNS: the sentence.
    """
    opening, ending = [rng.choice(NAMES), "is", "something"], ["that", "we", rng.choice(USES[tag])]
    words = opening + _fillers(rng, distance - MIN_DISTANCE) + ending
    return Sentence(tuple(words), 0, tag, (len(words) - 1,))


def agreement(rng: random.Random, tag: str, distance: int) -> Sentence:
    """Make a sentence such as "teacher ... met ... drivers": subject and object decide the verb's tag.

    The verb "met" has one of four tags, which name the numbers of both: each direction brings one half of the answer.
    The verb "matched" has one of two, which say whether the numbers are the same: no half tells anything, only how the
    directions are merged.

    rng: what the nouns of their number, and the fillers, are drawn from.
    tag: such as `"SG-PL"`, or `"SAME"` or `"OTHER"`.
    distance: how many words lie from subject to verb and from verb to object, >= 1.
    RETURNS: the sentence.
    """
    if tag in AGREEMENT_TAGS["same"]:
        verb, first = "matched", rng.choice(list(NUMBERS))
        second = first if tag == "SAME" else next(number for number in NUMBERS if number != first)
    else:
        verb, (first, second) = "met", tag.split("-")
    between = [_fillers(rng, distance - 1) for _ in range(2)]
    words = [rng.choice(NUMBERS[first]), *between[0], verb, *between[1], rng.choice(NUMBERS[second])]
    return Sentence(tuple(words), distance, tag, (0, len(words) - 1))


def make_sentences(
    make: Callable[[random.Random, str, int], Sentence], tags: Sequence[str], distance: int, n: int, seed: int | str
) -> list[Sentence]:
    """Make sentences, each tag as often as any other.

    make: the probe, such as `long_gap`.
    tags: the tags to make sentences of.
    distance: the probe's distance.
    n: number of sentences; the tags differ in number by one where it is no multiple of theirs.
    seed: what everything is drawn from.
    RETURNS: the sentences in random order, the same for the same arguments.
    """
    rng = random.Random(seed)
    sentences = [make(rng, tag, distance) for tag in islice(cycle(tags), n)]
    rng.shuffle(sentences)
    return sentences


def _fillers(rng: random.Random, n: int) -> list[str]:
    return rng.choices(FILLERS, k=n)
