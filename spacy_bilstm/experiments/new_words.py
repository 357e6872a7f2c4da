"""Short texts that each have a word that no other text has."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..annotation import read_texts

_N_WORDS = 10


def make_texts(source: Path, n_texts: int) -> Iterator[str]:
    """Make texts of 10 successive words of other texts and one new word.

    source: a file with a text in each line, more than 10 words.
    n_texts: number of texts, >= 0.
    YIELDS: the texts. They are the same for each call.
    """
    words = " ".join(record.text for record in islice(read_texts(source), 5000)).split()
    generator = random.Random(0)
    for i in range(n_texts):
        start = generator.randrange(len(words) - _N_WORDS)
        yield f"{' '.join(words[start : start + _N_WORDS])} Zq{i}x{generator.randrange(10**6)}."
