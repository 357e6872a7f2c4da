"""Documents split into pieces: nothing is lost, nothing is cut, and every length occurs."""

import random
from collections import Counter
from typing import Any

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, Token
from spacy.training import Example

from spacy_bilstm.training.pieces import draw_piece_lengths, find_piece_starts, split_doc, split_example

VOCAB = spacy.blank("en").vocab
Token.set_extension("piece_test", default=None, force=True)
ATTRIBUTES = ("text", "whitespace_", "tag_", "pos_", "lemma_", "norm_", "dep_", "ent_iob", "ent_type_", "ent_kb_id_")


def describe(doc: Doc) -> list[tuple[Any, ...]]:
    """Return the annotation of each token. The start of the first sentence is certain, so it is left out."""
    return [
        (
            *(getattr(token, name) for name in ATTRIBUTES),
            str(token.morph),
            token.head.i - token.i,
            token.has_head(),
            token.i > 0 and token.is_sent_start,
            token._.piece_test,
        )
        for token in doc
    ]


def describe_spans(doc: Doc) -> list[tuple[Any, ...]]:
    return sorted((key, *describe_span(span)) for key, group in doc.spans.items() for span in group)


def describe_span(span: Span) -> tuple[Any, ...]:
    return span.start_char, span.end_char, span.label_, span.kb_id_, span.id_


@st.composite
def sentence_lists(draw: st.DrawFn) -> Doc:
    """Draw a doc of some sentences whose annotation may be missing, with entities and spans that may cross them."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=8))
    n = sum(lengths)
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    rng = random.Random(draw(st.integers(0, 10_000)))
    values: dict[str, Any] = {"words": [rng.choice(["Ada", "met", "Bo", "!", "\n", "a-b"]) for _ in range(n)]}
    values["spaces"] = [rng.random() < 0.8 for _ in range(n)]
    for name in ("tags", "pos", "morphs", "lemmas"):
        if rng.random() < 0.7:
            choices = {"tags": ["NN", ""], "pos": ["NOUN", ""], "morphs": ["Number=Sing", ""], "lemmas": ["x", ""]}
            values[name] = [rng.choice(choices[name]) for _ in range(n)]
    kind = rng.choice(["tree", "starts", "some starts", "none"])
    if kind == "tree":
        of_token = [starts[i] for i, length in enumerate(lengths) for _ in range(length)]
        ends = [start + length for start, length in zip(starts, lengths, strict=True) for _ in range(length)]
        roots = {start: rng.randrange(start, end) for start, end in zip(of_token, ends, strict=True)}
        values["heads"] = [roots[start] for start in of_token]
        values["deps"] = ["ROOT" if i == head else "dep" for i, head in enumerate(values["heads"])]
    elif kind != "none":
        unknown = None if kind == "some starts" else False
        values["sent_starts"] = [True if i in starts else unknown for i in range(n)]
    doc = Doc(VOCAB, **values)
    _annotate_spans(doc, rng)
    return doc


def _annotate_spans(doc: Doc, rng: random.Random) -> None:
    bounds = sorted(rng.sample(range(len(doc) + 1), k=min(len(doc) + 1, 2 * rng.randrange(4))))
    entities = [Span(doc, a, b, "PER", kb_id="Q1") for a, b in zip(bounds[::2], bounds[1::2], strict=False)]
    doc.set_ents(entities, default=rng.choice(["missing", "outside"]))
    for key in ("first", "empty"):
        doc.spans[key] = []
    for _ in range(rng.randrange(3)):
        start = rng.randrange(len(doc))
        doc.spans["first"].append(Span(doc, start, rng.randint(start + 1, min(len(doc), start + 4)), "X", "Q2", "id"))
    doc[rng.randrange(len(doc))]._.piece_test = "value"


def retokenize(doc: Doc, rng: random.Random) -> Doc:
    """Make a doc with the same text and some other tokens."""
    words: list[str] = []
    spaces: list[bool] = []
    for token in doc:
        if words and not spaces[-1] and rng.random() < 0.3:
            words[-1] += token.text
            spaces[-1] = bool(token.whitespace_)
        else:
            words.append(token.text)
            spaces.append(bool(token.whitespace_))
    return Doc(doc.vocab, words=words, spaces=spaces)


@settings(max_examples=150, deadline=None)
@given(sentence_lists(), st.integers(1, 10), st.integers(0, 100))
def test_the_pieces_together_are_the_document(doc: Doc, max_sentences: int, seed: int) -> None:
    random.seed(seed)
    example = Example(retokenize(doc, random.Random(seed)), doc)
    pieces = list(split_example(example, max_sentences))
    assert all(len(piece.reference) and len(piece.predicted) for piece in pieces)
    assert all(piece.reference.text == piece.predicted.text for piece in pieces)
    if len(pieces) == 1:
        assert pieces[0] is example
        return
    for whole, parts in (
        (doc, [piece.reference for piece in pieces]),
        (example.predicted, [piece.predicted for piece in pieces]),
    ):
        joined = Doc.from_docs(parts, ensure_whitespace=False)
        assert joined is not None
        assert describe(joined) == describe(whole)
        assert [describe_span(ent) for ent in joined.ents] == [describe_span(ent) for ent in whole.ents]
        assert describe_spans(joined) == describe_spans(whole)
        assert all(list(part.spans) == list(whole.spans) for part in parts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.integers(1, 10))
def test_a_piece_has_at_most_the_given_number_of_sentences(lengths: list[int], max_sentences: int) -> None:
    sent_starts = [i == 0 for length in lengths for i in range(length)]
    doc = Doc(VOCAB, words=["a"] * len(sent_starts), sent_starts=sent_starts)
    pieces = [piece.reference for piece in split_example(Example(doc.copy(), doc), max_sentences)]
    n_sentences = [sum(bool(token.is_sent_start) for token in piece) for piece in pieces]
    assert max(n_sentences) <= max_sentences
    assert sum(n_sentences) == len(lengths)


def test_missing_annotation_stays_missing() -> None:
    doc = Doc(VOCAB, words=["Ada", ".", "Bo", "."], sent_starts=[True, False, True, False])
    for piece in split_doc(doc, [0, 2]):
        assert piece.has_annotation("SENT_START")
        assert not any(piece.has_annotation(name) for name in ("TAG", "POS", "MORPH", "LEMMA", "DEP", "ENT_IOB"))


@pytest.mark.parametrize("kind", ["entity", "span", "token"])
def test_sentences_that_something_crosses_stay_together(kind: str) -> None:
    doc = Doc(
        VOCAB, words=["Hi", "Ada", "Bo", "left"], spaces=[True, False, True, False], sent_starts=[True, False] * 2
    )
    predicted = doc.copy()
    assert find_piece_starts(Example(predicted, doc)) == [0, 2]
    if kind == "entity":
        doc.ents = [Span(doc, 1, 3, "PER")]
    elif kind == "span":
        doc.spans["names"] = [Span(doc, 1, 3, "PER")]
    else:
        predicted = Doc(VOCAB, words=["Hi", "AlBo", "ran"], spaces=[True, True, False])
    assert find_piece_starts(Example(predicted, doc)) == [0]


def test_a_document_with_categories_stays_whole() -> None:
    doc = Doc(VOCAB, words=["Ada", ".", "Bo", "."], sent_starts=[True, False] * 2)
    doc.cats = {"news": 1.0}
    example = Example(doc.copy(), doc)
    assert list(split_example(example, 1)) == [example]


def test_the_seed_determines_the_pieces() -> None:
    doc = Doc(VOCAB, words=["a"] * 50, sent_starts=[True] * 50)

    def split(seed: int) -> list[int]:
        random.seed(seed)
        return [len(piece.reference) for piece in split_example(Example(doc.copy(), doc), 10)]

    assert split(1) == split(1)
    assert split(1) != split(2)


def test_short_and_long_pieces_get_similar_shares() -> None:
    random.seed(0)
    n_sentences: Counter[int] = Counter()
    for length in draw_piece_lengths(100_000, 16):
        n_sentences[length] += length
    share = [sum(n_sentences[i] for i in lengths) / 100_000 for lengths in (range(2, 4), range(4, 8), range(8, 16))]
    assert max(share) < 1.2 * min(share)
    assert max(draw_piece_lengths(100_000, 16)) == 16
