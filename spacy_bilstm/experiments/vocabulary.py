"""Count how the vocabulary of raw text grows, for the sizes that `recipes.scale` chooses.

python -m spacy_bilstm.experiments.vocabulary raw.txt
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy
import spacy
from numpy.typing import NDArray
from spacy.attrs import NORM, PREFIX, SHAPE, SUFFIX
from spacy.tokens import Doc
from spacy.util import minibatch

from ..annotation import Record, read_texts
from ..bridge.bloom_filter import add_hashes, contains_hashes, make_bloom_filter
from ..bridge.context_counts import ContextCounts
from .tables import Table

N_WORDS = (200_000, 1_000_000, 3_500_000)
STRENGTH = 0.5
_N_OTHER = 400  # Texts that are left out, whose words may be unseen.
_BATCH = 200
_N_RECENT = 20  # Batches over which the share of dropped tokens is averaged.


def count_vocabulary(docs: Iterable[Doc], others: Sequence[Doc], n_words: Sequence[int] = N_WORDS) -> Table:
    """Count the vocabulary of docs after some numbers of words.

    docs: the docs, in the order of a training.
    others: other docs of the same kind.
    n_words: numbers of words, in rising order.
    RETURNS: the table: how many words occur at least three times, how many suffixes, first letters and shapes occur at
        all, and the shares that are described in the guide to configs.
    """
    header = ("words", "three times", "suffixes", "first letters", "shapes", "unseen", "dropped", "taken for seen")
    rows: list[tuple[str, ...]] = []
    values: dict[int, Counter[int]] = {attr: Counter() for attr in (NORM, PREFIX, SUFFIX, SHAPE)}
    counts, seen, dropped, n_read = ContextCounts(), make_bloom_filter(), [0.0], 0
    wanted = list(n_words)
    other_words = _read(others, NORM)
    for batch in minibatch(docs, _BATCH):
        for attr, counter in values.items():
            counter.update(_read(batch, attr).tolist())
        words = _read(batch, NORM)
        counts.add(words, [len(doc) for doc in batch])
        n_contexts = numpy.maximum(counts.count(words), 1)
        dropped = [*dropped, float((STRENGTH / (STRENGTH + n_contexts)).mean())][-_N_RECENT:]
        add_hashes(seen, numpy.unique(words))
        n_read += len(words)
        if wanted and n_read >= wanted[0]:
            unseen = other_words[[word not in values[NORM] for word in other_words.tolist()]]
            mistaken = float(contains_hashes(seen, unseen).mean()) if len(unseen) else 0.0
            frequent = sum(count >= 3 for count in values[NORM].values())
            numbers = (wanted.pop(0), frequent, *(len(values[attr]) for attr in (SUFFIX, PREFIX, SHAPE)))
            shares = (len(unseen) / len(other_words), float(numpy.mean(dropped)), mistaken)
            rows.append((*(f"{n:,}" for n in numbers), *(f"{100 * share:.1f} %" for share in shares)))
    return Table(header, rows)


def _read(docs: Sequence[Doc], attr: int) -> NDArray[numpy.uint64]:
    return numpy.concatenate([doc.to_array([attr]).reshape(-1) for doc in docs]).astype("uint64")


def main() -> None:
    """Print the table for a file of texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path, help="text, one paragraph a line, or JSONL with a 'text' in each line")
    arguments = parser.parse_args()
    texts = [record.text for record in read_texts([arguments.texts]) if isinstance(record, Record)]
    random.Random(0).shuffle(texts)
    docs = spacy.blank("en").pipe(iter(texts))
    others = list(islice(docs, _N_OTHER))
    print(count_vocabulary(docs, others).to_markdown())


if __name__ == "__main__":
    main()
