"""`bilstm_ner` in training: its loss, missing annotation, incorrect spans and rehearsal."""

import numpy
import pytest
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import Adam
from toy_corpus import PEOPLE, make_docs, make_examples
from toy_ner import TEXTS, get_ents, get_gold, make_nlp, make_partial
from toy_pipelines import get_distance, get_weights, overfit, update


def test_update_returns_the_sum_over_docs_and_leaves_its_gradients(nlp: Language) -> None:
    ner = nlp.get_pipe("bilstm_ner")
    examples = [make_partial(example, [0, 2]) for example in make_examples(nlp.vocab, 4, seed=3)]

    def get_loss() -> float:
        return ner.get_loss(examples, ner.model.predict([example.predicted for example in examples]))[0]

    single = [ner.update([example])["bilstm_ner"] for example in examples]
    model = nlp.from_bytes(nlp.to_bytes()).get_pipe("bilstm_ner").model
    for node in model.walk():
        for name in node.param_names:
            if node.has_grad(name):
                node.set_grad(name, node.get_grad(name) * 0)
    losses = ner.update(examples, losses={"bilstm_ner": 1.0, "other": 2.0})
    assert_allclose(losses["bilstm_ner"] - 1, sum(single), rtol=1e-5)
    assert_allclose(get_loss(), sum(single), rtol=1e-5)
    assert losses["other"] == 2
    places = {"output_layer": ["W", "b"], "crf": ["transitions", "start", "end"]}
    for node, name in ((model.get_ref(ref), name) for ref, names in places.items() for name in names):
        weights, gradient = node.get_param(name), node.get_grad(name)
        for index in [tuple(place) for place in numpy.argwhere(numpy.abs(gradient) > 1e-2)[:3]]:
            before, values = weights[index], []
            for step in (0.02, -0.02):
                weights[index] = before + step
                values.append((get_loss(), float(weights[index])))
            weights[index] = before
            expected = (values[0][0] - values[1][0]) / (values[0][1] - values[1][1])
            assert_allclose(gradient[index], expected, rtol=0.03, atol=1e-3)


def test_get_loss_adds_no_gradient_and_treats_unknown_labels_as_missing(nlp: Language) -> None:
    ner = nlp.get_pipe("bilstm_ner")
    doc = nlp.make_doc("Anna travels")
    example = Example.from_dict(doc, {"entities": ["U-OTHER", "-"]})
    loss, gradients = ner.get_loss([example], ner.model.predict([doc]))
    assert loss == 0
    assert [gradient.shape for gradient in gradients] == [(2, 9)]
    assert not gradients[0].any()
    assert not ner.model.get_ref("crf").has_grad("start")
    assert ner.labels == ("GPE", "PERSON")


def test_training_without_annotation_changes_nothing(nlp: Language) -> None:
    model = nlp.get_pipe("bilstm_ner").model
    before = get_weights(model)
    examples = [Example(eg.predicted, Doc(nlp.vocab, words=[t.text for t in eg.x])) for eg in make_examples(nlp.vocab)]
    assert nlp.update(examples, sgd=Adam(0.1)) == {"bilstm_ner": 0.0}
    assert get_distance(before, get_weights(model)) == 0


def test_missing_annotation_is_marginalised() -> None:
    """A model learns from docs in which half the tokens have no annotation. It would not if they were "O"."""
    nlp = make_nlp()
    rng = numpy.random.default_rng(0)
    examples = make_examples(nlp.vocab, 48)
    examples = [make_partial(eg, numpy.flatnonzero(rng.random(len(eg.x)) < 0.5).tolist()) for eg in examples]
    assert any(token.ent_iob == 0 and token.text in PEOPLE for eg in examples for token in eg.reference)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(12):
        for batch in minibatch(examples, 8):
            nlp.update(batch, sgd=optimizer)
    assert nlp.evaluate(make_examples(nlp.vocab, seed=4))["ents_f"] > 0.98


def test_incorrect_spans_are_unlearned() -> None:
    """A span that is also a gold entity is an error."""
    nlp = make_nlp(incorrect_spans_key="wrong")
    overfit(nlp)
    doc = nlp("Anna travels to Rome .")
    assert get_ents(doc) == [(0, 1, "PERSON"), (3, 4, "GPE")]
    reference = Doc(nlp.vocab, words=[token.text for token in doc])
    reference.spans["wrong"] = [Span(reference, 0, 1, "PERSON"), Span(reference, 0, 2, "OTHER")]
    example = Example(nlp.make_doc(doc.text), reference)
    optimizer = nlp.resume_training()
    losses = [nlp.update([example], sgd=optimizer)["bilstm_ner"] for _ in range(40)]
    assert losses[-1] < losses[0] / 3
    assert (0, 1, "PERSON") not in get_ents(nlp(doc.text))
    assert nlp.get_pipe("bilstm_ner").labels == ("GPE", "PERSON")
    reference.ents = [Span(reference, 0, 1, "PERSON")]
    with pytest.raises(ValueError, match="span 'Anna' with the label PERSON is a gold entity, but the span group"):
        nlp.update([example], sgd=optimizer)


def test_negative_tags_are_an_error_as_for_spacys_ner(nlp: Language) -> None:
    example = Example.from_dict(nlp.make_doc("Anna travels"), {"entities": ["U-!PERSON", "O"]})
    with pytest.raises(ValueError, match=r"'!PERSON'.*incorrect_spans_key"):
        nlp.update([example])


def test_update_ignores_preset_entities(nlp: Language) -> None:
    """The entities of predicted docs are no constraint in training: they may be incorrect."""
    (example,) = make_examples(nlp.vocab, 1)
    expected = nlp.get_pipe("bilstm_ner").update([example])
    example.predicted.set_ents([Span(example.predicted, 1, 3, "GPE")], blocked=[example.predicted[0:1]])
    assert nlp.get_pipe("bilstm_ner").update([example]) == expected


def test_a_gold_entity_that_ends_in_whitespace_is_no_error(nlp: Language) -> None:
    words = ["Anna", "\n", "travels"]
    reference = Doc(nlp.vocab, words=words, ents=["B-PERSON", "I-PERSON", "O"])
    losses = nlp.update([Example(Doc(nlp.vocab, words=words), reference)])
    assert numpy.isfinite(losses["bilstm_ner"])


def test_averages_replace_the_crfs_parameters_for_a_while() -> None:
    nlp = make_nlp()
    examples = make_examples(nlp.vocab)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.02, use_averages=True)
    update(nlp, optimizer, 3)
    crf = nlp.get_pipe("bilstm_ner").model.get_ref("crf")
    raw = crf.get_param("transitions").copy()
    with nlp.use_params(optimizer.averages):
        numpy.testing.assert_array_equal(crf.get_param("transitions"), optimizer.averages[(crf.id, "transitions")])
        assert numpy.abs(crf.get_param("transitions") - raw).max() > 1e-4
    numpy.testing.assert_array_equal(crf.get_param("transitions"), raw)


def test_rehearsal_draws_the_model_back_to_its_old_predictions(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.005
    docs = make_docs(nlp.vocab, 8)
    blank = [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs]
    wrong = [Example.from_dict(doc, {"entities": ["O"] * len(doc)}) for doc in blank]
    for _ in range(12):
        nlp.update(wrong, sgd=optimizer)
    model = nlp.get_pipe("bilstm_ner").model
    before = get_weights(model)
    assert nlp.evaluate(make_examples(nlp.vocab))["ents_f"] < 0.9
    losses = [nlp.rehearse(make_examples(nlp.vocab, 8), sgd=optimizer)["bilstm_ner"] for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    assert get_distance(before, get_weights(model), torch_only=True) > 1e-3
    assert nlp.evaluate(make_examples(nlp.vocab))["ents_f"] > 0.95


def test_a_new_label_is_learned_beside_rehearsal(nlp: Language) -> None:
    """Rehearsal concerns the labels of the old model only."""
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    examples = make_examples(nlp.vocab, 8)
    for example in examples:
        stops = [Span(example.y, token.i, token.i + 1, "STOP") for token in example.y if token.text == "."]
        example.y.ents = [*example.y.ents, *stops]
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
        nlp.rehearse(make_examples(nlp.vocab, 8), sgd=optimizer)
    for doc in nlp.pipe(TEXTS):
        stops = [(token.i, token.i + 1, "STOP") for token in doc if token.text == "."]
        assert get_ents(doc) == sorted(get_gold(doc) + stops)


def test_rehearsal_without_an_old_model_does_nothing(nlp: Language) -> None:
    assert nlp.get_pipe("bilstm_ner").rehearse(make_examples(nlp.vocab, 2)) == {"bilstm_ner": 0.0}
