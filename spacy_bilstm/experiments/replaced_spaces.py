"""Change the whitespace between the words of a Doc, and keep its gold annotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.attrs import DEP, ENT_ID, ENT_IOB, ENT_KB_ID, ENT_TYPE, HEAD, LEMMA, MORPH, POS, SENT_START, TAG
from spacy.symbols import dep
from spacy.tokens import Doc, Span, SpanGroup

_ATTRS = [TAG, POS, MORPH, LEMMA, ENT_KB_ID, ENT_ID, ENT_TYPE, ENT_IOB]
_INSIDE, _OUTSIDE = 1, 2
_NOT_SENT_START = -1


def find_spaces(doc: Doc) -> list[int]:
    """Find the single spaces between two words.

    doc: the doc.
    RETURNS: the index of the token before each of these spaces. Whitespace that is a token of its own, and spaces
        beside it, are left out.
    """
    return [token.i for token in doc[:-1] if token.whitespace_ and not token.is_space and not token.nbor().is_space]


def replace_spaces(doc: Doc, whitespace: Sequence[str]) -> Doc:
    """Make a copy of a doc with other whitespace, tokenized as spaCy's tokenizer does.

    spaCy's tokenizer attaches one space to the word before it. The rest of the whitespace becomes a token. This token
    belongs to an entity if both of its neighbours do, and to the sentence of the word before it. In a tree, it depends
    on this word as `dep`, as in spaCy's own augmentation. All its other annotation is missing, so it is not scored.

    doc: the doc. It is not modified.
    whitespace: the whitespace in place of each space that `find_spaces` finds, at least one character each.
    RETURNS: the copy, with all annotation of the words.
    RAISES: ValueError if the number of strings is not the number of spaces, or if one is not whitespace.
    """
    positions = find_spaces(doc)
    if len(whitespace) != len(positions):
        raise ValueError(f"The doc has {len(positions)} spaces, but there is whitespace for {len(whitespace)}.")
    words = [token.text for token in doc]
    spaces = [bool(token.whitespace_) for token in doc]
    inserted: list[tuple[int, str]] = []  # The index of the token after each new token, and the new token.
    for i, text in zip(positions, whitespace, strict=True):
        if not text.isspace():
            raise ValueError(f"{text!r} is not whitespace.")
        spaces[i] = text.startswith(" ")
        if text.removeprefix(" "):
            inserted.append((i + 1, text.removeprefix(" ")))
    for i, text in reversed(inserted):
        words.insert(i, text)
        spaces.insert(i, False)
    copy = Doc(doc.vocab, words=words, spaces=spaces, user_data=dict(doc.user_data))
    _copy_annotation(doc, copy, numpy.array([i for i, _ in inserted], dtype="int64"))
    return copy


def _copy_annotation(doc: Doc, copy: Doc, inserted: NDArray[numpy.int64]) -> None:
    """Copy the annotation to a doc with more tokens.

    inserted: the index in `doc` of the token after each new token.
    """
    index = numpy.arange(len(doc)) + numpy.searchsorted(inserted, numpy.arange(len(doc)), side="right")
    new = inserted + numpy.arange(len(inserted))
    has_tree = doc.has_annotation("DEP")
    # A dependency tree defines the sentences. spaCy refuses SENT_START beside it.
    attrs = [*_ATTRS, *((HEAD, DEP) if has_tree else (SENT_START,))]
    old: Any = doc.to_array(attrs).reshape(len(doc), len(attrs)).astype("int64")
    values = numpy.zeros((len(copy), len(attrs)), dtype="int64")
    values[index] = old
    before, after = old[inserted - 1], old[inserted]
    iob_before, iob_after = before[:, attrs.index(ENT_IOB)], after[:, attrs.index(ENT_IOB)]
    is_inside = iob_after == _INSIDE
    for attr in (ENT_TYPE, ENT_KB_ID, ENT_ID):
        values[new, attrs.index(attr)] = numpy.where(is_inside, after[:, attrs.index(attr)], 0)
    is_known = (iob_before != 0) & (iob_after != 0)
    values[new, attrs.index(ENT_IOB)] = numpy.where(is_inside, _INSIDE, numpy.where(is_known, _OUTSIDE, 0))
    if has_tree:
        values[index, attrs.index(HEAD)] = index[numpy.arange(len(doc)) + old[:, attrs.index(HEAD)]] - index
        values[new, attrs.index(HEAD)] = -1
        values[new, attrs.index(DEP)] = dep
    else:
        is_known = after[:, attrs.index(SENT_START)] != 0
        values[new, attrs.index(SENT_START)] = numpy.where(is_known, _NOT_SENT_START, 0)
    unsigned: Any = values.astype("uint64")
    copy.from_array(attrs, unsigned)
    copy.cats = dict(doc.cats)
    for key, group in doc.spans.items():
        spans = [_move(span, copy, index) for span in group]
        copy.spans[key] = SpanGroup(copy, name=group.name, attrs=dict(group.attrs), spans=spans)


def _move(span: Span, copy: Doc, index: NDArray[numpy.int64]) -> Span:
    start, end = int(index[span.start]), int(index[span.end - 1]) + 1
    return Span(copy, start, end, label=span.label, kb_id=span.kb_id, span_id=span.id)
