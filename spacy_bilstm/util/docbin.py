"""Read spaCy's binary corpora, with an error that names the file."""

from __future__ import annotations

from pathlib import Path

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
        return list(DocBin().from_bytes(data).get_docs(vocab))
    except Exception as error:  # zlib, msgpack, NumPy and spaCy each raise errors of their own.
        raise ValueError(
            f"{path} is not in spaCy's binary format ({error}). Create such a file with: python -m spacy bilstm corpus"
        ) from error
