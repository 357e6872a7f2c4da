"""Training with soft targets: components learn a teacher's probabilities, and gold annotation without them."""

from typing import Any

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import fix_random_seed
from toy_ner import MODEL
from toy_pipelines import BILSTM, make_tok2vec

from spacy_bilstm.bridge.soft_targets import SoftCategories, SoftLabels, set_soft_targets
from spacy_bilstm.pipeline.soft_tags import average_soft_tags, make_certain_tags

TAGS = ["A", "B", "C"]
WORDS = ["x", "y", "z"]
TAGGER_MODEL = {"@architectures": "spacy.Tagger.v2", "tok2vec": make_tok2vec(BILSTM)}
PROBABILITIES = numpy.array([[0.6, 0.4, 0.0], [0.1, 0.2, 0.7], [1.0, 0.0, 0.0]])


def make_tagger(factory: str = "bilstm_tagger", **config: Any) -> tuple[Language, Any]:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    return nlp, nlp.add_pipe(factory, config={"model": TAGGER_MODEL, **config})


def make_tagged(nlp: Language, component: str, labels: list[str] | None, weight: float = 1.0) -> Example:
    """Make an example whose gold tags are all the last one, with soft targets for labels if given."""
    doc = Doc(nlp.vocab, words=WORDS, tags=["C"] * 3, pos=["NOUN"] * 3)
    if labels is not None:
        set_soft_targets(doc, component, SoftLabels.from_probabilities(PROBABILITIES, labels, weight))
    return Example(Doc(nlp.vocab, words=WORDS), doc)


@pytest.mark.parametrize("factory", ["bilstm_tagger", "bilstm_morphologizer"])
def test_the_gradient_of_a_tagger_is_its_probability_minus_the_teachers(factory: str) -> None:
    nlp, pipe = make_tagger(factory)
    labels = TAGS if factory == "bilstm_tagger" else ["POS=ADJ", "POS=NOUN", "POS=VERB"]
    for label in labels:
        pipe.add_label(label)
    hard, soft = make_tagged(nlp, factory, None), make_tagged(nlp, factory, labels, weight=0.5)
    nlp.initialize(lambda: [hard])
    scores = [numpy.full((3, 3), 1 / 3, dtype="f")] * 2
    loss, (d_hard, d_soft) = pipe.get_loss([hard, soft], scores)
    gold = labels.index("C" if factory == "bilstm_tagger" else "POS=NOUN")
    assert_allclose(d_hard, 1 / 3 - numpy.eye(3)[[gold] * 3], atol=1e-6)
    assert_allclose(d_soft, 0.5 * (1 / 3 - PROBABILITIES), atol=1e-3)
    assert loss == pytest.approx((d_hard**2).sum() + 2 * (d_soft**2).sum(), rel=1e-3)


def test_a_tagger_learns_the_probabilities_of_its_teacher() -> None:
    nlp, pipe = make_tagger()
    example = make_tagged(nlp, "bilstm_tagger", TAGS)
    for tag in TAGS:
        pipe.add_label(tag)
    optimizer = nlp.initialize(lambda: [example])
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update([example], sgd=optimizer, drop=0.0)
    scores = pipe.model.begin_update([example.predicted])[0][0]
    assert_allclose(scores, PROBABILITIES, atol=0.05)


def test_a_tagger_learns_gold_tags_if_the_tokens_are_others() -> None:
    nlp, pipe = make_tagger()
    example = make_tagged(nlp, "bilstm_tagger", TAGS)
    other = Example(Doc(nlp.vocab, words=["x y", "z"]), example.reference)
    nlp.initialize(lambda: [make_tagged(nlp, "", None)], sgd=None)
    assert pipe.get_loss([other], [numpy.ones((2, 1), dtype="f")])[0] == 0.0


def test_soft_labels_that_a_tagger_lacks_are_an_error() -> None:
    nlp, _ = make_tagger()
    nlp.initialize(lambda: [make_tagged(nlp, "", None)])
    with pytest.raises(ValueError, match="have the label 'A', which 'bilstm_tagger' does not have"):
        nlp.update([make_tagged(nlp, "bilstm_tagger", TAGS)])


def make_ner_example(nlp: Language, teachers: list[list[tuple[int, int, str]]], **settings: Any) -> Example:
    """Make an example without entities, with soft targets from the entities that teachers have found."""
    words = ["Ada", "Lovelace", "slept"]
    doc = Doc(nlp.vocab, words=words, ents=["O"] * 3)
    if teachers:
        targets = []
        for ents in teachers:
            annotated = Doc(nlp.vocab, words=words)
            annotated.ents = [Span(annotated, start, end, label=label) for start, end, label in ents]
            targets.append(make_certain_tags(annotated))
        set_soft_targets(doc, "bilstm_ner", average_soft_tags(targets, **settings))
    return Example(Doc(nlp.vocab, words=words), doc)


def make_ner(labels: tuple[str, ...] = ("LOC", "PER")) -> tuple[Language, Any]:
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("bilstm_ner", config={"model": MODEL})
    for label in labels:
        pipe.add_label(label)
    return nlp, pipe


def test_a_recogniser_learns_the_distribution_of_its_teachers() -> None:
    """Three teachers: two find the whole name, one finds a place in it."""
    nlp, pipe = make_ner()
    example = make_ner_example(nlp, [[(0, 2, "PER")], [(0, 2, "PER")], [(1, 2, "LOC")]])
    optimizer = nlp.initialize(lambda: [example])
    optimizer.learn_rate = 0.02
    for _ in range(80):
        nlp.update([example], sgd=optimizer, drop=0.0)
    (parses,) = pipe.k_best([example.predicted], 2)
    assert [[(ent.start, ent.end, ent.label_) for ent in ents] for _, ents in parses] == [
        [(0, 2, "PER")],
        [(1, 2, "LOC")],
    ]
    assert [probability for probability, _ in parses] == pytest.approx([2 / 3, 1 / 3], abs=0.05)


def test_certain_soft_targets_and_gold_entities_have_the_same_loss() -> None:
    nlp, pipe = make_ner()
    ents = [(0, 2, "PER")]
    soft, gold = make_ner_example(nlp, [ents]), make_ner_example(nlp, [])
    gold.reference.ents = [Span(gold.reference, *ents[0])]
    nlp.initialize(lambda: [soft])
    scores = pipe.model.predict([soft.predicted])
    soft_loss, (d_soft,) = pipe.get_loss([soft], scores)
    gold_loss, (d_gold,) = pipe.get_loss([gold], scores)
    assert soft_loss == pytest.approx(gold_loss)
    assert_allclose(d_soft, d_gold, atol=1e-6)


def test_gold_and_teacher_annotated_docs_can_be_in_one_batch() -> None:
    nlp, pipe = make_ner()
    soft, gold = make_ner_example(nlp, [[(0, 2, "PER")], []], weight=0.5), make_ner_example(nlp, [])
    nlp.initialize(lambda: [soft])
    batch = [gold, soft, gold, soft]
    scores = pipe.model.predict([example.predicted for example in batch])
    loss, gradients = pipe.get_loss(batch, scores)
    alone = [pipe.get_loss([example], [array]) for example, array in zip(batch, scores, strict=True)]
    assert loss == pytest.approx(sum(value for value, _ in alone))
    for gradient, (_, (expected,)) in zip(gradients, alone, strict=True):
        assert_allclose(gradient, expected, atol=1e-6)
    before = pipe.model.get_ref("crf").get_param("transitions").copy()
    nlp.update(batch, sgd=nlp.create_optimizer())
    assert (pipe.model.get_ref("crf").get_param("transitions") != before).any()


def test_new_labels_of_soft_targets_are_added() -> None:
    nlp, pipe = make_ner(("LOC",))
    nlp.initialize(lambda: [make_ner_example(nlp, [])])
    nlp.update([make_ner_example(nlp, [[(0, 2, "PER")]])])
    assert pipe.labels == ("LOC", "PER")


def test_soft_targets_that_cross_a_known_sentence_start_leave_the_gold_entities() -> None:
    nlp, pipe = make_ner()
    nlp.initialize(lambda: [make_ner_example(nlp, [])])
    losses = []
    for example in (make_ner_example(nlp, [[(0, 2, "PER")]]), make_ner_example(nlp, [])):
        example.predicted[1].is_sent_start = True
        losses.append(pipe.get_loss([example], pipe.model.predict([example.predicted]))[0])
    assert losses[0] == losses[1]


@pytest.mark.parametrize("factory", ["bilstm_textcat", "bilstm_textcat_multilabel"])
def test_a_classifier_learns_the_probabilities_of_its_teacher(factory: str) -> None:
    """Labels that the teacher does not know are not learned from it."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    pipe: Any = nlp.add_pipe(factory)
    examples = []
    for is_soft in (True, False):
        doc = Doc(nlp.vocab, words=WORDS)
        doc.cats = {"A": 1.0, "B": 0.0, "C": 0.0}
        if is_soft:
            targets = SoftCategories(("B", "A"), numpy.array([0.3, 0.6], dtype="f"), weight=0.5)
            set_soft_targets(doc, factory, targets)
        examples.append(Example(nlp.make_doc("x y z"), doc))
    nlp.initialize(lambda: examples)
    scores = numpy.full((2, 3), 0.5, dtype="f")
    loss, gradient = pipe.get_loss(examples, scores)
    assert pipe.labels == ("A", "B", "C")
    assert_allclose(gradient, [[-0.05, 0.1, 0.0], [-0.5, 0.5, 0.5]], atol=1e-6)
    assert loss == pytest.approx((gradient**2).mean())
