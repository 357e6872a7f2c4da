"""Look up the static vectors of a vocab."""

from collections.abc import Sequence
from typing import cast

import torch
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vectors import BaseVectors, Mode, Vectors
from torch import Tensor

from .convert import array_to_tensor
from .features import Features


def get_vectors(docs: Sequence[Doc], layer: str) -> BaseVectors:
    """Return the static vectors of the docs' vocab.

    docs: the docs, at least one. They share one vocab.
    layer: name of the layer that includes static vectors, for the message.
    RETURNS: the vectors.
    RAISES: ValueError if the vocab has no vectors.
    """
    vocab = docs[0].vocab
    vectors = vocab.vectors
    if hasattr(vectors, "strings"):
        vectors.strings = vocab.strings  # Those of an unpickled vocab differ.
    if 0 in vectors.shape:
        raise ValueError(
            f"The layer '{layer}' includes static vectors, but the docs' vocab has none. Load vectors into the vocab, "
            "with [initialize.vectors] or --paths.vectors, or set include_static_vectors to false."
        )
    return vectors


def check_width(vectors: BaseVectors, width: int, layer: str) -> None:
    """Check that static vectors have the width that a layer was initialised with.

    vectors: the vectors.
    width: the layer's width of static vectors.
    layer: the layer's name, for the message.
    RAISES: ValueError if the widths differ.
    """
    if vectors.shape[1] != width:
        raise ValueError(
            f"The layer '{layer}' was initialized with static vectors of width {width}, but those of the docs' vocab "
            f"have the width {vectors.shape[1]}. Load the vectors that the model was trained with, or initialize and "
            "train the model again."
        )


def get_key_attr(vectors: BaseVectors) -> int:
    """Return the id of the token attribute that a vocab's vectors are looked up by."""
    return cast(int, getattr(vectors, "attr", ORTH))  # Custom vectors may lack `attr`; spaCy allows that.


def look_up_vectors(
    vectors: BaseVectors, keys: Features, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Look up the static vectors of words.

    vectors: the vectors of a vocab, of any mode, on any device.
    keys: the words' keys. Shape `(n_words,)`.
    device: the device of the result.
    dtype: the type of the vectors in the result.
    RETURNS: the vectors, with arbitrary values for words without a vector, shape `(n_words, vector_width)`; and whether
        each word has a vector, shape `(n_words,)`.
    """
    if isinstance(vectors, Vectors) and vectors.mode == Mode.default:
        rows = vectors.find(keys=keys.tolist())
        return array_to_tensor(vectors.data[rows], device, dtype), array_to_tensor(rows, device) >= 0
    # Subword vectors exist for every word but the empty one. Other kinds return zeros for a word without a vector.
    batch = array_to_tensor(vectors.get_batch(keys.tolist()), device, dtype)
    return batch, (batch != 0).any(dim=1)
