"""Split the document of an example into pieces of a few sentences each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any

import numpy
from spacy.attrs import DEP, HEAD, SENT_START
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from ..bridge.soft_targets import copy_soft_targets


def split_example(example: Example, max_sentences: int) -> Iterator[Example]:
    """Split an example at random sentence starts.

    example: the example. It is not modified.
    max_sentences: the largest number of sentences in a piece, >= 1.
    RETURNS: an example for each piece, in order, with the annotation of its tokens. An example that cannot be split, or
        whose only piece is the whole document, is returned itself.
    """
    starts = find_piece_starts(example)
    if len(starts) == 1:
        yield example
        return
    lengths = draw_piece_lengths(len(starts), max_sentences)
    if len(lengths) == 1:
        yield example
        return
    starts = [starts[i] for i in accumulate(lengths[:-1], initial=0)]
    predicted_at = {token.idx: token.i for token in example.predicted}
    predicted_starts = [predicted_at[example.reference[start].idx] for start in starts]
    predicted = split_doc(example.predicted, predicted_starts)
    yield from map(Example, predicted, split_doc(example.reference, starts))


def find_piece_starts(example: Example) -> list[int]:
    """Find the tokens of the reference at which a piece may start.

    example: the example.
    RETURNS: 0 and the starts of further sentences, in order. A sentence start is left out if an entity, another span, a
        dependency or a predicted token crosses it. A document with categories has no further starts, because its
        categories hold for the whole text.
    """
    doc = example.reference
    if doc.cats or example.predicted.text != doc.text:
        return [0]
    starts = [token.i for token in doc if token.i > 0 and token.is_sent_start]
    if not starts:
        return [0]
    is_inside = _find_inner_tokens(example.reference)
    predicted_at = {token.idx for token in example.predicted}
    return [0, *(start for start in starts if not is_inside[start] and doc[start].idx in predicted_at)]


def draw_piece_lengths(n_sentences: int, max_sentences: int) -> list[int]:
    """Draw the number of sentences of each piece of a document.

    The probability of a length is proportional to the inverse of its square. So lengths from k to 2k get about as many
    of the sentences as lengths from 2k to 4k: short texts are as frequent as long ones.

    n_sentences: the number of sentences of the document, >= 1.
    max_sentences: the largest length, >= 1.
    RETURNS: the lengths. Their sum is `n_sentences`.
    """
    choices = range(1, max_sentences + 1)
    weights = list(accumulate(1.0 / length**2 for length in choices))
    lengths: list[int] = []
    while n_sentences > 0:
        (length,) = random.choices(choices, cum_weights=weights)
        lengths.append(min(length, n_sentences))
        n_sentences -= lengths[-1]
    return lengths


def split_doc(doc: Doc, starts: list[int]) -> Iterator[Doc]:
    """Split a doc.

    doc: the doc. It is not modified.
    starts: the first token of each piece, in order. The first is 0. No entity, span or dependency crosses them.
    RETURNS: the pieces with the annotation of their tokens, spans and custom attributes, without categories.
    """
    words = [token.text for token in doc]
    spaces = [bool(token.whitespace_) for token in doc]
    # A dependency tree defines the sentences.
    unused = {SENT_START} if doc.has_annotation("DEP") else {HEAD, DEP}
    attrs = [attr for attr in Doc._get_array_attrs() if attr not in unused]
    values: Any = doc.to_array(attrs)
    for start, end in pairwise([*starts, len(doc)]):
        piece = Doc(doc.vocab, words=words[start:end], spaces=spaces[start:end])
        piece.from_array(attrs, values[start:end])
        _copy_spans(doc, piece, start, end)
        _copy_user_data(doc, piece, start, end)
        yield piece


def _find_inner_tokens(doc: Doc) -> numpy.ndarray[Any, numpy.dtype[numpy.bool_]]:
    """Return whether each token has another token of an entity, span or dependency before it."""
    change = numpy.zeros(len(doc) + 1, dtype="int64")
    for span in [*doc.ents, *(span for group in doc.spans.values() for span in group)]:
        change[span.start + 1] += 1
        change[max(span.end, span.start + 1)] -= 1
    heads = numpy.asarray(doc.to_array(HEAD)).astype("int64")
    i = numpy.arange(len(doc))
    numpy.add.at(change, numpy.minimum(i, i + heads) + 1, 1)
    numpy.subtract.at(change, numpy.maximum(i, i + heads) + 1, 1)
    inside: numpy.ndarray[Any, numpy.dtype[numpy.bool_]] = change.cumsum()[:-1] > 0
    return inside


def _copy_spans(doc: Doc, piece: Doc, start: int, end: int) -> None:
    """Copy the span groups of a doc, with the spans of the piece from `start` to `end`."""
    for key, group in doc.spans.items():
        spans = [
            Span(piece, span.start - start, span.end - start, span.label, kb_id=span.kb_id, span_id=span.id)
            for span in group
            if start <= span.start and span.end <= end
        ]
        piece.spans[key] = SpanGroup(piece, name=group.name, attrs=dict(group.attrs), spans=spans)


def _copy_user_data(doc: Doc, piece: Doc, start: int, end: int) -> None:
    """Copy the user data of a doc, and the custom attributes of tokens and spans of the piece from `start` to `end`."""
    if not doc.user_data:
        return
    offset = doc[start].idx
    last = offset + len(piece.text)
    for key, value in doc.user_data.items():
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and key[2] is not None:
            _, name, first_char, last_char = key
            if offset <= first_char < last and (last_char is None or last_char <= last):
                shifted = None if last_char is None else last_char - offset
                piece.user_data["._.", name, first_char - offset, shifted] = value
        else:
            piece.user_data[key] = value
    copy_soft_targets(doc, piece, start)
