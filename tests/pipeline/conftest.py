"""A trained `bilstm_ner`, loaded anew for each test."""

from collections.abc import Callable

import pytest
from spacy.language import Language
from toy_ner import make_nlp
from toy_pipelines import overfit


@pytest.fixture(scope="session")
def trained_bytes() -> bytes:
    """Return the bytes of a trained pipeline of one `bilstm_ner`."""
    nlp = make_nlp()
    overfit(nlp)
    return nlp.to_bytes()


@pytest.fixture
def load(trained_bytes: bytes) -> Callable[..., Language]:
    """Return a function that loads the trained pipeline with other settings."""
    return lambda **settings: make_nlp(**settings).from_bytes(trained_bytes)


@pytest.fixture
def nlp(load: Callable[..., Language]) -> Language:
    """Return the trained pipeline."""
    return load()
