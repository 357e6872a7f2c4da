"""Read and write spaCy's binary corpora: with an error that names the file, and fast for Docs with user data.

For each Doc with user data, spaCy asks all installed packages for extensions of msgpack, which takes longer than the
rest of reading or writing it. These functions ask once for a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import srsly
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab


def read_docs(path: str | Path, vocab: Vocab) -> list[Doc]:
    """Read the Docs of a .spacy file.

    path: the file.
    vocab: the vocabulary of the Docs.
    RETURNS: the Docs, in order.
    RAISES: ValueError if the file is not a .spacy file; OSError if it can't be opened.
    """
    data = Path(path).read_bytes()
    try:
        return list(_get_docs(DocBin().from_bytes(data), vocab))
    except Exception as error:  # zlib, msgpack, NumPy and spaCy each raise errors of their own.
        raise ValueError(
            f"{path} is not in spaCy's binary format ({error}). Create such a file with: python -m spacy bilstm corpus"
        ) from error


class DocWriter:
    """A new binary corpus, with the user data of its Docs."""

    def __init__(self) -> None:
        """Create an empty corpus."""
        self._documents = DocBin()
        self._packer = srsly.msgpack.Packer(use_bin_type=True)

    def add(self, doc: Doc) -> None:
        """Add a Doc."""
        self._documents.add(doc)
        self._documents.user_data.append(self._packer.pack(doc.user_data))

    def to_bytes(self) -> bytes:
        """Return the content of a `.spacy` file."""
        self._documents.store_user_data = True
        return self._documents.to_bytes()


def _get_docs(documents: DocBin, vocab: Vocab) -> Iterator[Doc]:
    """Yield Docs as `DocBin.get_docs` does."""
    stored, documents.user_data = documents.user_data, []
    decode: Any = None
    for decoder in srsly.msgpack.msgpack_decoders.get_all().values():
        decode = partial(decoder, chain=decode)
    for i, doc in enumerate(documents.get_docs(vocab)):
        if i < len(stored) and stored[i] is not None:
            hook = lambda pairs: decode(dict(pairs))  # noqa: E731
            doc.user_data.update(srsly.msgpack.unpackb(stored[i], object_pairs_hook=hook, raw=False, use_list=False))
        yield doc
