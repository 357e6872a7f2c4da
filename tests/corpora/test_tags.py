"""Entity tags: all schemes convert to the same IOB2, and invalid tags are missing, not outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.training import iob_to_biluo

from spacy_bilstm.corpora.tags import Scheme, detect_scheme, is_tag, join_tags, remove_entity, to_iob2

# The segments of a sentence: (length, label); tokens without a label are outside.
segments = st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["", "A", "B-C"])), min_size=1, max_size=8)


def iob2_of(parts: list[tuple[int, str]]) -> list[str]:
    tags: list[str] = []
    for length, label in parts:
        tags += [f"B-{label}", *[f"I-{label}"] * (length - 1)] if label else ["O"] * length
    return tags


def iob1_of(tags: list[str]) -> list[str]:
    """Rewrite tags with B- only between entities of the same label."""
    before = ["O", *tags]
    return [f"I{tag[1:]}" if tag[0] == "B" and last[2:] != tag[2:] else tag for last, tag in zip(before, tags)]  # noqa: B905


@given(segments)
def test_every_scheme_converts_to_the_same_tags(parts: list[tuple[int, str]]) -> None:
    tags = iob2_of(parts)
    biluo = iob_to_biluo(tags)
    bioes = [tag.replace("L-", "E-", 1).replace("U-", "S-", 1) for tag in biluo]
    assert to_iob2(tags, Scheme.iob2) == (tags, [])
    assert to_iob2(iob1_of(tags), Scheme.iob1) == (tags, [])
    assert to_iob2(biluo, Scheme.biluo) == (tags, [])
    assert to_iob2(bioes, Scheme.biluo) == (tags, [])


@given(st.lists(segments, min_size=1, max_size=4))
def test_the_scheme_is_detected(sentences: list[list[tuple[int, str]]]) -> None:
    corpus = [iob2_of(parts) for parts in sentences]
    assert detect_scheme(corpus) is Scheme.iob2
    if any(tag != "O" for tags in corpus for tag in tags):
        assert detect_scheme(map(iob_to_biluo, corpus)) is Scheme.biluo
        assert detect_scheme(map(iob1_of, corpus)) is Scheme.iob1


@given(
    st.lists(st.sampled_from(["O", "-", "x", *(p + "-" + t for p in "BILUES" for t in "XY")])), st.sampled_from(Scheme)
)
def test_any_tags_convert_to_valid_iob2(tags: list[str], scheme: Scheme) -> None:
    iob2, invalid = to_iob2(tags, scheme)
    assert len(iob2) == len(tags)
    assert all(tag == "" or (is_tag(tag) and tag[0] in "BIO") for tag in iob2)
    assert all(before[2:] == tag[2:] for before, tag in zip(["", *iob2], iob2) if tag.startswith("I-"))  # noqa: B905
    assert all((tag == "O") == (new == "O") for tag, new in zip(tags, iob2, strict=True))
    assert bool(invalid) == any(new == "" and tag != "-" for tag, new in zip(tags, iob2, strict=True))


@pytest.mark.parametrize(
    ("tags", "scheme", "iob2", "positions"),
    [
        ("O I-X I-X O", Scheme.iob2, ["O", "", "", "O"], [1]),
        ("B-X I-Y", Scheme.iob2, ["B-X", ""], [1]),
        ("B-X I-X O", Scheme.biluo, ["", "", "O"], [0]),
        ("O L-X", Scheme.biluo, ["O", ""], [1]),
        ("B-X - O", Scheme.iob2, ["B-X", "", "O"], []),
        ("o B-", Scheme.iob2, ["", ""], [0, 1]),
    ],
)
def test_invalid_tags_are_missing(tags: str, scheme: Scheme, iob2: list[str], positions: list[int]) -> None:
    found, invalid = to_iob2(tags.split(), scheme)
    assert found == iob2
    assert [i for i, _ in invalid] == positions


def test_a_token_of_several_words_has_their_common_tag() -> None:
    assert join_tags(["B-X", "I-X"]) == "B-X"
    assert join_tags(["O", "O"]) == "O"
    assert join_tags(["B-X", "O"]) is None
    assert join_tags(["I-X", "B-X"]) is None


def test_removing_an_entity_removes_all_its_tags() -> None:
    tags = ["B-X", "I-X", "I-X", "B-Y", "O"]
    remove_entity(tags, 1)
    assert tags == ["", "", "", "B-Y", "O"]
