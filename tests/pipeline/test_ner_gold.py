"""Gold annotation of `bilstm_ner`: the annotation of `Example.get_aligned_ner` as masks of tags."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_bilstm.nn.biluo import Position, biluo_tag, count_tags
from spacy_bilstm.pipeline.entities import Tokens, find_allowed_tags
from spacy_bilstm.pipeline.ner_gold import Gold, read_incorrect_spans

LABELS = ["A", "B"]
VOCAB = spacy.blank("en").vocab
HASHES = [VOCAB.strings.add(label) for label in LABELS]
WORDS = ["a", "bc", "d", "\n", " ", "efg"]


@st.composite
def references(draw: st.DrawFn) -> Doc:
    """Draw a doc with tokens in entities, blocked, missing or outside."""
    words = draw(st.lists(st.sampled_from(WORDS), max_size=8))
    doc = Doc(VOCAB, words=words, spaces=[draw(st.booleans()) for _ in words])
    kinds: dict[str, list] = {"entities": [], "blocked": [], "missing": [], "outside": []}
    start = 0
    while start < len(doc) and draw(st.booleans()):
        end = draw(st.integers(start + 1, min(len(doc), start + 4)))
        kind = draw(st.sampled_from(list(kinds)))
        label = draw(st.sampled_from(LABELS)) if kind == "entities" else ""
        kinds[kind].append(doc.char_span(doc[start].idx, doc[end - 1].idx + len(doc[end - 1]), label=label))
        start = end
    doc.set_ents(**kinds, default=draw(st.sampled_from(["outside", "missing"])))
    return doc


def get_expected_mask(example: Example) -> numpy.ndarray:
    """Return the mask for spaCy's own tags."""
    mask = numpy.zeros((len(example.x), count_tags(len(LABELS))), dtype=bool)
    for row, tag in zip(mask, example.get_aligned_ner(), strict=True):
        if tag in (None, "-"):
            row[:] = True
        else:
            row[0 if tag == "O" else biluo_tag(LABELS.index(tag[2:]), Position[tag[0]])] = True
    return mask


@settings(max_examples=150, deadline=None)
@given(st.lists(references(), max_size=4), st.booleans())
def test_masks_follow_get_aligned_ner(docs: list[Doc], merge: bool) -> None:
    """The masks agree with `get_aligned_ner`, for the same tokens and for others."""
    examples = []
    for doc in docs:
        words, spaces = [token.text for token in doc], [bool(token.whitespace_) for token in doc]
        if merge and len(doc) > 1 and not spaces[0]:
            words, spaces = ["".join(words[:2]), *words[2:]], spaces[1:]
        examples.append(Example(Doc(VOCAB, words=words, spaces=spaces), doc))
    tokens = Tokens.read([example.predicted for example in examples])
    mask = Gold.read(examples).find_gold_tags(tokens, HASHES, None)
    expected = [get_expected_mask(example) for example in examples]
    numpy.testing.assert_array_equal(mask, numpy.concatenate([numpy.zeros((0, 9), dtype=bool), *expected]))


@pytest.mark.parametrize(
    ("words", "sent_starts", "ents", "unknown"),
    [
        (["a", "\n", "b"], None, ["B-A", "I-A", "O"], [0, 1]),
        (["\n", "a", "b"], None, ["B-A", "I-A", "O"], [0, 1]),
        (["a", "\n", "b"], None, ["O", "B-A", "O"], [1]),
        (["a", "\n", "b"], None, ["B-A", "I-A", "I-A"], []),
        (["a", "b", "c"], [True, True, False], ["B-A", "I-A", "I-A"], [0, 1, 2]),
        (["a", "b", "c"], [True, False, True], ["B-A", "I-A", "B-A"], []),
        (["a", "b", "\n"], None, ["B-A", "B-A", "I-A"], [1, 2]),
    ],
)
def test_a_gold_entity_that_can_not_be_predicted_counts_as_missing(
    words: list[str], sent_starts: list[bool] | None, ents: list[str], unknown: list[int]
) -> None:
    """It starts or ends in whitespace, or crosses the start of a sentence."""
    predicted = Doc(VOCAB, words=words, sent_starts=sent_starts)
    tokens = Tokens.read([predicted])
    allowed = find_allowed_tags(tokens, HASHES)
    example = Example(predicted, Doc(VOCAB, words=words, ents=ents))
    mask = Gold.read([example]).find_gold_tags(tokens, HASHES, allowed)
    assert numpy.flatnonzero(mask.all(1)).tolist() == unknown
    assert (mask.sum(1) == 1).sum() == len(words) - len(unknown)


def test_labels_are_found_in_any_vocab() -> None:
    """The vocab of the reference docs may differ from that of the predicted docs."""
    other = Vocab()
    reference = Doc(other, words=["a", "b", "c"], ents=["B-NEW", "O", "B-A"])
    examples = [
        Example(Doc(VOCAB, words=["a", "b", "c"]), reference),
        Example(reference, Doc(other, words=["ab", "c"])),
    ]
    gold = Gold.read(examples[:1])
    assert gold.find_labels(examples[:1]) == ["A", "NEW"]
    tokens = Tokens.read([examples[0].predicted])
    assert gold.find_gold_tags(tokens, HASHES, None).sum(1).tolist() == [9, 1, 1]


def test_incorrect_spans_become_tags_in_the_batch() -> None:
    """Spans with unknown labels and misaligned spans are ignored."""
    reference = Doc(VOCAB, words=["a", "b", "c", "d"])
    reference.spans["no"] = [
        reference.char_span(0, 5, label="A"),
        reference.char_span(0, 1, label="B"),
        reference.char_span(2, 3, label="C"),
        reference.char_span(4, 7, label="A"),
    ]
    predicted = Doc(VOCAB, words=["a", "b", "c", "d"])
    merged = Doc(VOCAB, words=["a", "b c", "d"])
    examples = [Example(merged, reference), Example(Doc(VOCAB), Doc(VOCAB)), Example(predicted, reference)]
    found = read_incorrect_spans(examples, "no", {"A": 0, "B": 1}, numpy.ones(7, dtype=bool))
    assert [(row, tags.tolist()) for row, tags in found] == [
        (0, [1, 3]),
        (0, [8]),
        (3, [1, 2, 3]),
        (3, [8]),
        (5, [1, 3]),
    ]
