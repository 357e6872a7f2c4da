"""The enlarged cache of spaCy's tokenizer."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry

CALLBACK: dict[str, Any] = {"@callbacks": "spacy-bilstm.enlarge_tokenizer_cache.v1", "max_size": 50_000}
PIECES = (
    "don't",
    "U.S.",
    "(a)",
    "can't.",
    "10km",
    "e.g.",
    ":)",
    " ",
    "\n",
    "www.a.com/b?c=d",
    "Mr.",
    "well-known",
)
STOCK = spacy.blank("en")


@pytest.fixture(scope="module")
def nlp() -> Language:
    return spacy.blank("en", config={"nlp": {"after_creation": CALLBACK}})


def get_tokens(doc: Doc) -> list[tuple[str, str, str]]:
    return [(token.text, token.whitespace_, token.norm_) for token in doc]


def test_a_saved_pipeline_keeps_the_size(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    tokenizer: Any = spacy.load(tmp_path).tokenizer
    assert tokenizer.max_cache_size == 50_000


def test_a_larger_cache_is_not_made_smaller() -> None:
    assert spacy.blank("en").tokenizer.max_cache_size < 50_000  # type: ignore[attr-defined]
    nlp: Any = spacy.blank("en")
    nlp.tokenizer.max_cache_size = 10**6
    registry.get("callbacks", CALLBACK["@callbacks"])()(nlp)
    assert nlp.tokenizer.max_cache_size == 10**6


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=20))
def test_tokens_are_those_of_the_small_cache(nlp: Language, pieces: list[str]) -> None:
    text = " ".join(pieces)
    for _ in range(2):
        assert get_tokens(nlp(text)) == get_tokens(STOCK(text))


def test_a_tokenizer_without_a_cache_stays_as_it_is() -> None:
    nlp = spacy.blank("en")
    nlp.tokenizer = lambda text: Doc(nlp.vocab, words=[text])
    tokenizer = nlp.tokenizer
    assert registry.get("callbacks", CALLBACK["@callbacks"])()(nlp).tokenizer is tokenizer


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_below_1_is_an_error(size: int) -> None:
    with pytest.raises(ValueError, match=f"max_size is {size}"):
        registry.get("callbacks", CALLBACK["@callbacks"])(size)
