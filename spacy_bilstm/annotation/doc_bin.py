"""Collect and read Docs in spaCy's binary format, many times as fast as `DocBin` does if they have user data.

`DocBin` asks each token for nine strings, and for the user data of each Doc it searches all installed packages for
encoders. Here, each distinct string is looked up once, and the encoders are found once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import srsly
from spacy.attrs import DEP, ENT_ID, ENT_KB_ID, ENT_TYPE, LEMMA, MORPH, NORM, ORTH, SPACY, TAG
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

_STRINGS = (ORTH, NORM, TAG, DEP, ENT_TYPE, ENT_KB_ID, ENT_ID, LEMMA, MORPH)
_MAX_BYTES = (1 << 31) - 1


class DocCollector:
    """Collects Docs and returns them in spaCy's binary format, with their user data."""

    def __init__(self) -> None:
        self._docs = DocBin(store_user_data=True)
        self._packer = srsly.msgpack.Packer(use_bin_type=True)
        self._attributes: list[int | str] = list(self._docs.attrs)
        self._string_columns = [self._docs.attrs.index(attribute) for attribute in _STRINGS]
        self._known: set[int] = {0}

    def add(self, doc: Doc, identifier: str | int) -> None:
        """Add a Doc.

        doc: the Doc, which need not be valid afterwards.
        identifier: the value for its `user_data["id"]`.
        """
        doc.user_data["id"] = identifier
        tokens = doc.to_array(self._attributes)
        keys: set[Any] = set(tokens[:, self._string_columns].ravel().tolist())
        keys.update(key for group in doc.spans.values() for span in group for key in (span.label, span.kb_id, span.id))
        keys -= self._known
        strings = doc.vocab.strings
        self._docs.strings.update(strings[key] for key in keys if key in strings)
        self._known |= keys
        self._docs.tokens.append(tokens)
        self._docs.spaces.append(numpy.asarray(doc.to_array(SPACY), dtype=bool).reshape(-1, 1))
        self._docs.flags.append({"has_unknown_spaces": doc.has_unknown_spaces})
        self._docs.cats.append(doc.cats)
        self._docs.user_data.append(self._packer.pack(doc.user_data))
        self._docs.span_groups.append(doc.spans.to_bytes() if doc.spans else b"")

    def to_bytes(self) -> bytes:
        """Return the content of a `.spacy` file."""
        return self._docs.to_bytes()


def read_collected(path: Path, vocab: Vocab) -> Iterator[Doc]:
    """Read the Docs that a `DocCollector` has collected, with their user data.

    path: the `.spacy` file.
    vocab: the vocab of the Docs.
    RETURNS: the Docs, in order.
    """
    docs = DocBin(store_user_data=True).from_bytes(path.read_bytes())
    packed = docs.user_data
    docs.user_data = [None] * len(packed)
    unpacker = srsly.msgpack.Unpacker(raw=False, use_list=False, max_buffer_size=_MAX_BYTES)
    for doc, data in zip(docs.get_docs(vocab), packed, strict=True):
        unpacker.feed(data)
        doc.user_data.update(unpacker.unpack())
        yield doc
