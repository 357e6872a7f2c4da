"""Let spaCy's tokenizer remember more strings, so that it splits each string of a long stream once."""

from __future__ import annotations

from collections.abc import Callable

from spacy.language import Language
from spacy.tokenizer import Tokenizer

from ..bridge.arguments import check_whole_numbers


def make_tokenizer_cache_v1(max_size: int = 200_000) -> Callable[[Language], Language]:
    """Make a callback that enlarges the cache of spaCy's tokenizer, for `[nlp.after_creation]`.

    The tokenizer keeps the tokens of the strings between two spaces that it has seen. By default, it keeps the first
    10,000 strings and splits all others each time. The tokens stay the same. Tokenizers of other classes, such as those
    for Chinese and Japanese, are left as they are.

    max_size: number of strings to keep, >= 1. Each takes about 320 bytes.
    RETURNS: the callback.
    RAISES: ValueError for a size below 1.
    """
    check_whole_numbers("a cache of the tokenizer", max_size=max_size)
    if max_size < 1:
        raise ValueError(f"max_size is {max_size}. Set it to the number of strings to keep, at least 1.")

    def enlarge(nlp: Language) -> Language:
        if isinstance(nlp.tokenizer, Tokenizer):
            nlp.tokenizer.max_cache_size = max(nlp.tokenizer.max_cache_size, max_size)
        return nlp

    return enlarge
