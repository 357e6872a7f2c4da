"""Hashes of attributes and characters."""

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import HashEmbed

from spacy_bilstm.bridge.hashing import hash_attributes, hash_characters

REPEATABLE = settings(deadline=None, derandomize=True)
words_and_limits = given(st.lists(st.text(max_size=20), min_size=1), st.integers(1, 12))


def test_attributes_are_hashed_as_in_multi_hash_embed() -> None:
    keys = numpy.random.RandomState(0).randint(0, 2**63, (20, 2)).astype("uint64")
    hashed = hash_attributes(list(keys.T), [50, 30])
    for i, n_rows in enumerate([50, 30]):
        # The seeds start at 8 in spaCy, too.
        layer = HashEmbed(4, n_rows, seed=8 + i)
        layer.initialize()
        numpy.testing.assert_allclose(
            layer.predict(keys[:, i]), layer.get_param("E")[hashed[:, i]].sum(1), rtol=1e-5, atol=1e-6
        )


@REPEATABLE
@words_and_limits
def test_at_most_max_chars_characters_are_read(words: list[str], max_chars: int) -> None:
    _, chars, lengths = hash_characters(words, max_chars, 30)
    assert lengths == [min(len(word), max_chars) for word in words]
    assert len(chars) == sum(lengths)


@REPEATABLE
@words_and_limits
def test_characters_are_hashed_to_four_rows_of_the_table(words: list[str], max_chars: int) -> None:
    hashed, _, _ = hash_characters(words, max_chars, 30)
    assert hashed.shape[1] == 4
    assert hashed.size == 0 or 0 <= hashed.min() <= hashed.max() < 30


@REPEATABLE
@words_and_limits
def test_equal_characters_have_equal_indices(words: list[str], max_chars: int) -> None:
    """Long words count as their start and their end."""
    hashed, chars, _ = hash_characters(words, max_chars, 30)
    n_end = max_chars // 2
    read = [word if len(word) <= max_chars else word[: max_chars - n_end] + word[len(word) - n_end :] for word in words]
    indices: dict[str, int] = {}
    for character, index in zip("".join(read), chars.tolist(), strict=True):
        assert indices.setdefault(character, index) == index
    assert len(indices) == len(hashed)
