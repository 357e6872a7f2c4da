"""Blank pipelines that are made once, as making one takes longer than most tests of a corpus."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import spacy

_make_blank = cache(spacy.blank)


@contextmanager
def cached_blank_pipelines() -> Iterator[None]:
    """Make spacy.blank return the same pipeline for each call with a language."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spacy, "blank", _make_blank)
        yield
