"""The entities that `bilstm_ner` never predicts, whatever its weights, and the annotation that it never changes."""

import os
from functools import cache
from itertools import islice
from pathlib import Path

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed
from toy_pipelines import BILSTM, MODELS, make_tok2vec

from spacy_bilstm.pipeline.ner import BiLSTMEntityRecognizer

VOCAB = spacy.blank("en").vocab
WORDS = ["a", "B", "cd", "\n", " ", "\n\n", "."]
LABELS = ["A", "B", "C"]
CORPORA = os.environ.get("SPACY_BILSTM_CORPORA")
PRESETS = ["A", "C", "FOREIGN", "blocked", "outside", "missing"]


def initialize(nlp: Language) -> Language:
    """Initialise a pipeline of one component with the labels."""
    words = ["a"] * len(LABELS)
    reference = Doc(nlp.vocab, words=words, ents=[f"B-{label}" for label in LABELS])
    nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=words), reference)])
    return nlp


@cache
def get_component() -> BiLSTMEntityRecognizer:
    """Return an initialised component."""
    nlp = spacy.blank("en", vocab=VOCAB)
    tok2vec = make_tok2vec(BILSTM)
    nlp.add_pipe("bilstm_ner", config={"model": {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": tok2vec}})
    component = initialize(nlp).get_pipe("bilstm_ner")
    assert isinstance(component, BiLSTMEntityRecognizer)
    return component


@cache
def get_stock_component() -> Language:
    """Return an initialised `ner` of spaCy."""
    fix_random_seed(0)
    nlp = spacy.blank("en", vocab=VOCAB)
    nlp.add_pipe("ner", config={"model": MODELS["ner"] | {"tok2vec": make_tok2vec(BILSTM)}})
    return initialize(nlp)


def randomize(component: BiLSTMEntityRecognizer, seed: int, bias: float) -> None:
    """Set the weights of the output layers at random, and add a bias towards entities."""
    rng = numpy.random.default_rng(seed)
    places = {"output_layer": ["W", "b"], "crf": ["transitions", "start", "end"]}
    for ref, names in places.items():
        for name in names:
            node = component.model.get_ref(ref)
            node.set_param(name, rng.normal(scale=3, size=node.get_param(name).shape).astype("f"))
    node = component.model.get_ref("output_layer")
    node.get_param("b")[1:] += bias


@st.composite
def docs(draw: st.DrawFn) -> Doc:
    """Draw a doc with whitespace, some preset spans and some known sentence starts."""
    words = draw(st.lists(st.sampled_from(WORDS), max_size=10))
    sent_starts = draw(st.none() | st.lists(st.sampled_from([True, False, None]), min_size=10, max_size=10))
    if sent_starts is not None:
        sent_starts = sent_starts[: len(words)]
    doc = Doc(VOCAB, words=words, sent_starts=sent_starts)
    start = 0
    groups: dict[str, list[Span]] = {"entities": [], "blocked": [], "outside": [], "missing": []}
    while start < len(doc) and draw(st.booleans()):
        start = draw(st.integers(start, len(doc) - 1))
        end = draw(st.integers(start + 1, min(len(doc), start + 3)))
        kind = draw(st.sampled_from(PRESETS))
        group = groups.get(kind, groups["entities"])
        group.append(Span(doc, start, end, label="" if kind in groups else kind, kb_id="" if kind in groups else "K"))
        start = end
    doc.set_ents(**groups, default=draw(st.sampled_from(["missing", "outside"])))
    return doc


def check(before: Doc, doc: Doc) -> None:
    """Check that presets stay, that all tokens are annotated, and that all new entities are possible."""
    old, new = before.to_array([ENT_IOB, ENT_TYPE]), doc.to_array([ENT_IOB, ENT_TYPE])
    is_preset = (old[:, 0] == 1) | (old[:, 0] == 3)
    numpy.testing.assert_array_equal(new[is_preset], old[is_preset])
    assert (new[:, 0] != 0).all()
    assert [token.ent_kb_id for token in doc] == [token.ent_kb_id for token in before]
    for ent in doc.ents:  # spaCy itself raises an error if their tokens are inconsistent.
        if not is_preset[ent.start]:
            check_entity(before, ent)


def check_entity(before: Doc, ent: Span) -> None:
    """Check that a predicted entity is possible."""
    assert all(before[i].ent_iob in (0, 2) for i in range(ent.start, ent.end))
    assert not before[ent.start].is_space
    assert not before[ent.end - 1].is_space
    assert not any(before[i].is_sent_start for i in range(ent.start + 1, ent.end))
    assert ent.label_ in LABELS


@settings(max_examples=120, deadline=None)
@given(
    st.lists(docs(), min_size=1, max_size=4),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 5.0, 50.0]),
    st.sampled_from([0.0, 0.05, 0.5]),
)
def test_no_invalid_entities(batch: list[Doc], seed: int, bias: float, threshold: float) -> None:
    """No entity starts or ends in whitespace or crosses a known start of a sentence, and presets stay."""
    component = get_component()
    randomize(component, seed, bias)
    before = [doc.copy() for doc in batch]
    component.cfg["threshold"] = threshold
    try:
        component.set_annotations(batch, component.predict(batch))
    finally:
        component.cfg["threshold"] = 0.0
    for left, right in zip(before, batch, strict=True):
        check(left, right)
    for doc, parses in zip(before, component.k_best(before, 4), strict=True):
        presets = {(ent.start, ent.end, ent.label) for ent in doc.ents}
        for _, spans in parses:
            assert presets <= {(span.start, span.end, span.label) for span in spans}
            for span in spans:
                if (span.start, span.end, span.label) not in presets:
                    check_entity(doc, span)


def check_predictions(docs: list[Doc]) -> int:
    """Check the predictions of the component with its present weights, and return the number of entities."""
    component = get_component()
    component.set_annotations(docs, component.predict(docs))
    for doc in docs:
        for ent in doc.ents:
            check_entity(Doc(VOCAB, words=[token.text for token in doc]), ent)
    return sum(len(doc.ents) for doc in docs)


@pytest.mark.parametrize("seed", range(10))
def test_no_invalid_entity_in_ten_thousand_docs(seed: int) -> None:
    rng = numpy.random.default_rng(seed)
    randomize(get_component(), seed, 5.0 * (seed % 3))
    words = (rng.choice(WORDS, size=length).tolist() for length in rng.integers(0, 15, size=1000))
    assert check_predictions([Doc(VOCAB, words=list(text)) for text in words]) > 200


@pytest.mark.skipif(not CORPORA, reason="SPACY_BILSTM_CORPORA does not name a folder of corpora")
@pytest.mark.parametrize("pattern", ["*/*.conllu", "*/*.iob2", "*/*.conll"])
def test_no_invalid_entity_in_the_corpora(pattern: str) -> None:
    """The lines of the corpora's files are texts with many blanks and tabs."""
    nlp = spacy.blank("en", vocab=VOCAB)
    randomize(get_component(), 0, 5.0)
    n_entities = 0
    for path in sorted(Path(str(CORPORA)).glob(pattern)):
        with path.open(encoding="utf8") as lines:
            while batch := [nlp.make_doc(" " + line) for line in islice(lines, 0, 20_000, 20)]:
                n_entities += check_predictions(batch)
    assert n_entities > 300


@settings(max_examples=60, deadline=None)
@given(docs(), st.integers(0, 10**6))
def test_annotated_docs_stay_as_they_are(doc: Doc, seed: int) -> None:
    """A second run over a doc keeps its entities, even with other weights."""
    component = get_component()
    randomize(component, seed, 5.0)
    component(doc)
    ents = [(ent.start, ent.end, ent.label) for ent in doc.ents]
    blocked = [token.i for token in doc if token.ent_iob == 3 and not token.ent_type]
    randomize(component, seed + 1, 0.0)
    component(doc)
    assert set(ents) <= {(ent.start, ent.end, ent.label) for ent in doc.ents}
    assert blocked == [token.i for token in doc if token.ent_iob == 3 and not token.ent_type]


@settings(max_examples=60, deadline=None)
@given(docs())
def test_presets_are_kept_as_spacy_keeps_them(doc: Doc) -> None:
    """Entities and blocked tokens become the same as with spaCy's own `ner`."""
    component = get_component()
    randomize(component, 0, 5.0)
    stock = get_stock_component().get_pipe("ner")(doc.copy())
    iob = doc.to_array([ENT_IOB])
    is_preset = (iob == 1) | (iob == 3)
    component(doc)
    for left, right in zip(doc, stock, strict=True):
        if is_preset[left.i]:
            assert (left.ent_iob, left.ent_type, left.ent_kb_id) == (right.ent_iob, right.ent_type, right.ent_kb_id)
        assert left.ent_iob != 0
        assert right.ent_iob != 0


def test_an_entity_may_have_whitespace_inside() -> None:
    component = get_component()
    randomize(component, 0, 0.0)
    layer, crf = component.model.get_ref("output_layer"), component.model.get_ref("crf")
    layer.get_param("W")[:] = 0
    layer.get_param("b")[:] = 0
    crf.get_param("transitions")[:] = 0
    crf.get_param("start")[:] = numpy.eye(13)[1] * 10
    crf.get_param("end")[:] = numpy.eye(13)[3] * 10
    (doc,) = component.pipe([Doc(VOCAB, words=["a", "\n", "b"])])
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [(0, 3, "A")]
    (doc,) = component.pipe([Doc(VOCAB, words=["a", "b", "\n"])])
    assert not any(ent.end == 3 for ent in doc.ents)


def test_preset_outside_is_no_constraint() -> None:
    """As for spaCy's `ner`, a token that is set to "O" may become part of an entity; a blocked one may not."""
    component = get_component()
    randomize(component, 0, 1000.0)
    doc = Doc(VOCAB, words=["a", "B", "a", "B"])
    doc.set_ents([], outside=[doc[0:2]], blocked=[doc[2:3]], default="missing")
    component(doc)
    covered = {token.i for ent in doc.ents for token in ent}
    assert covered == {0, 1, 3}
    assert (doc[2].ent_iob, doc[2].ent_type) == (3, 0)


@pytest.mark.parametrize("label", ["A", "FOREIGN"])
def test_a_preset_entity_may_violate_the_constraints(label: str) -> None:
    """It stays even if it starts or ends in whitespace and crosses the start of a sentence."""
    component = get_component()
    randomize(component, 0, 5.0)
    doc = Doc(VOCAB, words=["a", "\n", "B", "\n", "cd"], sent_starts=[True, False, True, False, False])
    doc.set_ents([Span(doc, 1, 4, label)], default="missing")
    component(doc)
    assert (1, 4, label) in [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_a_preset_inside_tag_without_an_entity_before_it_starts_one() -> None:
    """spaCy does the same when it sets entities."""
    component = get_component()
    randomize(component, 0, 5.0)
    label, foreign = VOCAB.strings["A"], VOCAB.strings.add("FOREIGN")
    values = [(1, label), (1, foreign), (2, 0), (1, label), (1, 0), (1, label), (0, 0), (3, 0), (1, label)]
    doc = Doc(VOCAB, words=["a"] * len(values))
    doc.from_array([ENT_IOB, ENT_TYPE], numpy.array(values, dtype="uint64"))
    (doc,) = component.pipe([doc])
    starts = [doc[i].ent_iob for i in (0, 1, 3, 5, 8)]
    assert starts == [3, 3, 3, 3, 3]
    assert [doc[i].ent_type for i in (0, 1, 3, 5, 8)] == [label, foreign, label, label, label]
    assert {(ent.start, ent.label_) for ent in doc.ents} >= {(0, "A"), (1, "FOREIGN"), (3, "A"), (8, "A")}


def test_confidences_are_shares_of_the_possible_analyses() -> None:
    """Only predicted entities have one, not preset ones."""
    component = get_component()
    randomize(component, 0, 0.0)
    component.cfg |= {"confidences": "ents", "temperature": 10.0}
    try:
        doc = Doc(VOCAB, words=["a", "B", "cd", "\n", "a"])
        doc.set_ents([Span(doc, 0, 1, "A")], blocked=[doc[4:5]], default="missing")
        analyses = component.k_best([doc.copy()], 1000)[0]
        component(doc)
    finally:
        component.cfg |= {"confidences": None, "temperature": 1.0}
    assert 0 < len(doc.spans["ents"]) == len(doc.ents) - 1
    for span, score in zip(doc.spans["ents"], doc.spans["ents"].attrs["scores"], strict=True):
        place = (span.start, span.end, span.label)
        having = [p for p, ents in analyses if place in {(ent.start, ent.end, ent.label) for ent in ents}]
        assert 0.01 < score < 0.99
        assert score == pytest.approx(sum(having))
