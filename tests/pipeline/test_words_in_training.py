"""Training on docs with whitespace that the encoder skips is training on the docs without it."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import numpy
import pytest
import spacy
from fuzz_pipelines import CRF, EMBED, TOK2VEC, make_pipeline, randomize
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Optimizer, fix_random_seed
from toy_corpus import make_docs, make_examples
from toy_pipelines import get_distance, get_weights

from spacy_bilstm.bridge.crf import compute_tag_pairs, decode_k_best
from spacy_bilstm.bridge.soft_targets import SoftTags, set_soft_targets
from spacy_bilstm.nn.biluo import count_tags
from spacy_bilstm.pipeline.entities import Tokens, find_allowed_tags
from spacy_bilstm.pipeline.soft_tags import (
    add_whitespace,
    average_soft_tags,
    count_expected,
    leave_out_whitespace,
    make_certain_tags,
    make_soft_tags,
)

LABELS = ["GPE", "PERSON"]
WRONG = "wrong"
words = st.sampled_from(["Anna", "London", "the", "travels", "."])
gaps = st.lists(st.sampled_from([" ", "\n", "\t", "\u00a0"]), max_size=2)
Segment = tuple[str, list[tuple[str, list[str]]]]
segments = st.tuples(
    st.sampled_from(["outside", "missing", *LABELS]), st.lists(st.tuples(words, gaps), min_size=1, max_size=3)
)
texts = st.lists(segments, max_size=3)


@cache
def get_nlp() -> Language:
    """Return a pipeline of one recogniser with large random weights, whose encoder skips whitespace."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    tok2vec = TOK2VEC | {"embed": EMBED | {"identity_dropout": 0.0}}
    nlp.add_pipe("bilstm_ner", config={"model": CRF | {"tok2vec": tok2vec}, "incorrect_spans_key": WRONG})
    nlp.initialize(lambda: make_examples(nlp.vocab, 8))
    randomize(nlp.get_pipe("bilstm_ner").model)
    return nlp


def make_reference(text: Sequence[Segment], before: Sequence[str], spaced: bool, shifted: bool = False) -> Doc:
    """Make the doc of a text, with or without its whitespace.

    text: segments with the kind of annotation, and the words and the whitespace after each.
    before: the whitespace before the first word.
    spaced: whether the doc has the whitespace.
    shifted: whether each entity loses its first word.
    """
    tokens = list(before) if spaced else []
    kinds: dict[str, list[tuple[int, int, str]]] = {"entities": [], "missing": []}
    for kind, pairs in text:
        places = []
        for word, gap in pairs:
            places.append(len(tokens))
            tokens += [word, *gap] if spaced else [word]
        places = places[1:] if shifted and kind in LABELS else places
        if places and kind != "outside":
            label = kind if kind in LABELS else ""
            kinds["entities" if label else "missing"].append((places[0], places[-1] + 1, label))
    doc = Doc(get_nlp().vocab, words=tokens)
    spans = {kind: [Span(doc, start, end, label=label) for start, end, label in of] for kind, of in kinds.items()}
    doc.set_ents(**spans, default="outside")
    return doc


def make_example(reference: Doc) -> Example:
    return Example(Doc(reference.vocab, words=[token.text for token in reference]), reference)


def learn(examples: list[Example], method: str = "update") -> tuple[float, dict[str, numpy.ndarray]]:
    """Return the loss of examples and the gradients of all weights, which are removed from the model."""
    ner: Any = get_nlp().get_pipe("bilstm_ner")
    loss = getattr(ner, method)(examples)["bilstm_ner"]
    gradients = {}
    for i, node in enumerate(ner.model.walk()):
        for name in node.param_names:
            if node.has_grad(name):
                gradients[f"{i}.{name}"] = node.get_grad(name).copy()
                node.set_grad(name, node.get_grad(name) * 0)
        for shim in node.shims:
            for name, parameter in shim.module.named_parameters():
                if parameter.grad is not None:
                    gradients[f"{i}.{name}"] = parameter.grad.numpy().copy()
                parameter.grad = None
    return loss, gradients


def assert_same(left: list[Example], right: list[Example], method: str = "update") -> None:
    """Check that examples have the same loss and the same gradients."""
    (loss, gradients), (expected_loss, expected) = learn(left, method), learn(right, method)
    assert loss == pytest.approx(expected_loss, rel=1e-5, abs=1e-4)
    for name in gradients.keys() | expected.keys():
        assert_allclose(gradients.get(name, 0), expected.get(name, 0), rtol=1e-4, atol=1e-3, err_msg=name)


def add_wrong_spans(doc: Doc) -> None:
    """Say of each entity that it has another label."""
    other = {"GPE": "PERSON", "PERSON": "GPE"}
    doc.spans[WRONG] = [Span(doc, ent.start, ent.end, label=other[ent.label_]) for ent in doc.ents]


@settings(max_examples=40)
@given(st.lists(st.tuples(texts, gaps), min_size=1, max_size=3))
@example([([("PERSON", [("Anna", ["\n"]), ("London", [" "])]), ("PERSON", [("Anna", [])])], ["\n"]), ([], [" "])])
def test_whitespace_changes_neither_the_loss_nor_the_gradient(batch: list[tuple[list[Segment], list[str]]]) -> None:
    examples = []
    for spaced in (True, False):
        references = [make_reference(text, before, spaced) for text, before in batch]
        for reference in references:
            add_wrong_spans(reference)
        examples.append([make_example(reference) for reference in references])
    assert_same(*examples)


@settings(max_examples=25)
@given(st.lists(st.tuples(texts, gaps, st.booleans()), min_size=1, max_size=3))
def test_whitespace_changes_nothing_about_soft_targets(batch: list[tuple[list[Segment], list[str], bool]]) -> None:
    """Docs with gold entities are in the same batch."""
    examples = []
    for spaced in (True, False):
        references = [make_reference(text, before, spaced) for text, before, _ in batch]
        for reference, (text, before, is_soft) in zip(references, batch, strict=True):
            if is_soft:
                other = make_reference(text, before, spaced, shifted=True)
                mean = average_soft_tags([make_certain_tags(reference), make_certain_tags(other)], 0.5)
                set_soft_targets(reference, "bilstm_ner", mean)
        examples.append([make_example(reference) for reference in references])
    assert_same(*examples)


def test_whitespace_changes_nothing_about_rehearsal() -> None:
    ner: Any = get_nlp().get_pipe("bilstm_ner")
    text = [("PERSON", [("Anna", ["\n"]), ("London", [" ", "\t"])]), ("outside", [("travels", [])])]
    examples = [[make_example(make_reference(text, ["\n"], spaced))] for spaced in (True, False)]
    ner._rehearsal_model = deepcopy(ner.model)
    try:
        randomize(ner._rehearsal_model, seed=1)
        assert learn(examples[0], "rehearse")[0] > 1
        assert_same(*examples, "rehearse")
    finally:
        ner._rehearsal_model = None


def test_preset_whitespace_of_predicted_docs_is_left_out_in_training() -> None:
    """Preset entities are no constraint in training."""
    text = [("PERSON", [("Anna", ["\n"]), ("London", [])]), ("outside", [("travels", [])])]
    spaced, plain = (make_example(make_reference(text, [], spaced)) for spaced in (True, False))
    spaced.predicted.ents = [Span(spaced.predicted, 1, 3, label="GPE")]
    assert_same([spaced], [plain])


@pytest.mark.parametrize(("start", "end"), [(0, 2), (1, 3)])
def test_incorrect_spans_that_start_or_end_in_whitespace_have_no_effect(start: int, end: int) -> None:
    text = [("outside", [("Anna", ["\n"]), ("London", [])])]
    marked, unmarked = (make_example(make_reference(text, [], True)) for _ in range(2))
    marked.reference.spans[WRONG] = [Span(marked.reference, start, end, label="GPE")]
    assert learn([marked])[0] == learn([unmarked])[0]


def test_training_on_docs_with_whitespace_gives_the_weights_of_training_without_it() -> None:
    """Every second word is followed by whitespace, inside the entities of two words, too."""
    weights = []
    for spaced in (True, False):
        nlp = get_nlp()
        ner: Any = nlp.get_pipe("bilstm_ner")
        data = ner.to_bytes()
        optimizer = Optimizer(0.01, grad_clip=1.0)
        references = []
        for doc in make_docs(nlp.vocab, 8):
            pairs = [(token.text, ["\n"] if token.i % 2 else []) for token in doc]
            text = [("outside", pairs[:1]), ("PERSON", pairs[1:3]), ("outside", pairs[3:])]
            references.append(make_reference(text, ["\n"], spaced))
        for _ in range(3):
            nlp.update([make_example(reference) for reference in references], sgd=optimizer, drop=0.0)
        weights.append(get_weights(ner.model))
        ner.from_bytes(data)
    assert get_distance(*weights) < 1e-3
    assert get_distance(weights[0], get_weights(ner.model)) > 1e-2


short_texts = st.lists(st.tuples(words, gaps), min_size=1, max_size=3)


def compute_pairs(nlp: Language, doc: Doc, use: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with the CRF of a pipeline, the emissions of a doc, arguments and the allowed tags."""
    ner: Any = nlp.get_pipe("bilstm_ner")
    emissions = ner._compute_emissions(list(nlp.get_pipe("bilstm_tok2vec").pipe([doc])))
    hashes = [nlp.vocab.strings[label] for label in LABELS]
    allowed = find_allowed_tags(Tokens.read([doc]), hashes)
    return use(ner.model.get_ref("crf"), emissions, *arguments, allowed, 4.0)


@cache
def get_reading_pipeline() -> Language:
    return make_pipeline(["bilstm_ner"], "xx", skip_whitespace=False)


@settings(max_examples=15)
@given(short_texts, gaps)
def test_the_distribution_over_words_is_that_of_the_tag_sequences_of_all_tokens(
    pairs: list[tuple[str, list[str]]], before: list[str]
) -> None:
    """The sequences are listed, and the tags of whitespace left out of each."""
    nlp = get_reading_pipeline()
    doc = Doc(nlp.vocab, words=[*before, *(token for word, gap in pairs for token in (word, *gap))])
    is_word = numpy.array([not token.is_space for token in doc])
    sequences, probabilities = compute_pairs(nlp, doc, decode_k_best, 150)
    n_tags = count_tags(len(LABELS))
    transitions = numpy.zeros((n_tags, n_tags))
    for tags, probability in zip(sequences[:, is_word], probabilities[0], strict=True):
        numpy.add.at(transitions, (tags[:-1], tags[1:]), probability)
    (soft,) = make_soft_tags(compute_pairs(nlp, doc, compute_tag_pairs, 0.0), [len(doc)], LABELS)
    of_words = leave_out_whitespace(soft, ~is_word)
    assert of_words is not None
    assert ((of_words.counts > 0) == is_word).all()
    expected, _ = count_expected([of_words], [int(is_word.sum())], LABELS, None)
    assert_allclose(expected.transitions, transitions, atol=1e-4)
    for of_model, again in zip(*(count(target, len(doc)) for target in (soft, add_whitespace(of_words))), strict=True):
        assert_allclose(again, of_model, atol=1e-5)


def count(target: SoftTags, n_tokens: int) -> list[numpy.ndarray]:
    expected, is_counted = count_expected([target], [n_tokens], LABELS, None)
    assert is_counted.all()
    return list(expected)


@pytest.mark.parametrize("skips", [True, False])
def test_soft_targets_are_for_words(skips: bool) -> None:
    """An entity that starts in whitespace can't be expressed."""
    nlp = make_pipeline(["bilstm_ner"], "xx", skips)
    ner: Any = nlp.get_pipe("bilstm_ner")
    docs = [Doc(nlp.vocab, words=tokens) for tokens in (["Anna", "\n", "travels"], ["\n", "x"], [], ["\n"])]
    docs[1].ents = [Span(docs[1], 0, 2, label="GPE")]
    soft = ner.compute_soft_tags(nlp.get_pipe("bilstm_tok2vec").pipe(docs), 0.0)
    assert [None if targets is None else (targets.counts > 0).tolist() for targets in soft] == [
        [True, False, True],
        None,
        [],
        [False],
    ]
    assert ner.compute_soft_tags([], 0.0) == []
    for doc, targets in zip(docs, soft, strict=True):
        if targets is not None:
            set_soft_targets(doc, "bilstm_ner", targets)


def test_a_distribution_of_whitespace_that_starts_an_entity_is_refused() -> None:
    ones = numpy.ones(2, dtype="int64")
    target = SoftTags(("PER",), ones, numpy.array([0, 1]), numpy.array([1, 3]), ones.astype("f"))
    assert leave_out_whitespace(target, numpy.array([True, False])) is None
    with pytest.raises(ValueError, match="not for the 2 tokens of the doc"):
        set_soft_targets(Doc(get_nlp().vocab, words=["\n", "x"]), "bilstm_ner", target)
