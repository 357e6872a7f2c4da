"""The look-up of static vectors."""

from types import SimpleNamespace

import numpy
import pytest
import torch
from spacy.attrs import LOWER, ORTH
from spacy.vectors import Mode, Vectors
from spacy.vocab import Vocab
from toy_embeddings import make_floret_vocab, make_vocab, make_word_docs

from spacy_bilstm.bridge.static_vectors import check_width, get_key_attr, get_vectors, look_up_vectors

VOCABS = {"default": make_vocab, "floret": make_floret_vocab}


@pytest.mark.parametrize("kind", VOCABS)
def test_vectors_are_those_of_the_vocab(kind: str) -> None:
    vocab = VOCABS[kind]()
    keys = numpy.array([vocab.strings.add(word) for word in ("the", "unheard", "cat", "")], dtype="uint64")
    batch, has_vector = look_up_vectors(vocab.vectors, keys, torch.device("cpu"), torch.float)
    for key, vector, known in zip(keys.tolist(), batch.numpy(), has_vector.tolist(), strict=True):
        if known:
            numpy.testing.assert_allclose(vector, vocab.vectors[key], atol=1e-6)


@pytest.mark.parametrize("kind", VOCABS)
def test_words_without_a_vector_are_recognised(kind: str) -> None:
    """Subword vectors exist for every word but the empty one."""
    vocab = VOCABS[kind]()
    keys = numpy.array([vocab.strings.add(word) for word in ("the", "unheard", "cat", "")], dtype="uint64")
    _, has_vector = look_up_vectors(vocab.vectors, keys, torch.device("cpu"), torch.float)
    is_subword = vocab.vectors.mode == Mode.floret
    assert has_vector.tolist() == [key != 0 if is_subword else key in vocab.vectors for key in keys.tolist()]


def test_the_key_attribute_is_orth_unless_the_vectors_have_another() -> None:
    assert get_key_attr(SimpleNamespace()) == ORTH
    assert get_key_attr(Vectors(shape=(1, 1), attr="LOWER")) == LOWER


def test_a_vocab_without_vectors_is_an_error_that_names_the_fix() -> None:
    docs = make_word_docs(Vocab())
    with pytest.raises(ValueError, match=r"'embed' .*vocab has none.*include_static_vectors to false"):
        get_vectors(docs, "embed")


def test_vectors_of_another_width_are_an_error_that_names_both_widths() -> None:
    with pytest.raises(ValueError, match=r"'embed' .*width 5.*have the width 6"):
        check_width(make_vocab(6).vectors, 5, "embed")
