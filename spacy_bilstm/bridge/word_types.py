"""Find the word types of a batch, the distinct combinations of the features that a word embedding reads.

Tokens with equal features share a word type, and have equal embeddings. All costly work is done once per type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vectors import BaseVectors

from .bloom_filter import add_hashes
from .context_counts import ContextCounts
from .features import Features, Indices, find_distinct, read_features
from .identity_dropout import (
    IDENTITY_ATTRS,
    draw_dropped_tokens,
    drop_identities,
    find_well_known,
    replace_unseen,
)
from .model_types import Tok2VecModel
from .static_vectors import check_width, get_key_attr, get_vectors


@dataclass(frozen=True)
class WordTypes:
    """Word types of a batch of docs, and all that their embeddings depend on besides the layer.

    docs: the docs.
    examples: for each type, the index of a token that has it, in the concatenated docs. Shape `(n_types,)`.
    attrs: values of each attribute, `UNSEEN` for the identity of an unseen word. Shape `(n_types,)` each.
    orths: the types' ORTH, for their characters; None if the layer reads no characters. Shape `(n_types,)`.
    vector_keys: the types' keys of static vectors; None if the layer reads no static vectors. Shape `(n_types,)`.
    vectors: the static vectors of the docs' vocab, or None.
    """

    docs: Sequence[Doc]
    examples: Indices
    attrs: Sequence[Features]
    orths: Features | None
    vector_keys: Features | None
    vectors: BaseVectors | None

    def get_features(self) -> Features:
        """Return all features that the types' embeddings depend on, one row per type. Shape `(n_types, n_features)`."""
        columns = [*self.attrs, self.orths, self.vector_keys]
        return numpy.stack([column for column in columns if column is not None], axis=1)

    def get_words(self) -> list[str]:
        """Return the text of each type, from the vocab of a doc that has it."""
        assert self.orths is not None
        owners = numpy.repeat(numpy.arange(len(self.docs)), [len(doc) for doc in self.docs])[self.examples]
        strings = [doc.vocab.strings for doc in self.docs]
        return [strings[i][orth] for i, orth in zip(owners.tolist(), self.orths.tolist(), strict=True)]

    def select(self, types: Indices) -> WordTypes:
        """Return some of the types.

        types: indices of the types to return. Shape `(n_selected,)`.
        """
        return replace(
            self,
            examples=self.examples[types],
            attrs=[values[types] for values in self.attrs],
            orths=None if self.orths is None else self.orths[types],
            vector_keys=None if self.vector_keys is None else self.vector_keys[types],
        )


def find_word_types(
    model: Tok2VecModel, docs: Sequence[Doc], is_train: bool = False, pretraining_counts: ContextCounts | None = None
) -> tuple[WordTypes, Indices]:
    """Find the word types of docs.

    model: the layer that embeds them, as `with_word_types` makes it.
    docs: the docs, with at least one token.
    is_train: whether this is training. Then the layer adds the docs' words to those it has seen, and identity dropout
        applies: a type is then also distinguished by whether its identity is dropped.
    pretraining_counts: the context counts of a pretraining, or None if this is none. In pretraining, these counts
        replace those of the layer, and only well-known words are added to the seen ones: see `identity_dropout`.
    RETURNS: the types, and the type of each token, shape `(n_tokens,)`.
    RAISES: ValueError if the layer includes static vectors, and the docs' vocab has none or some of another width.
    """
    vectors = _get_vectors(model, docs)
    columns = _list_columns(model, vectors)
    features = read_features(docs, columns)
    words = _find_identity(columns, features) if is_train and model.attrs["identity_dropout"] else None
    is_dropped = None
    if words is not None:
        counts: ContextCounts = model.attrs["familiarity"] if pretraining_counts is None else pretraining_counts
        is_dropped = draw_dropped_tokens(docs, words, counts, model.attrs["identity_dropout"])
    if is_dropped is None:
        examples, token_types = find_distinct(features)
    else:
        examples, token_types = find_distinct(numpy.column_stack((features, is_dropped.astype("uint64"))))
        is_dropped = is_dropped[examples]
    values = dict(zip(columns, features[examples].T, strict=True))
    if is_train and model.attrs["seen"] is not None:
        is_added = numpy.ones(len(examples), dtype=bool)
        if pretraining_counts is not None and words is not None:
            is_added = find_well_known(words[examples], pretraining_counts)
        _add_seen_words(model, {attr: column[is_added] for attr, column in values.items()})
    types = WordTypes(
        docs,
        examples,
        attrs=_replace_unseen(model, values, is_train, is_dropped),
        orths=None if model.attrs["char_rows"] is None else values[ORTH],
        vector_keys=None if vectors is None else values[get_key_attr(vectors)],
        vectors=vectors,
    )
    return types, token_types


def _get_vectors(model: Tok2VecModel, docs: Sequence[Doc]) -> BaseVectors | None:
    if not model.attrs["static_vectors"]:
        return None
    vectors = get_vectors(docs, model.name)
    check_width(vectors, model.get_dim("nM"), model.name)
    return vectors


def _list_columns(model: Tok2VecModel, vectors: BaseVectors | None) -> list[int]:
    """List the attributes that the layer reads, each once."""
    columns: list[int] = list(model.attrs["attrs"])
    if model.attrs["char_rows"] is not None:
        columns.append(ORTH)
    if vectors is not None:
        columns.append(get_key_attr(vectors))
    return list(dict.fromkeys(columns))


def _find_identity(columns: list[int], features: Features) -> Features | None:
    """Return the first identity attribute of each token, or None if the layer reads none. Shape `(n_tokens,)`."""
    identities = [i for i, attr in enumerate(columns) if attr in IDENTITY_ATTRS]
    return features[:, identities[0]] if identities else None


def _add_seen_words(model: Tok2VecModel, values: dict[int, Features]) -> None:
    if not model.attrs["seen"].flags.writeable:  # Loading a model leaves it read-only.
        model.attrs["seen"] = model.attrs["seen"].copy()
    for attr in IDENTITY_ATTRS.intersection(model.attrs["attrs"]):
        add_hashes(model.attrs["seen"], values[attr])


def _replace_unseen(
    model: Tok2VecModel, values: dict[int, Features], is_train: bool, is_dropped: NDArray[numpy.bool_] | None
) -> list[Features]:
    """Replace the identities of dropped words in training, and of unseen words in prediction."""
    seen = model.attrs["seen"]
    attrs: list[int] = model.attrs["attrs"]
    if seen is None or (is_train and is_dropped is None):
        return [values[attr] for attr in attrs]
    return [
        (drop_identities(values[attr], is_dropped) if is_dropped is not None else replace_unseen(values[attr], seen))
        if attr in IDENTITY_ATTRS
        else values[attr]
        for attr in attrs
    ]
