"""Augmentation of training batches: documents are split, entities trade places, and texts are lowercased."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from spacy.attrs import DEP, ENT_ID, ENT_IOB, ENT_KB_ID, ENT_TYPE, HEAD, LEMMA, MORPH, POS, SENT_START, TAG
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..bridge.arguments import check_numbers, check_whole_numbers
from ..bridge.identity_dropout import mark_as_augmented
from ..bridge.soft_targets import forget_soft_labels
from .pieces import split_example

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]

# Attributes that move with a name, and attributes that stay at its position in the sentence.
_WORD_ATTRS = [TAG, POS, MORPH, LEMMA, ENT_KB_ID, ENT_ID]
_POSITION_ATTRS = [ENT_IOB, ENT_TYPE]


class Names:
    """The entities seen so far, by label and number of words.

    Only names with the same number of words trade places. This keeps trees, other spans and the alignment valid.
    """

    def __init__(self) -> None:
        """Create an empty collection."""
        self._names: dict[tuple[int, int], list[tuple[list[str], NDArray[numpy.uint64]]]] = {}
        self._seen: set[tuple[int, tuple[str, ...]]] = set()

    def add(self, entity: Span) -> None:
        """Add an entity, unless it has been added before.

        entity: the entity.
        """
        words = [token.text for token in entity]
        key = (entity.label, tuple(words))
        if key not in self._seen:
            self._seen.add(key)
            attrs: Any = entity.doc.to_array(_WORD_ATTRS)[entity.start : entity.end]
            self._names.setdefault((entity.label, len(words)), []).append((words, attrs))

    def draw(self, entity: Span) -> tuple[list[str], NDArray[numpy.uint64]]:
        """Draw a name with the label and number of words of an entity.

        entity: the entity. It must have been added.
        RETURNS: the name's words and their attributes. Shape `(n_words, n_attributes)`.
        """
        return random.choice(self._names[entity.label, len(entity)])


def make_batch_augmented_v1(
    batcher: Batcher, swap_entities: float = 0.0, lower_case: float = 0.0, max_sentences: int = 0
) -> Batcher:
    """Make a batcher that changes a random part of the examples, a new part in each epoch.

    spaCy's corpus reader augments once, when it reads the corpus. This batcher augments every batch that it makes. It
    splits documents at random sentence starts, so that a pipeline learns to read texts of any length. It replaces
    entities with others (Dai and Adel 2020), which makes an entity recogniser learn from context and from the form of
    unseen names, and it lowercases texts. The words of an example with other words are the reference tokens. Python's
    random generator, which `[training] seed` sets, makes all random choices.

    batcher: makes the batches, such as `spacy-bilstm.batch_by_length.v1`.
    swap_entities: probability of replacing an entity with one of the same label and number of words that was seen
        earlier in training, 0 <= probability <= 1.
    lower_case: probability of lowercasing a document, 0 <= probability <= 1.
    max_sentences: the largest number of sentences in a piece of a document, >= 0; 0 leaves documents whole. Pieces of
        few and of many sentences get a similar number of words. A document with categories stays whole.
    RETURNS: the batcher.
    RAISES: ValueError for an argument outside these ranges.
    """
    check_numbers("a batcher", swap_entities=swap_entities, lower_case=lower_case)
    check_whole_numbers("a batcher", max_sentences=max_sentences)
    for name, probability in (("swap_entities", swap_entities), ("lower_case", lower_case)):
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"{name} is a probability. Set it to a number from 0 to 1, not {probability}.")
    if max_sentences < 0:
        raise ValueError(f"max_sentences is {max_sentences}. Set it to a number of sentences, or 0 to split nothing.")
    augment: Any = partial(
        batch_augmented,
        batcher=batcher,
        names=Names(),
        swap_entities=swap_entities,
        lower_case=lower_case,
        max_sentences=max_sentences,
    )
    return cast(Batcher, augment)


def batch_augmented(
    examples: Iterable[Example],
    batcher: Batcher,
    names: Names,
    swap_entities: float,
    lower_case: float,
    max_sentences: int,
) -> Iterator[list[Example]]:
    """Make batches and change some of their examples, as described for `make_batch_augmented_v1`.

    examples: the examples. They are not modified; a changed example is a copy.
    batcher, swap_entities, lower_case, max_sentences: as for `make_batch_augmented_v1`.
    names: the entities seen so far. The entities of the examples are added.
    RETURNS: the batches.
    """
    if max_sentences:
        examples = (piece for example in examples for piece in split_example(example, max_sentences))
    for batch in batcher(examples):
        for example in batch:
            for entity in example.reference.ents:
                names.add(entity)
        yield [_augment(example, names, swap_entities, lower_case) for example in batch]


def _augment(example: Example, names: Names, swap_entities: float, lower_case: float) -> Example:
    """Return the example itself, or a changed copy of it."""
    doc = example.reference
    swapped = [entity for entity in doc.ents if random.random() < swap_entities]
    lowered = random.random() < lower_case
    if not swapped and not lowered:
        return example
    words = [token.text for token in doc]
    attrs = doc.to_array(_WORD_ATTRS)
    for entity in swapped:
        words[entity.start : entity.end], attrs[entity.start : entity.end] = names.draw(entity)
    if lowered:
        words = [word.lower() for word in words]
    spaces = [bool(token.whitespace_) for token in doc]
    reference = Doc(doc.vocab, words=words, spaces=spaces, user_data=dict(doc.user_data))
    # A dependency tree defines the sentences. spaCy refuses SENT_START beside it.
    position_attrs = [*_POSITION_ATTRS, *((HEAD, DEP) if doc.has_annotation("DEP") else (SENT_START,))]
    values: Any = numpy.hstack((attrs, doc.to_array(position_attrs).reshape(len(doc), -1)))
    reference.from_array([*_WORD_ATTRS, *position_attrs], values)
    reference.cats = dict(doc.cats)
    reference.spans.from_bytes(doc.spans.to_bytes())
    forget_soft_labels(reference, (i for entity in swapped for i in range(entity.start, entity.end)))
    predicted = Doc(doc.vocab, words=words, spaces=spaces)
    mark_as_augmented(predicted)
    return Example(predicted, reference)
