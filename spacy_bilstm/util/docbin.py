"""Read and write spaCy's binary corpora: with an error that names the file, and fast for Docs with user data.

For each Doc with user data, spaCy asks all installed packages for extensions of msgpack, which takes longer than the
rest of reading or writing it. These functions ask once for a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import srsly
from spacy.attrs import DEP, ENT_ID, ENT_KB_ID, ENT_TYPE, LEMMA, MORPH, NORM, ORTH, SPACY, TAG
from spacy.tokens import Doc, DocBin
from spacy.training.corpus import walk_corpus
from spacy.vocab import Vocab

_STRINGS = (ORTH, NORM, TAG, DEP, ENT_TYPE, ENT_KB_ID, ENT_ID, LEMMA, MORPH)


def read_docs(path: str | Path, vocab: Vocab) -> list[Doc]:
    """Read the Docs of a .spacy file.

    path: the file.
    vocab: the vocabulary of the Docs.
    RETURNS: the Docs, in order.
    RAISES: ValueError if the file is not a .spacy file; OSError if it can't be opened.
    """
    with _explain(path):
        return list(_get_docs(_read_bin(path), vocab, _make_decoder()))


def count_words(path: Path) -> int:
    """Return the number of words of an annotated corpus.

    path: a `.spacy` file, or a folder of them.
    RAISES: ValueError, with the file, if it is not in spaCy's binary format or has no words.
    """
    if path.is_file() and path.suffix != ".spacy":
        raise ValueError(f"{path} is no .spacy file. Create one with: python -m spacy bilstm corpus")
    n_words = sum(len(doc) for file in walk_corpus(path, ".spacy") for doc in read_docs(file, Vocab()))
    if not n_words:
        raise ValueError(f"{path} has no words. Give an annotated corpus in .spacy format.")
    return n_words


class StoredDocs:
    """The Docs of a .spacy file, each of which is made when it is asked for.

    Until then, a Doc with soft targets takes a third of the memory.
    """

    def __init__(self, path: str | Path, vocab: Vocab) -> None:
        """Read the file.

        path: the file.
        vocab: the vocabulary of the Docs.
        RAISES: ValueError if the file is not a .spacy file; OSError if it can't be opened.
        """
        self._path, self._vocab = path, vocab
        with _explain(path):
            self._docs = _read_bin(path)
        for string in self._docs.strings:
            vocab.strings.add(string)
        self._decoder = _make_decoder()
        self._one = DocBin()
        self._one.attrs = self._docs.attrs

    def __len__(self) -> int:
        return len(self._docs)

    def __getitem__(self, index: int) -> Doc:
        """Make a Doc.

        index: its index in the file.
        RAISES: ValueError if the file is damaged.
        """
        for name in ("tokens", "spaces", "cats", "flags", "span_groups", "user_data"):
            setattr(self._one, name, getattr(self._docs, name)[index : index + 1])
        with _explain(self._path):
            return next(_get_docs(self._one, self._vocab, self._decoder))


class DocCollector:
    """Collects Docs and returns them in spaCy's binary format, with their user data.

    `DocBin` asks each token for nine strings. Here, each distinct string is looked up once.
    """

    def __init__(self) -> None:
        self._docs = DocBin(store_user_data=True)
        self._packer = srsly.msgpack.Packer(use_bin_type=True)
        self._attributes: list[int | str] = list(self._docs.attrs)
        self._string_columns = [self._docs.attrs.index(attribute) for attribute in _STRINGS]
        self._known: set[int] = {0}

    def add(self, doc: Doc, identifier: str | int) -> None:
        """Add a Doc.

        doc: the Doc, which need not be valid afterwards.
        identifier: the value for its `user_data["id"]`. An integer beyond 64 bits is stored as a string.
        RAISES: TypeError, OverflowError or ValueError if a value in its user data, categories or span groups can't be
            stored. Then it is not added.
        """
        self.add_all([doc], [identifier])

    def add_all(self, docs: Sequence[Doc], identifiers: Sequence[str | int]) -> None:
        """Add several Docs, or none of them if one can't be stored.

        docs: the Docs, which need not be valid afterwards.
        identifiers: as for `add`, one for each.
        RAISES: as `add`.
        """
        packed = [self._pack(doc, identifier) for doc, identifier in zip(docs, identifiers, strict=True)]
        for doc, (user_data, span_groups) in zip(docs, packed, strict=True):
            self._append(doc, user_data, span_groups)

    def _pack(self, doc: Doc, identifier: str | int) -> tuple[bytes, bytes]:
        """Return the user data and the span groups as bytes. Only these and the categories may fail to be stored."""
        is_long = isinstance(identifier, int) and not -(1 << 63) <= identifier < 1 << 64
        doc.user_data["id"] = str(identifier) if is_long else identifier
        self._packer.pack(doc.cats)  # `to_bytes` packs those of all Docs, which is too late for an error.
        return self._packer.pack(doc.user_data), doc.spans.to_bytes() if doc.spans else b""

    def _append(self, doc: Doc, user_data: bytes, span_groups: bytes) -> None:
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
        self._docs.user_data.append(user_data)
        self._docs.span_groups.append(span_groups)

    def to_bytes(self) -> bytes:
        """Return the content of a `.spacy` file."""
        return self._docs.to_bytes()


def _read_bin(path: str | Path) -> DocBin:
    return DocBin().from_bytes(Path(path).read_bytes())


@contextmanager
def _explain(path: str | Path) -> Iterator[None]:
    """Turn an error into one that names the file."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # zlib, msgpack, NumPy and spaCy each raise errors of their own.
        raise ValueError(
            f"{path} is not in spaCy's binary format ({error}). Create such a file with: python -m spacy bilstm corpus"
        ) from error


def _make_decoder() -> Callable[[Any], Any]:
    decode: Any = None
    for decoder in srsly.msgpack.msgpack_decoders.get_all().values():
        decode = partial(decoder, chain=decode)
    return lambda pairs: decode(dict(pairs))


def _get_docs(documents: DocBin, vocab: Vocab, decoder: Callable[[Any], Any]) -> Iterator[Doc]:
    """Yield Docs as `DocBin.get_docs` does."""
    stored, documents.user_data = documents.user_data, []
    for i, doc in enumerate(documents.get_docs(vocab)):
        if i < len(stored) and stored[i] is not None:
            user_data = srsly.msgpack.unpackb(stored[i], object_pairs_hook=decoder, raw=False, use_list=False)
            doc.user_data.update(user_data)
        yield doc
