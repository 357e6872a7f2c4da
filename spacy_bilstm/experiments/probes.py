"""The sentences of the probe tasks: each has one tagged word, and words far away decide its tag.

Each probe is a function that makes one sentence. It draws everything except the deciding words independently of the
tag, so nothing else in the sentence reveals it.
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
"""Future context: words that name both a fruit and a company."""

USES = {
    "FRUIT": ("eat", "peel", "bake", "juice"),
    "ORG": ("sue", "audit", "employ", "outbid"),
}
"""Future context: the tag, and the verbs that decide it."""

NUMBERS = {
    "SG": ("teacher", "painter", "driver", "doctor"),
    "PL": ("teachers", "painters", "drivers", "doctors"),
}
"""Agreement: the grammatical number, and its nouns."""

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
"""The words between the tagged word and those that decide its tag. They depend on no tag."""

MIN_DISTANCE = 5
"""Long gap and future context: the distance between the two words in a sentence without fillers."""

AGREEMENT_TAGS = {
    "both": tuple(f"{first}-{second}" for first in NUMBERS for second in NUMBERS),
    "same": ("SAME", "OTHER"),
}
"""Agreement: the tags of its two questions."""


CODON_PLACES = ("1", "2", "3")
"""Reading frame: the places of a base in a codon."""


@dataclass(frozen=True)
class Sentence:
    """A sentence with one tagged word.

    words: its words.
    position: index of the tagged word.
    tag: its tag.
    deciding: indices of the words that decide the tag.
    """

    words: tuple[str, ...]
    position: int
    tag: str
    deciding: tuple[int, ...]


MakeSentence = Callable[[random.Random, str, int], Sentence]
"""A probe: makes a sentence from a random number generator, a tag and a distance."""


def long_gap(rng: random.Random, tag: str, distance: int) -> Sentence:
    """Make a sentence such as "I grew up in France ... and I speak its language": the country decides the last tag.

    rng: draws the fillers.
    tag: a value of `COUNTRIES`.
    distance: number of words from the country to the last word, >= `MIN_DISTANCE`.
    RETURNS: the sentence.
    """
    country = next(word for word, language in COUNTRIES.items() if language == tag)
    opening, ending = ["I", "grew", "up", "in", country], ["and", "I", "speak", "its", "language"]
    words = opening + _draw_fillers(rng, distance - len(ending)) + ending
    return Sentence(tuple(words), len(words) - 1, tag, (len(opening) - 1,))


def future_context(rng: random.Random, tag: str, distance: int) -> Sentence:
    """Make a sentence such as "Apple is something ... that we eat": the verb decides the tag of the first word.

    rng: draws the first word, the fillers and one of the tag's verbs.
    tag: a key of `USES`.
    distance: number of words from the first word to the verb, >= `MIN_DISTANCE`.
    RETURNS: the sentence.
    """
    opening, ending = [rng.choice(NAMES), "is", "something"], ["that", "we", rng.choice(USES[tag])]
    words = opening + _draw_fillers(rng, distance - MIN_DISTANCE) + ending
    return Sentence(tuple(words), 0, tag, (len(words) - 1,))


def agreement(rng: random.Random, tag: str, distance: int) -> Sentence:
    """Make a sentence such as "teacher ... met ... drivers": subject and object decide the verb's tag.

    The verb "met" has one of four tags, which name the grammatical numbers of both nouns: each direction of an encoder
    sees one half of the answer. The verb "matched" has one of two tags, which tell whether the numbers are the same:
    one noun alone tells nothing, so the answer depends on how the directions are merged.

    rng: draws the nouns and the fillers.
    tag: such as `"SG-PL"`, or `"SAME"` or `"OTHER"`.
    distance: number of words from the subject to the verb and from the verb to the object, >= 1.
    RETURNS: the sentence.
    """
    if tag in AGREEMENT_TAGS["same"]:
        verb, first = "matched", rng.choice(list(NUMBERS))
        second = first if tag == "SAME" else next(number for number in NUMBERS if number != first)
    else:
        verb, (first, second) = "met", tag.split("-")
    between = [_draw_fillers(rng, distance - 1) for _ in range(2)]
    words = [rng.choice(NUMBERS[first]), *between[0], verb, *between[1], rng.choice(NUMBERS[second])]
    return Sentence(tuple(words), distance, tag, (0, len(words) - 1))


def reading_frame(rng: random.Random, tag: str, distance: int) -> Sentence:
    """Make bases such as "CGTATGCTGCGT": the distance to the start ATG decides the tag of the last one.

    rng: draws the bases before and after the start, which have no A.
    tag: the place of the last base in its codon, of `CODON_PLACES`.
    distance: the smallest distance from the first base of the start to the last base, >= 3. It is rounded up to the
        place.
    RETURNS: the bases. Their number tells nothing about the tag.
    """
    before = rng.choices("CGT", k=rng.randint(1, 6))
    n_after = distance + (int(tag) - 1 - distance) % 3 - 2
    bases = [*before, *"ATG", *rng.choices("CGT", k=n_after)]
    start = len(before)
    return Sentence(tuple(bases), len(bases) - 1, tag, (start, start + 1, start + 2))


def make_sentences(make: MakeSentence, tags: Sequence[str], distance: int, n: int, seed: int | str) -> list[Sentence]:
    """Make sentences with all tags equally frequent.

    make: the probe, such as `long_gap`.
    tags: the tags of the sentences.
    distance: the distance between the tagged word and those that decide its tag.
    n: number of sentences. If it is not a multiple of the number of tags, the first tags have one more each.
    seed: seed of the random number generator.
    RETURNS: the sentences in random order, the same for the same arguments.
    """
    rng = random.Random(seed)
    sentences = [make(rng, tag, distance) for tag in islice(cycle(tags), n)]
    rng.shuffle(sentences)
    return sentences


def _draw_fillers(rng: random.Random, n: int) -> list[str]:
    return rng.choices(FILLERS, k=n)
