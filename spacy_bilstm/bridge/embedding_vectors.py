"""Static vectors that are computed by the word embedding of another pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy
import srsly
from numpy.typing import NDArray
from spacy.attrs import ORTH, intify_attr
from spacy.language import Language
from spacy.lookups import Lookups
from spacy.strings import StringStore
from spacy.tokens import Doc
from spacy.util import get_lang_class, registry
from spacy.vectors import BaseVectors
from spacy.vocab import Vocab, create_vocab
from thinc.api import NumpyOps, Ops

from .fork import make_fork_lock
from .format import FORMAT, FormatError, check_format, find_format_error
from .model_types import Tok2VecModel
from .projected_embeddings import ProjectedEmbeddings, can_project
from .static_vectors import get_key_attr

_FILE = "embedding_vectors.msgpack"
_lock = make_fork_lock()  # The memory zones of two threads would free each other's words.
Array = NDArray[Any]


class EmbeddingVectors(BaseVectors):
    """Static vectors that the embedding layers of another pipeline compute from a word's own features.

    Unlike a table of vectors, they know all words: an unseen word gets what the other pipeline makes of its affixes and
    shape. They do not change in training. They are empty until `set_layers` or a method that loads is called.
    """

    name = "embedding"
    attr = ORTH
    mode = "embedding"  # For `nlp.meta`. spaCy's own vectors are `"default"` or `"floret"`.
    n_keys = -1  # As for spaCy's floret vectors: all keys have a vector.
    is_full = True
    key2row: ClassVar[dict[int, int]] = {}  # Words have no rows. spaCy takes the ranks of words from here.

    def __init__(self) -> None:
        super().__init__()
        self.strings = StringStore()  # A vocab replaces it by its own.
        self._content: dict[str, Any] = {"format": FORMAT, "lang": None, "lookups": b"", "vectors": None, "layers": []}
        self._data: Array = numpy.zeros((0, 0), dtype="float32")
        self._vocab = Vocab()
        self._predict: Callable[[Doc], Array]

    def set_layers(self, nlp: Language, layers: Iterable[tuple[dict[str, Any], Tok2VecModel]]) -> None:
        """Take over embedding layers.

        nlp: their pipeline, whose language and lookups decide the features of words. If a layer reads static vectors,
            those of the pipeline are copied too.
        layers: the config of each, such as `{"@architectures": "spacy.MultiHashEmbed.v2", ...}`, and the initialised
            layer, from docs to an array of shape `(len(doc), width)` each. They are copied.
        """
        layers = list(layers)
        vectors = None
        if any(config.get("include_static_vectors") for config, _ in layers):
            vectors = {"config": nlp.config["nlp"]["vectors"], "data": _dump_vectors(nlp.vocab.vectors)}
        stored = [{"config": config, "weights": layer.to_bytes()} for config, layer in layers]
        lookups = nlp.vocab.lookups.to_bytes()
        self._set({"format": FORMAT, "lang": nlp.lang, "lookups": lookups, "vectors": vectors, "layers": stored})

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, 1 if there are vectors, and their width."""
        return self._data.shape[0], self._data.shape[1]

    @property
    def vectors_length(self) -> int:
        """The width of the vectors."""
        return self.shape[1]

    @property
    def size(self) -> int:
        """The number of rows times the width."""
        return self.shape[0] * self.shape[1]

    @property
    def data(self) -> Array:
        """Zeros instead of a table: another array once the layers were replaced, which caches of vectors notice."""
        return self._data

    def __len__(self) -> int:
        return self.shape[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmbeddingVectors) and self.to_bytes() == other.to_bytes()

    __hash__ = BaseVectors.__hash__

    def __contains__(self, key: int | str) -> bool:
        return len(self) > 0

    def __getitem__(self, key: int | str) -> Array:
        vector: Array = self.get_batch([key])[0]
        return vector

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> Sequence[str]:
        """Return a sequence that is empty without layers. It does not list the words."""
        return [""] * len(self)

    def get_batch(self, keys: Iterable[int | str]) -> Array:
        """Return the vectors of words.

        keys: the words, or their hashes in the string store.
        RETURNS: their vectors, zeros for the empty word. Shape `(n_words, width)`.
        """
        words = [key if isinstance(key, str) else self.strings[key] for key in keys]
        present = [i for i, word in enumerate(words) if word]
        vectors = numpy.zeros((len(words), self.vectors_length), dtype="float32")
        if present and len(self):
            with _lock, self._vocab.memory_zone():
                doc = Doc(self._vocab, words=[words[i] for i in present])
                vectors[present] = self._predict(doc)
                del doc
        return vectors

    def to_ops(self, ops: Ops) -> None:
        """Do nothing: the vectors are computed on the CPU and copied."""

    def to_bytes(self, **kwargs: Any) -> bytes:
        """Return the layers as bytes."""
        content = dict(self._content)
        if content["vectors"] is not None:  # They can be large, so they are in memory only once.
            content["vectors"] = {**content["vectors"], "data": _dump_vectors(self._vocab.vectors)}
        data: bytes = srsly.msgpack_dumps(content)
        return data

    def from_bytes(self, data: bytes, **kwargs: Any) -> EmbeddingVectors:
        """Replace the layers by stored ones.

        data: the result of `to_bytes`.
        RETURNS: the vectors themselves.
        RAISES: ValueError, also as FormatError for the format of a newer version, if they can't be read.
        """
        try:
            content = srsly.msgpack_loads(data)
            check_format(content["format"])
            self._set(content)
        except Exception as error:
            message = f"The stored embedding vectors can't be read: {find_format_error(error) or error}"
            raise (FormatError if find_format_error(error) else ValueError)(message) from error
        return self

    def to_disk(self, path: str | Path, **kwargs: Any) -> None:
        """Write the layers to a file in the folder of the vocab."""
        (Path(path) / _FILE).write_bytes(self.to_bytes())

    def from_disk(self, path: str | Path, **kwargs: Any) -> EmbeddingVectors:
        """Replace the layers by those in the folder of a vocab, if there are some.

        path: the folder.
        RETURNS: the vectors themselves.
        RAISES: as `from_bytes`.
        """
        file = Path(path) / _FILE
        return self.from_bytes(file.read_bytes()) if file.exists() else self

    def __reduce__(self) -> tuple[Callable[[bytes], EmbeddingVectors], tuple[bytes]]:
        return _restore, (self.to_bytes(),)

    def _set(self, content: dict[str, Any]) -> None:
        embeddings = []
        for layer in content["layers"]:
            embedding: Tok2VecModel = registry.resolve({"model": layer["config"]})["model"]
            embeddings.append(embedding.from_bytes(layer["weights"]))
        vocab = _make_vocab(content)
        if content["vectors"] is not None:
            content = {**content, "vectors": {"config": content["vectors"]["config"]}}  # The vocab has the data.
        configs = [layer["config"] for layer in content["layers"]]
        width = sum(embedding.get_dim("nO") for embedding in embeddings)
        self._content, self._vocab, self._predict = content, vocab, _make_prediction(configs, embeddings)
        self._data = numpy.zeros((int(bool(embeddings)), width), dtype="float32")


def create_embedding_vectors_v1() -> Callable[[Vocab], EmbeddingVectors]:
    """Create static vectors that the word embedding of another pipeline computes.

    They are empty until they are loaded, as with `[initialize] vectors`. `spacy bilstm distill --teacher-embedding`
    writes a pipeline that has some.

    RETURNS: a function that creates the vectors of a vocab.
    """
    return lambda vocab: EmbeddingVectors()


def _make_vocab(content: dict[str, Any]) -> Any:
    """Make a vocab of their own: the features of words do not depend on the pipeline that the vectors are used in."""
    lang = content["lang"]
    vocab: Any = Vocab() if lang is None else create_vocab(lang, get_lang_class(lang).Defaults)
    if content["lookups"]:
        vocab.lookups = Lookups().from_bytes(content["lookups"])
    if content["vectors"] is not None:
        create_vectors = registry.resolve({"vectors": content["vectors"]["config"]})["vectors"]
        vocab.vectors = create_vectors(vocab).from_bytes(content["vectors"]["data"])
        vocab.vectors.strings = vocab.strings
        vocab.vectors.to_ops(NumpyOps())
    configs = [layer["config"] for layer in content["layers"]]
    if all("attrs" in config for config in configs):
        # Without the features that no layer reads, a word takes two thirds of the time.
        read = {intify_attr(attr) for config in configs for attr in config["attrs"]} | {get_key_attr(vocab.vectors)}
        getters = vocab.lex_attr_getters.items()
        vocab.lex_attr_getters = {attr: getter for attr, getter in getters if attr in read}
    return vocab


def _make_prediction(configs: Sequence[dict[str, Any]], layers: Sequence[Tok2VecModel]) -> Callable[[Doc], Array]:
    """Return a function that computes the vectors of a doc's words, those of all layers side by side."""
    if can_project(configs):
        projected = ProjectedEmbeddings(layers)
        return lambda doc: projected.predict(doc).numpy()
    return lambda doc: numpy.concatenate([layer.ops.to_numpy(layer.predict([doc])[0]) for layer in layers], axis=1)


def _dump_vectors(vectors: BaseVectors) -> bytes:
    """Return static vectors as bytes, without the strings of their pipeline: they are found by hashes."""
    data: bytes = vectors.to_bytes(exclude=["strings"])
    return data


def _restore(data: bytes) -> EmbeddingVectors:
    return EmbeddingVectors().from_bytes(data)
