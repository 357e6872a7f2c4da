"""The fingerprint of a model. That predictions notice every change is tested in test_cached_tok2vec.py."""

import numpy
import torch
from spacy.tokens import Doc
from spacy.vectors import Vectors
from thinc.api import Model
from toy_tok2vecs import make_cache_docs, make_cached_model, train_once

from spacy_bilstm.bridge.cache_key import ModelFingerprint, can_track_changes, get_weights


def read(model: Model, docs: list[Doc]) -> ModelFingerprint:
    weights = get_weights(*model.layers)
    return ModelFingerprint.read(*model.layers, weights, docs[0].vocab.vectors)


def test_the_fingerprint_of_an_unchanged_model_is_equal() -> None:
    docs = make_cache_docs()
    model = make_cached_model(docs, vectors=True)
    before = read(model, docs)
    model.predict(docs)
    assert read(model, docs) == before


def test_training_changes_the_fingerprint() -> None:
    docs = make_cache_docs()
    model = make_cached_model(docs, vectors=True)
    before = read(model, docs)
    train_once(model, docs)
    assert read(model, docs) != before


def test_equal_vectors_that_are_another_object_change_the_fingerprint() -> None:
    """Only their identity is compared: comparing all values would take too long."""
    docs = make_cache_docs()
    model = make_cached_model(docs, vectors=True)
    before, vocab = read(model, docs), docs[0].vocab
    vocab.vectors = Vectors(strings=vocab.strings, data=vocab.vectors.data, keys=["the", "cat", "sat"])
    assert read(model, docs) != before


def test_a_fingerprint_is_no_other_object() -> None:
    docs = make_cache_docs()
    assert read(make_cached_model(docs, vectors=True), docs) != None  # noqa: E711


def test_changes_of_inference_tensors_and_half_precision_are_not_tracked() -> None:
    weight = torch.ones(2)
    with torch.inference_mode():
        inference_tensor = torch.ones(2)
    assert can_track_changes([weight])
    assert not can_track_changes([weight, inference_tensor])
    assert not can_track_changes([weight, weight.half()])


def test_weights_are_those_of_both_layers() -> None:
    docs = make_cache_docs()
    model = make_cached_model(docs)
    n_weights = [len(list(layer.shims[0].module.parameters())) for layer in model.layers]
    weights = get_weights(*model.layers)
    assert len(weights) == sum(n_weights)
    assert not any(weight.requires_grad for weight in weights)
    assert all(numpy.isfinite(weight.numpy()).all() for weight in weights)
