"""Identity dropout: treat rare words as unseen ones in training, so that a model learns what to do with unseen words.

A word's identity consists of the attributes that tell which word it is. Affixes, shape and characters only tell what it
looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy
from numpy.typing import NDArray
from spacy.attrs import LEMMA, LOWER, NORM, ORTH
from spacy.tokens import Doc

from .bloom_filter import BloomFilter, contains_hashes
from .context_counts import ContextCounts
from .features import Features

IDENTITY_ATTRS = frozenset((ORTH, LOWER, NORM, LEMMA))
UNSEEN = numpy.uint64(1)
"""The identity that all unseen words share. No string has this hash."""
_AUGMENTED = "spacy_bilstm_augmented"
_WELL_KNOWN = 20  # contexts in raw text


def mark_as_augmented(doc: Doc) -> None:
    """Mark a doc as augmented: its text is not from the corpus, so its contexts are not counted.

    Augmentation puts a name into new contexts in every epoch. If these counted, names would soon be frequent words, and
    identity dropout would rarely drop them.

    doc: the doc.
    """
    doc.user_data[_AUGMENTED] = True


def is_augmented(doc: Doc) -> bool:
    """Return whether `mark_as_augmented` marked a doc.

    doc: the doc.
    """
    return _AUGMENTED in doc.user_data


def draw_dropped_tokens(
    docs: Sequence[Doc], words: Features, counts: ContextCounts, strength: float
) -> NDArray[numpy.bool_]:
    """Draw the tokens whose identity is dropped, with the probability strength / (strength + number of contexts).

    docs: the docs.
    words: the word of each of their tokens. Shape `(n_tokens,)`.
    counts: the context counts of this training. The contexts of docs that are not augmented are added first.
    strength: the strength of the dropout, > 0.
    RETURNS: whether each token is dropped. Shape `(n_tokens,)`.
    """
    is_counted = [not is_augmented(doc) for doc in docs]
    counted_words = words[numpy.repeat(is_counted, [len(doc) for doc in docs])]
    counts.add(counted_words, [len(doc) for doc in compress(docs, is_counted)])
    n_contexts = numpy.maximum(counts.count(words), 1)
    strength = float(strength)  # The counts are bytes, and so would be their sum with an int.
    return numpy.random.random(len(words)) < strength / (strength + n_contexts)


def find_well_known(words: Features, counts: ContextCounts) -> NDArray[numpy.bool_]:
    """Find the words that pretraining knows well enough to keep their identity if annotation never has them.

    Pretraining sees most words of a language once or twice, and learns nothing reliable about them. If they counted as
    seen, they would keep these identities in prediction, and would not share that of unseen words.

    words: hashes of the words. Shape `(n_words,)`.
    counts: the context counts of the pretraining.
    RETURNS: whether each word is well known. Shape `(n_words,)`.
    """
    return counts.count(words) >= _WELL_KNOWN


def drop_identities(identities: Features, is_dropped: NDArray[numpy.bool_]) -> Features:
    """Replace the identities of dropped words with `UNSEEN`.

    identities: values of one identity attribute. Shape `(n_types,)`.
    is_dropped: whether each identity is dropped. Shape `(n_types,)`.
    RETURNS: the identities. Shape `(n_types,)`.
    """
    return numpy.where(is_dropped, UNSEEN, identities)


def replace_unseen(identities: Features, seen: BloomFilter) -> Features:
    """Replace the identities of unseen words with `UNSEEN`, for prediction.

    identities: values of one identity attribute. Shape `(n_types,)`.
    seen: the identities seen in training.
    RETURNS: the identities. Shape `(n_types,)`.
    """
    return numpy.where(contains_hashes(seen, identities), identities, UNSEEN)
