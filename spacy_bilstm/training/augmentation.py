"""Batches with new names in old sentences. Batches of examples come in, some examples leave changed."""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, cast

import numpy
from numpy.typing import NDArray
from spacy.attrs import DEP, ENT_ID, ENT_IOB, ENT_KB_ID, ENT_TYPE, HEAD, LEMMA, MORPH, POS, SENT_START, TAG
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..bridge.familiarity import mark_as_augmented

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]

# What a name brings with it, and what stays with its place in the sentence.
_WORD_ATTRS = [TAG, POS, MORPH, LEMMA, ENT_KB_ID, ENT_ID]
_PLACE_ATTRS = [ENT_IOB, ENT_TYPE]


class Names:
    """The entities seen so far, by label and number of words.

    Only names of equally many words trade places, so that trees, other spans and the alignment stay what they are.
    """

    def __init__(self) -> None:
        """Start without any."""
        self._names: dict[tuple[int, int], list[tuple[list[str], NDArray[numpy.uint64]]]] = {}
        self._known: set[tuple[int, tuple[str, ...]]] = set()

    def add(self, entity: Span) -> None:
        """Keep an entity, if it is a new one.

        entity: the entity.
        """
        words = [token.text for token in entity]
        key = (entity.label, tuple(words))
        if key not in self._known:
            self._known.add(key)
            attrs: Any = entity.doc.to_array(_WORD_ATTRS)[entity.start : entity.end]
            self._names.setdefault((entity.label, len(words)), []).append((words, attrs))

    def draw(self, entity: Span) -> tuple[list[str], NDArray[numpy.uint64]]:
        """Draw a name that can take the place of an entity; the entity must have been added.

        entity: the entity.
        RETURNS: the name's words and their attributes. Shape `(n_words, n_attributes)`.
        """
        return random.choice(self._names[entity.label, len(entity)])


def make_batch_augmented_v1(batcher: Batcher, swap_entities: float = 0.0, lower_case: float = 0.0) -> Batcher:
    """Make a batcher that changes some examples, others in each epoch.

    An augmenter of spaCy's corpus reader runs once, when the corpus is read; this one runs whenever a batch is made.
    It puts names in each other's places (Dai and Adel 2020), so that a recogniser must learn from the context and the
    form of names it has not seen there, and writes texts without capitals. An example that is changed has the tokens of
    its annotation. Everything is drawn from Python's random generator, which `[training] seed` sets.

    batcher: makes the batches, such as `spacy-bilstm.batch_by_length.v1`.
    swap_entities: probability with which an entity becomes another one of its label and of as many words that was seen
        in training before, 0 <= probability <= 1.
    lower_case: probability with which a document is written in lower case, 0 <= probability <= 1.
    RETURNS: the batcher.
    RAISES: ValueError for an argument outside these ranges.
    """
    for name, probability in (("swap_entities", swap_entities), ("lower_case", lower_case)):
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"{name} is a probability and must be at least 0 and at most 1, but it is {probability}.")
    augment: Any = partial(
        batch_augmented, batcher=batcher, names=Names(), swap_entities=swap_entities, lower_case=lower_case
    )
    return cast(Batcher, augment)


def batch_augmented(
    examples: Iterable[Example], batcher: Batcher, names: Names, swap_entities: float, lower_case: float
) -> Iterator[list[Example]]:
    """Make batches and change some of their examples; `make_batch_augmented_v1` says how.

    examples: the examples; they stay as they are.
    batcher, swap_entities, lower_case: as there.
    names: the entities seen so far, which those of the examples are added to.
    RETURNS: the batches.
    """
    for batch in batcher(examples):
        for example in batch:
            for entity in example.reference.ents:
                names.add(entity)
        yield [_augment(example, names, swap_entities, lower_case) for example in batch]


def _augment(example: Example, names: Names, swap_entities: float, lower_case: float) -> Example:
    """Give the example itself, or a changed copy of it."""
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
    # The tree tells the sentences, and spaCy takes no other word for them beside it.
    place_attrs = [*_PLACE_ATTRS, *((HEAD, DEP) if doc.has_annotation("DEP") else (SENT_START,))]
    values: Any = numpy.hstack((attrs, doc.to_array(place_attrs).reshape(len(doc), -1)))
    reference.from_array([*_WORD_ATTRS, *place_attrs], values)
    reference.cats = dict(doc.cats)
    reference.spans.from_bytes(doc.spans.to_bytes())
    predicted = Doc(doc.vocab, words=words, spaces=spaces)
    mark_as_augmented(predicted)
    return Example(predicted, reference)
