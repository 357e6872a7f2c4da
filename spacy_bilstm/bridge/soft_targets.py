"""Soft targets: the probabilities that a teacher gives to labels, tag sequences and categories, stored in a Doc.

They are in `doc.user_data`, by the name of the component that learns them, so a `DocBin` with `store_user_data=True`
keeps them. They hold names of labels, not indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc

Ints = NDArray[numpy.integer[Any]]
Floats = NDArray[numpy.floating[Any]]
Bools = NDArray[numpy.bool_]

_KEY = "spacy_bilstm_soft_targets"
MIN_PROBABILITY = 0.005
"""Labels of a token that are less probable than this are left out.

A teacher trained with label smoothing, such as 0.05 over 50 labels, gives 0.001 to each of them. With this bound,
2.5 labels are kept for a token of such a teacher, where 0.001 would keep 8.6.
"""
_MAX_LABELS = 10


@dataclass(frozen=True)
class SoftLabels:
    """The probabilities of the labels of tokens.

    labels: the labels that occur.
    counts: number of stored labels of each token, 0 if its probabilities are not known. Shape `(n_tokens,)`.
    indices: index in `labels`, token after token. Shape `(n_stored,)`.
    probabilities: their probabilities, which add up to 1 for each token. Shape `(n_stored,)`.
    weight: the weight of the doc's loss, >= 0.
    """

    labels: tuple[str, ...]
    counts: Ints
    indices: Ints
    probabilities: Floats
    weight: float = 1.0

    @classmethod
    def from_probabilities(
        cls, probabilities: Floats, labels: Sequence[str], weight: float = 1.0, max_labels: int = _MAX_LABELS
    ) -> SoftLabels:
        """Take the most probable labels of each token: at most `max_labels`, those of at least 0.005, and the best one.

        probabilities: probabilities of all labels. Shape `(n_tokens, n_labels)`.
        labels: the labels.
        weight: the weight of the doc's loss, >= 0.
        max_labels: the most labels to keep for a token, >= 1.
        RETURNS: the soft labels, whose probabilities are float16.
        """
        n_kept = min(max_labels, len(labels))
        order = numpy.argsort(-probabilities, axis=1, kind="stable")[:, :n_kept]
        sorted_probabilities = numpy.take_along_axis(probabilities, order, axis=1)
        is_kept = sorted_probabilities >= MIN_PROBABILITY
        is_kept[:, :1] = True
        # Normalised, the probability of a single label is 1, and a file of them is small.
        kept = sorted_probabilities * is_kept
        kept /= kept.sum(axis=1, keepdims=True)
        used, indices = numpy.unique(order[is_kept], return_inverse=True)
        return cls(
            tuple(labels[index] for index in used.tolist()),
            _shrink(is_kept.sum(1)),
            _shrink(indices.reshape(-1)),
            kept[is_kept].astype("float16"),
            weight,
        )

    def to_probabilities(self, label_indices: Mapping[str, int]) -> tuple[Floats, Bools]:
        """Return the probabilities of all labels, which add up to 1 for each token.

        label_indices: the index of each label.
        RETURNS: the probabilities, shape `(n_tokens, n_labels)`, float32; and whether they are known, `(n_tokens,)`.
        RAISES: KeyError if a label has no index.
        """
        columns = numpy.array([label_indices[label] for label in self.labels], dtype="int64")
        dense = numpy.zeros((len(self.counts), len(label_indices)), dtype="float32")
        tokens = numpy.repeat(numpy.arange(len(self.counts)), self.counts)
        dense[tokens, columns[self.indices]] = self.probabilities
        total = dense.sum(1, keepdims=True)
        is_known = total[:, 0] > 0
        dense[is_known] /= total[is_known]
        return dense, is_known

    def cut(self, start: int, end: int) -> SoftLabels:
        """Return the soft labels of the tokens from `start` to before `end`."""
        ends = self.counts.cumsum()
        stored = slice(int(ends[start - 1]) if start else 0, int(ends[end - 1]) if end else 0)
        return replace(
            self,
            counts=self.counts[start:end],
            indices=self.indices[stored],
            probabilities=self.probabilities[stored],
        )

    def forget(self, tokens: Iterable[int]) -> SoftLabels:
        """Return soft labels that are not known for some tokens."""
        is_forgotten = numpy.zeros(len(self.counts), dtype=bool)
        is_forgotten[list(tokens)] = True
        is_kept = ~numpy.repeat(is_forgotten, self.counts)
        return replace(
            self,
            counts=numpy.where(is_forgotten, 0, self.counts),
            indices=self.indices[is_kept],
            probabilities=self.probabilities[is_kept],
        )


@dataclass(frozen=True)
class SoftTags:
    """A distribution over BILUO tag sequences: the probabilities of all possible pairs of neighbouring tags.

    They determine the cross-entropy with any linear-chain conditional random field. Whitespace has no tags of its own:
    it is in an entity if the words around it are. Tags are numbered as in `nn.biluo`, for the labels of this object: 0
    is O, and label `l` has the tags from `4 * l + 1` to `4 * l + 4`: B, I, L and U.

    labels: the labels that occur.
    counts: number of stored pairs that end in each token: >= 1, but 0 for whitespace. Shape `(n_tokens,)`.
    before: tag of the word before, word after word; 0 at the first word. Shape `(n_pairs,)`.
    tags: tag of the word. Shape `(n_pairs,)`.
    probabilities: probability of each pair. Those of a word add up to 1. Shape `(n_pairs,)`.
    weight: the weight of the doc's loss, >= 0.
    """

    labels: tuple[str, ...]
    counts: Ints
    before: Ints
    tags: Ints
    probabilities: Floats
    weight: float = 1.0

    def cut(self, start: int, end: int) -> SoftTags:
        """Return the distribution of the tokens from `start` to before `end`."""
        ends = self.counts.cumsum()
        pairs = slice(int(ends[start - 1]) if start else 0, int(ends[end - 1]) if end else 0)
        before = self.before[pairs].copy()
        counts = self.counts[start:end]
        before[: int(counts[counts > 0][:1].sum())] = 0
        return replace(
            self,
            counts=counts,
            before=before,
            tags=self.tags[pairs],
            probabilities=self.probabilities[pairs],
        )


@dataclass(frozen=True)
class SoftCategories:
    """The probabilities of the categories of a doc.

    labels: the labels.
    probabilities: the probability of each label. Shape `(n_labels,)`.
    weight: the weight of the doc's loss, >= 0.
    """

    labels: tuple[str, ...]
    probabilities: Floats
    weight: float = 1.0


SoftTargets = SoftLabels | SoftTags | SoftCategories
_Targets = TypeVar("_Targets", SoftLabels, SoftTags, SoftCategories)


def set_soft_targets(doc: Doc, component: str, targets: SoftTargets) -> None:
    """Store soft targets in a Doc.

    doc: the doc.
    component: the name of the component that will learn them.
    targets: the targets. Those of tokens are for all tokens of the doc.
    RAISES: ValueError if they are for another number of tokens.
    """
    if not _fits(targets, doc):
        raise ValueError(f"The soft targets of '{component}' are not for the {len(doc)} tokens of the doc.")
    doc.user_data.setdefault(_KEY, {})[component] = vars(targets)


def get_soft_labels(doc: Doc, component: str) -> SoftLabels | None:
    """Return the probabilities of labels that a component is to learn from a Doc, or None."""
    return _get(doc, component, SoftLabels)


def get_soft_tags(doc: Doc, component: str) -> SoftTags | None:
    """Return the distribution over tag sequences that a component is to learn from a Doc, or None."""
    return _get(doc, component, SoftTags)


def get_soft_categories(doc: Doc, component: str) -> SoftCategories | None:
    """Return the probabilities of categories that a component is to learn from a Doc, or None."""
    return _get(doc, component, SoftCategories)


def forget_soft_labels(doc: Doc, tokens: Iterable[int]) -> None:
    """Forget the probabilities of the labels of some tokens, whose words have changed.

    doc: the doc.
    tokens: indices of the tokens.
    """
    stored = doc.user_data.get(_KEY, {})
    if not stored:
        return
    changed = list(tokens)
    # The stored targets may be those of another doc too.
    doc.user_data[_KEY] = {
        name: vars(targets.forget(changed)) if isinstance(targets := _read(fields), SoftLabels) else fields
        for name, fields in stored.items()
    }


def forget_soft_targets(doc: Doc) -> None:
    """Forget all soft targets of a Doc, so that components learn its annotation.

    doc: the doc.
    """
    doc.user_data.pop(_KEY, None)


def copy_soft_targets(doc: Doc, piece: Doc, start: int) -> None:
    """Copy the soft targets of a part of a Doc to another Doc, except for those of categories.

    doc: the doc.
    piece: the doc of the part. Its user data changes.
    start: the first token of the part in `doc`.
    """
    if _KEY in doc.user_data:
        read = {name: _read(fields) for name, fields in doc.user_data[_KEY].items()}
        piece.user_data[_KEY] = {
            name: vars(targets.cut(start, start + len(piece)))
            for name, targets in read.items()
            if not isinstance(targets, SoftCategories)
        }


def _get(doc: Doc, component: str, kind: type[_Targets]) -> _Targets | None:
    fields = doc.user_data.get(_KEY, {}).get(component)
    if fields is None:
        return None
    targets = _read(fields)
    if not isinstance(targets, kind):
        raise ValueError(
            f"The doc '{doc.text[:40]}' has soft targets of another kind for '{component}'. Annotate it again with a "
            "teacher whose component of this name does the same."
        )
    if not _fits(targets, doc):
        raise ValueError(
            f"The soft targets for '{component}' are not for the {len(doc)} tokens of the doc '{doc.text[:40]}'. "
            "Annotate it again."
        )
    return targets


def _read(fields: Mapping[str, Any]) -> SoftTargets:
    kind = SoftTags if "before" in fields else SoftLabels if "counts" in fields else SoftCategories
    return kind(**fields)


def _fits(targets: SoftTargets, doc: Doc) -> bool:
    if isinstance(targets, SoftTags):
        is_space: Any = doc.to_array([IS_SPACE])
        return bool(numpy.array_equal(targets.counts == 0, is_space.reshape(-1) == 1))
    return isinstance(targets, SoftCategories) or len(targets.counts) == len(doc)


def _shrink(values: Ints) -> Ints:
    """Return numbers, >= 0, in the smallest type that holds them."""
    return values.astype(numpy.min_scalar_type(int(values.max(initial=0))))
