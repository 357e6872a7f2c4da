"""`bilstm_ner`: spaCy's contract for an entity recogniser, its training, its confidences and its k best analyses."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import minibatch
from thinc.api import Adam, Config, Model, fix_random_seed
from toy_corpus import PEOPLE, PLACES, make_docs, make_examples
from toy_pipelines import BILSTM, LISTENER, get_distance, get_weights, make_tok2vec, overfit, update

from spacy_bilstm.pipeline.tagging import is_linear

MODEL = {"@architectures": "spacy-bilstm.CRFTagger.v1", "tok2vec": make_tok2vec(BILSTM)}
KEY = "confident"
TEXTS = ["", *(doc.text for doc in make_docs(spacy.blank("en").vocab, 12, seed=5)), "Anna", "\n"]


def make_nlp(**settings: Any) -> Language:
    """Give a pipeline of one small `bilstm_ner`."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_ner", config={"model": MODEL, **settings})
    return nlp


@pytest.fixture(scope="module")
def trained_bytes() -> bytes:
    """Give the bytes of a trained pipeline."""
    nlp = make_nlp()
    overfit(nlp)
    return nlp.to_bytes()


@pytest.fixture
def load(trained_bytes: bytes) -> Callable[..., Language]:
    """Give a function that loads the trained pipeline with other settings."""
    return lambda **settings: make_nlp(**settings).from_bytes(trained_bytes)


@pytest.fixture
def nlp(load: Callable[..., Language]) -> Language:
    """Give the trained pipeline."""
    return load()


def get_ents(doc: Doc) -> list[tuple[int, int, str]]:
    """Give the entities of a doc."""
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def get_gold(doc: Doc) -> list[tuple[int, int, str]]:
    """Give the entities that a doc of the toy corpus should have."""
    labels = dict.fromkeys(PEOPLE, "PERSON") | dict.fromkeys(PLACES, "GPE")
    return [(token.i, token.i + 1, labels[token.text]) for token in doc if token.text in labels]


def make_long_examples(nlp: Language) -> list[Example]:
    """Give examples with entities of one to four tokens."""
    spans = {"LONG": ["x"], "LONGER": ["x", "y"], "LONGEST": ["x", "y", "z", "z"]}
    words, ents = ["a"], ["O"]
    for label, name in spans.items():
        words += [*name, "b", "a"]
        ents += [f"{'B' if i == 0 else 'I'}-{label}" for i in range(len(name))] + ["O", "O"]
    return [Example(Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words, ents=ents)) for _ in range(4)]


def make_partial(example: Example, missing: list[int]) -> Example:
    """Give an example whose reference says nothing of some tokens."""
    doc = example.reference.copy()
    kept = [ent for ent in doc.ents if not set(range(ent.start, ent.end)) & set(missing)]
    doc.set_ents(kept, missing=[doc[i : i + 1] for i in missing])
    return Example(example.predicted.copy(), doc)


def test_factory() -> None:
    """The factory says what it assigns and how it is scored, and has a default model."""
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_ner")
    meta = nlp.get_pipe_meta("bilstm_ner")
    assert meta.assigns == ["doc.ents", "token.ent_iob", "token.ent_type"]
    assert meta.default_score_weights == {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
    config = nlp.get_pipe_config("bilstm_ner")
    assert config["model"]["@architectures"] == "spacy-bilstm.CRFTagger.v1"
    assert "spacy-bilstm.RecurrentEncoder.v1" in str(config["model"]["tok2vec"])
    assert config["scorer"] == {"@scorers": "spacy-bilstm.ner_scorer.v1"}
    assert config["confidences"] is None


def test_default_model_learns() -> None:
    """The default model overfits few sentences."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_ner")
    overfit(nlp, epochs=5, learn_rate=0.002)
    assert nlp.evaluate(make_examples(nlp.vocab))["ents_f"] > 0.98


def test_entities(nlp: Language) -> None:
    """A trained pipeline annotates entities; all other tokens are "O", and the order of docs is kept."""
    docs = list(nlp.pipe(TEXTS, batch_size=3))
    assert [doc.text for doc in docs] == TEXTS
    assert [get_ents(doc) for doc in docs] == [get_gold(doc) for doc in docs]
    assert all(token.ent_iob in (2, 3) for doc in docs for token in doc)
    assert all(doc.has_annotation("ENT_IOB") for doc in docs if len(doc))


def test_scores_per_type(nlp: Language) -> None:
    """The scorer gives spaCy's scores."""
    scores = nlp.evaluate(make_examples(nlp.vocab))
    assert scores["ents_f"] == scores["ents_p"] == scores["ents_r"] == 1
    assert set(scores["ents_per_type"]) == {"GPE", "PERSON"}
    assert scores["ents_ece"] is None


def test_entities_of_all_lengths() -> None:
    """Entities of one to four tokens are learned."""
    nlp = make_nlp()
    examples = make_long_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    (doc,) = nlp.pipe([examples[0].predicted])
    assert get_ents(doc) == get_ents(examples[0].reference) == [(1, 2, "LONG"), (4, 6, "LONGER"), (8, 12, "LONGEST")]
    assert [token.ent_iob_ for token in doc[8:12]] == ["B", "I", "I", "I"]


@pytest.mark.parametrize("replace", [False, True])
def test_listener(replace: bool) -> None:
    """The component learns through a listener, and annotates alike once that is replaced."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe("bilstm_ner", config={"model": MODEL | {"tok2vec": LISTENER}, "confidences": KEY})
    overfit(nlp)
    if replace:
        nlp.replace_listeners("bilstm_tok2vec", "bilstm_ner", ["model.tok2vec"])
        update(nlp, nlp.resume_training())
    docs = list(nlp.pipe(TEXTS))
    assert [get_ents(doc) for doc in docs] == [get_gold(doc) for doc in docs]
    assert min(score for doc in docs for score in doc.spans[KEY].attrs["scores"]) > 0.5
    assert get_ents(Doc(nlp.vocab)) == []
    ((probability, spans), *_) = nlp.get_pipe("bilstm_ner").k_best([nlp("Anna travels to Rome .")], 2)[0]
    assert probability > 0.5
    assert [span.text for span in spans] == ["Anna", "Rome"]


def test_frozen_tok2vec() -> None:
    """The component learns on a frozen tok2vec that annotates."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe("bilstm_ner", config={"model": MODEL | {"tok2vec": LISTENER}})
    optimizer = nlp.initialize(lambda: make_examples(nlp.vocab))
    optimizer.learn_rate = 0.02
    before = get_weights(nlp.get_pipe("bilstm_tok2vec").model)
    update(nlp, optimizer, 20, exclude=["bilstm_tok2vec"], annotates=["bilstm_tok2vec"])
    assert get_distance(before, get_weights(nlp.get_pipe("bilstm_tok2vec").model)) == 0
    assert nlp.evaluate(make_examples(nlp.vocab))["ents_f"] > 0.6  # Its random vectors tell so much.


# Training.


def test_loss_and_gradients(nlp: Language) -> None:
    """`update` reports the sum over docs, and leaves the gradients of that sum."""
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


def test_loss_is_pure(nlp: Language) -> None:
    """`get_loss` adds no gradient to the model, and labels that it does not know count as missing."""
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
    """Where all is unknown, the loss and all gradients are zero."""
    model = nlp.get_pipe("bilstm_ner").model
    before = get_weights(model)
    examples = [Example(eg.predicted, Doc(nlp.vocab, words=[t.text for t in eg.x])) for eg in make_examples(nlp.vocab)]
    assert nlp.update(examples, sgd=Adam(0.1)) == {"bilstm_ner": 0.0}
    assert get_distance(before, get_weights(model)) == 0


def test_missing_annotation_is_marginalised() -> None:
    """A model learns from docs of which half the tokens are unknown, what it would not if these were "O"."""
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


def test_incorrect_spans() -> None:
    """Spans that are known to be wrong are unlearned; one that is a gold entity, too, is an error."""
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


def test_deprecated_negative_tags_are_refused(nlp: Language) -> None:
    """spaCy's old notation for negative samples is an error, as it is for spaCy's `ner`."""
    example = Example.from_dict(nlp.make_doc("Anna travels"), {"entities": ["U-!PERSON", "O"]})
    with pytest.raises(ValueError, match=r"'!PERSON'.*incorrect_spans_key"):
        nlp.update([example])


def test_docs_of_length_zero(nlp: Language) -> None:
    """Empty docs are annotated and learned from like any others, or passed over where there is nothing else."""
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    assert nlp.update([empty, empty]) == {"bilstm_ner": 0.0}
    assert nlp.update([empty, *make_examples(nlp.vocab, 2), empty])["bilstm_ner"] > 0
    assert get_ents(nlp("")) == []
    assert [get_ents(doc) for doc in nlp.pipe(["", ""])] == [[], []]
    ner = nlp.get_pipe("bilstm_ner")
    assert ner.k_best([nlp.make_doc("")], 3) == [[(1.0, [])]]
    assert ner.k_best([], 3) == []
    assert list(ner.pipe([])) == []


def test_update_ignores_what_is_set_already(nlp: Language) -> None:
    """The entities of predicted docs are no constraint in training: they may be what is to be mended."""
    (example,) = make_examples(nlp.vocab, 1)
    expected = nlp.get_pipe("bilstm_ner").update([example])
    example.predicted.set_ents([Span(example.predicted, 1, 3, "GPE")], blocked=[example.predicted[0:1]])
    assert nlp.get_pipe("bilstm_ner").update([example]) == expected


def test_gold_in_whitespace_is_no_error(nlp: Language) -> None:
    """A gold entity that ends in whitespace, which can't be predicted, breaks nothing."""
    words = ["Anna", "\n", "travels"]
    reference = Doc(nlp.vocab, words=words, ents=["B-PERSON", "I-PERSON", "O"])
    losses = nlp.update([Example(Doc(nlp.vocab, words=words), reference)])
    assert numpy.isfinite(losses["bilstm_ner"])


def test_emissions_are_the_output_of_the_model(nlp: Language) -> None:
    pipe = nlp.get_pipe("bilstm_ner")
    docs = [nlp.make_doc(""), *(nlp.make_doc(text) for text in TEXTS), nlp.make_doc("")]
    assert is_linear(pipe.model, "output_layer", pipe.model.get_ref("crf"))
    scores, lengths = pipe._compute_emissions(docs)
    assert lengths == [len(doc) for doc in docs]
    assert_allclose(scores, numpy.concatenate(pipe.model.predict(docs)), atol=1e-5)


def test_a_model_with_a_further_layer_is_called_as_a_whole(nlp: Language) -> None:
    pipe = nlp.get_pipe("bilstm_ner")
    docs = [nlp.make_doc(text) for text in TEXTS]
    pipe.model.layers.append(Model("double", lambda model, X, is_train: ([2 * x for x in X], lambda dX: dX)))
    scores, _ = pipe._compute_emissions(docs)
    numpy.testing.assert_array_equal(scores, numpy.concatenate(pipe.model.predict(docs)))


def test_averages_reach_the_crf() -> None:
    """Parameter averages replace the CRF's parameters, too, and are restored."""
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


def test_rehearsal(nlp: Language) -> None:
    """Rehearsal draws the model back to what it predicted before."""
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


def test_rehearsal_beside_a_new_label(nlp: Language) -> None:
    """Rehearsal is about the labels of the old model, so one that is new since can be learned at the same time."""
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


def test_rehearsal_without_an_old_model(nlp: Language) -> None:
    """Before training is resumed there is nothing to rehearse."""
    assert nlp.get_pipe("bilstm_ner").rehearse(make_examples(nlp.vocab, 2)) == {"bilstm_ner": 0.0}


# Labels.


def test_labels_are_sorted() -> None:
    """Labels of the examples and those added before are sorted, and so are given ones."""
    nlp = make_nlp()
    ner = nlp.get_pipe("bilstm_ner")
    assert ner.labels == ()
    assert [ner.add_label(label) for label in ("ZZ", "AA", "ZZ")] == [1, 1, 0]
    nlp.initialize(lambda: make_examples(nlp.vocab))
    assert ner.labels == ner.label_data == ("AA", "GPE", "PERSON", "ZZ")
    assert ner.model.get_dim("nO") == 17
    assert ner.cfg["labels"] == list(ner.labels)
    other = make_nlp()
    other.get_pipe("bilstm_ner").initialize(lambda: make_examples(other.vocab), labels=["Z", "A"])
    assert other.get_pipe("bilstm_ner").labels == ("A", "Z")


def test_label_data_initialises(nlp: Language) -> None:
    """`label_data` of one component gives another the same labels."""
    other = make_nlp()
    label_data = list(nlp.get_pipe("bilstm_ner").label_data)
    other.config["initialize"]["components"]["bilstm_ner"] = {"labels": label_data}
    other.initialize(lambda: [Example(other.make_doc("a"), other.make_doc("a"))])
    assert other.get_pipe("bilstm_ner").labels == nlp.get_pipe("bilstm_ner").labels


def test_initialise_again() -> None:
    """A pipeline can be initialised again, with more labels, which are sorted then."""
    nlp = make_nlp()
    ner = nlp.get_pipe("bilstm_ner")
    nlp.initialize(lambda: make_examples(nlp.vocab))
    nlp.initialize(lambda: make_long_examples(nlp))
    assert ner.labels == ("GPE", "LONG", "LONGER", "LONGEST", "PERSON")
    assert ner.model.get_dim("nO") == 21
    nlp("Anna")


def test_add_label_after_initialisation(nlp: Language) -> None:
    """A new label keeps what was learned, is learned itself, and survives storage."""
    ner = nlp.get_pipe("bilstm_ner")
    before = ner.model.predict([nlp.make_doc(TEXTS[1])])[0]
    nlp.resume_training()
    assert ner.add_label("ANIMAL") == 1
    assert ner.add_label("ANIMAL") == 0
    assert ner.labels == ("GPE", "PERSON", "ANIMAL")
    after = ner.model.predict([nlp.make_doc(TEXTS[1])])[0]
    numpy.testing.assert_array_equal(after[:, :9], before)
    assert after.shape[1] == 13
    docs = list(nlp.pipe(TEXTS))
    assert [get_ents(doc) for doc in docs] == [get_gold(doc) for doc in docs]
    examples = make_examples(nlp.vocab)
    for example in examples:
        animals = [Span(example.y, token.i, token.i + 1, "ANIMAL") for token in example.y if token.tag_[:2] == "NN"]
        example.y.ents = [*example.y.ents, *(span for span in animals if span[0].pos_ == "NOUN")]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.02
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    scores = make_nlp().from_bytes(nlp.to_bytes()).evaluate(examples)
    assert scores["ents_per_type"]["ANIMAL"]["f"] > 0.95
    assert scores["ents_f"] > 0.95


def test_new_labels_of_examples_are_added(nlp: Language) -> None:
    """Like spaCy's `ner`, the component takes up labels it meets in training."""
    doc = nlp.make_doc("Anna travels")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update([Example.from_dict(doc, {"entities": ["O", "U-VERB"]})], sgd=optimizer)
    assert nlp.get_pipe("bilstm_ner").labels == ("GPE", "PERSON", "VERB")
    assert get_ents(nlp("Anna travels")) == [(1, 2, "VERB")]


def test_no_labels() -> None:
    """Without any label everything is "O", in training, too."""
    nlp = make_nlp(confidences=KEY)
    examples = [Example.from_dict(nlp.make_doc("a b c"), {"entities": ["O", "-", "O"]})]
    optimizer = nlp.initialize(lambda: examples)
    assert nlp.update(examples, sgd=optimizer) == {"bilstm_ner": 0.0}
    doc = nlp("a b c")
    assert [token.ent_iob_ for token in doc] == ["O", "O", "O"]
    assert len(doc.spans[KEY]) == 0
    assert nlp.get_pipe("bilstm_ner").k_best([nlp.make_doc("a b")], 2) == [[(1.0, [])]]
    loaded = make_nlp(confidences=KEY).from_bytes(nlp.to_bytes())
    assert loaded.get_pipe("bilstm_ner").labels == ()
    loaded("a b c")


# Confidences.


def get_scores(doc: Doc) -> list[float]:
    """Give the confidences of a doc's entities."""
    scores: list[float] = doc.spans[KEY].attrs["scores"]
    return scores


def test_confidences_are_off_by_default(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the setting no probability is computed and no span group made."""

    def fail(*args: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("spacy_bilstm.pipeline.ner.compute_span_probabilities", fail)
    assert not nlp(TEXTS[1]).spans


def test_confidences(load: Callable[..., Language]) -> None:
    """The span group has the predicted entities and plain floats, in order; training raises them."""
    nlp = load(confidences=KEY)
    for doc in nlp.pipe(TEXTS):
        assert [(span.start, span.end, span.label_) for span in doc.spans[KEY]] == get_ents(doc)
        assert len(get_scores(doc)) == len(doc.ents)
        assert all(type(score) is float and 0.5 < score <= 1 for score in get_scores(doc))


def test_confidences_are_those_of_all_analyses() -> None:
    """An entity's confidence is the probability of all analyses that have it."""
    nlp = make_nlp(confidences=KEY, temperature=3.0)
    overfit(nlp, epochs=2)
    ner = nlp.get_pipe("bilstm_ner")
    doc = nlp("Anna to Rome")
    assert doc.ents
    analyses = ner.k_best([nlp.make_doc(doc.text)], 1000)[0]
    assert_allclose(sum(probability for probability, _ in analyses), 1)
    assert [probability for probability, _ in analyses] == sorted((p for p, _ in analyses), reverse=True)
    assert len({tuple((ent.start, ent.end, ent.label) for ent in ents) for _, ents in analyses}) == len(analyses)
    assert [(ent.start, ent.end, ent.label_) for ent in analyses[0][1]] == get_ents(doc)
    for span, score in zip(doc.spans[KEY], get_scores(doc), strict=True):
        having = [p for p, ents in analyses if (span.start, span.end) in {(ent.start, ent.end) for ent in ents}]
        assert score <= sum(having) + 1e-9
        assert_allclose(
            score, sum(p for p, ents in analyses if any(str(e) == str(span) and e.label == span.label for e in ents))
        )


def test_temperature(load: Callable[..., Language]) -> None:
    """A temperature changes confidences, never entities."""
    docs = [[*load(confidences=KEY, temperature=temperature).pipe(TEXTS)] for temperature in (0.5, 1.0, 5.0)]
    assert len({str([get_ents(doc) for doc in same]) for same in docs}) == 1
    cold, normal, hot = ([score for doc in same for score in get_scores(doc)] for same in docs)
    assert all(a >= b > c for a, b, c in zip(cold, normal, hot, strict=True))


@pytest.mark.parametrize("store_user_data", [False, True])
def test_confidences_in_a_doc_bin(store_user_data: bool, load: Callable[..., Language], tmp_path: Path) -> None:
    """Confidences survive a DocBin, and docs on disk and in bytes."""
    nlp = load(confidences=KEY)
    doc = nlp(TEXTS[1])
    expected = get_scores(doc)
    assert expected
    DocBin(docs=[doc], store_user_data=store_user_data).to_disk(tmp_path / "docs.spacy")
    (binned,) = DocBin().from_disk(tmp_path / "docs.spacy").get_docs(nlp.vocab)
    doc.to_disk(tmp_path / "doc")
    stored = Doc(nlp.vocab).from_disk(tmp_path / "doc")
    for other in (binned, stored, Doc(nlp.vocab).from_bytes(doc.to_bytes()), doc.copy()):
        assert get_scores(other) == expected
        assert [(span.start, span.end, span.label_) for span in other.spans[KEY]] == get_ents(doc)


@pytest.mark.parametrize("confidences", [None, KEY])
def test_threshold(confidences: str | None) -> None:
    """Entities below the threshold are left out, also where confidences are off."""
    nlp = make_nlp(confidences=KEY)
    overfit(nlp, epochs=4)
    docs = list(nlp.pipe(TEXTS))
    scores = sorted(score for doc in docs for score in get_scores(doc))
    threshold = scores[len(scores) // 2]
    other = make_nlp(confidences=confidences, threshold=threshold)
    other.from_bytes(nlp.to_bytes())
    n_kept = 0
    for doc, filtered in zip(docs, other.pipe(TEXTS), strict=True):
        ents = zip(get_ents(doc), get_scores(doc), strict=True)
        expected = [ent for ent, score in ents if score >= threshold]
        assert get_ents(filtered) == expected
        assert all(token.ent_iob in (1, 2, 3) for token in filtered)
        if confidences:
            assert len(get_scores(filtered)) == len(expected)
        n_kept += len(expected)
    assert n_kept == len(scores) - len(scores) // 2


def choose_from_all_analyses(nlp: Language, doc: Doc, threshold: float) -> list[tuple[tuple[int, int, str], float]]:
    """Give the spans that all analyses together make probable, the most probable first where they overlap."""
    probabilities: dict[tuple[int, int, str], float] = {}
    for probability, ents in nlp.get_pipe("bilstm_ner").k_best([nlp.make_doc(doc.text)], 10_000)[0]:
        for ent in ents:
            span = (ent.start, ent.end, ent.label_)
            probabilities[span] = probabilities.get(span, 0.0) + probability
    chosen: dict[tuple[int, int, str], float] = {}
    for span, value in sorted(probabilities.items(), key=lambda item: -item[1]):
        if value >= threshold and all(span[1] <= start or end <= span[0] for start, end, _ in chosen):
            chosen[span] = value
    return sorted(chosen.items())


@pytest.mark.parametrize("threshold", [0.02, 0.2])
def test_a_low_threshold_takes_less_probable_spans(threshold: float) -> None:
    """All spans that are probable enough are entities, not only those of the best analysis."""
    settings = {"confidences": KEY, "temperature": 3.0}
    nlp = make_nlp(**settings)
    overfit(nlp, epochs=1)
    other = make_nlp(threshold=threshold, **settings).from_bytes(nlp.to_bytes())
    texts = ["Anna to Rome", "Rome saw", "", "she met Paul"]
    n_more = 0
    for best, doc in zip(nlp.pipe(texts), other.pipe(texts), strict=True):
        expected = choose_from_all_analyses(nlp, doc, threshold)
        assert get_ents(doc) == [span for span, _ in expected]
        assert_allclose(get_scores(doc), [value for _, value in expected])
        assert [(span.start, span.end, span.label_) for span in doc.spans[KEY]] == get_ents(doc)
        n_more += len(set(get_ents(doc)) - set(get_ents(best)))
    assert n_more


def test_a_threshold_leaves_presets(load: Callable[..., Language]) -> None:
    """Entities that were set before stay under a threshold, without a confidence."""
    nlp = load(confidences=KEY, threshold=0.3)
    doc = nlp.make_doc("Anna to Rome")
    doc.set_ents([Span(doc, 1, 2, label="OTHER")], default="missing")
    doc = nlp(doc)
    assert (1, 2, "OTHER") in get_ents(doc)
    assert len(doc.ents) == 3
    assert [(span.start, span.end) for span in doc.spans[KEY]] == [(0, 1), (2, 3)]


def test_find_threshold(tmp_path: Path, corpus: Path, run_spacy: Callable[..., Any]) -> None:
    """`spacy find-threshold` finds that an overfitted model needs none, and that 1 leaves nothing."""
    nlp = make_nlp()
    overfit(nlp)
    nlp.to_disk(tmp_path / "model")
    args = [tmp_path / "model", corpus / "dev.spacy", "bilstm_ner", "threshold", "ents_f", "-n", 3]
    lines = run_spacy("find-threshold", *args).output.splitlines()
    (best,) = [line for line in lines if "Best threshold" in line]
    assert "value of 1.0" in best
    assert any(line.split() == ["1.0", "0.0"] for line in lines)


def test_calibration_error_is_scored(load: Callable[..., Language]) -> None:
    """Where there are confidences, `evaluate` gives their calibration error."""
    scores = load(confidences=KEY).evaluate(make_examples(load().vocab))
    assert 0 < scores["ents_ece"] < 0.2
    assert scores["ents_f"] == 1


def test_batch_invariance(load: Callable[..., Language]) -> None:
    """Entities, confidences and analyses of a doc do not depend on its batch."""
    nlp = load(confidences=KEY, temperature=4.0)
    ner = nlp.get_pipe("bilstm_ner")
    together = list(nlp.pipe(TEXTS, batch_size=len(TEXTS)))
    analyses = ner.k_best([nlp.make_doc(text) for text in TEXTS], 3)
    for text, doc, expected in zip(TEXTS, together, analyses, strict=True):
        alone = nlp(text)
        assert get_ents(alone) == get_ents(doc)
        assert_allclose(get_scores(alone), get_scores(doc), atol=1e-5)
        ((*parses,),) = ner.k_best([nlp.make_doc(text)], 3)
        assert [[str(span) for span in spans] for _, spans in parses] == [
            [str(s) for s in spans] for _, spans in expected
        ]
        assert_allclose([p for p, _ in parses], [p for p, _ in expected], atol=1e-5)


def test_k_best_with_presets(nlp: Language) -> None:
    """Analyses have what is set already, also entities whose label is not the component's; docs stay as they are."""
    doc = nlp.make_doc("Anna travels to Rome .")
    doc.set_ents([Span(doc, 1, 2, "FOREIGN"), Span(doc, 0, 1, "GPE")], blocked=[doc[3:4]], default="missing")
    before = doc.to_bytes()
    analyses = nlp.get_pipe("bilstm_ner").k_best([doc], 20)[0]
    assert doc.to_bytes() == before
    assert len(analyses) > 3
    for _, spans in analyses:
        assert [(span.text, span.label_) for span in spans][:2] == [("Anna", "GPE"), ("travels", "FOREIGN")]
        assert all(span.end <= 3 or span.start > 3 for span in spans)
    assert_allclose(sum(p for p, _ in nlp.get_pipe("bilstm_ner").k_best([doc], 1000)[0]), 1, rtol=1e-6)


# Storage, copies and errors.


def test_round_trips(load: Callable[..., Language], tmp_path: Path) -> None:
    """The pipeline predicts the same from disk, from bytes, pickled and copied."""
    nlp = load(confidences=KEY, threshold=0.25, temperature=2.0)
    expected = [(get_ents(doc), get_scores(doc)) for doc in nlp.pipe(TEXTS)]
    nlp.to_disk(tmp_path / "model")
    settings = {"confidences": KEY, "threshold": 0.25, "temperature": 2.0}
    loaded = [
        spacy.load(tmp_path / "model"),
        make_nlp(**settings).from_bytes(nlp.to_bytes()),
        pickle.loads(pickle.dumps(nlp)),
        copy.deepcopy(nlp),
    ]
    for other in loaded:
        assert [(get_ents(doc), get_scores(doc)) for doc in other.pipe(TEXTS)] == expected
        assert other.get_pipe("bilstm_ner").cfg == nlp.get_pipe("bilstm_ner").cfg
    sourced = spacy.blank("en")
    sourced.add_pipe("bilstm_ner", source=loaded[0])
    assert [get_ents(doc) for doc in sourced.pipe(TEXTS)] == [ents for ents, _ in expected]


def test_settings_of_a_stored_component(nlp: Language, tmp_path: Path) -> None:
    """A setting that was changed after training is stored; one that is given at loading comes first."""
    nlp.get_pipe("bilstm_ner").cfg["temperature"] = 1.5
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model", config={"components": {"bilstm_ner": {"confidences": KEY}}})
    assert loaded.get_pipe("bilstm_ner").cfg["temperature"] == 1.5
    assert KEY in loaded(TEXTS[1]).spans
    loaded.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again", config={"components": {"bilstm_ner": {"temperature": 3.0}}})
    assert again.get_pipe("bilstm_ner").cfg["temperature"] == 3
    assert again.get_pipe("bilstm_ner").cfg["confidences"] == KEY


def test_failed_load_changes_nothing(nlp: Language, tmp_path: Path) -> None:
    """A component that can't be loaded stays as it was."""
    ner = nlp.get_pipe("bilstm_ner")
    other = make_nlp(model={"@architectures": "spacy-bilstm.CRFTagger.v1"} | {"tok2vec": MODEL["tok2vec"]})
    overfit(other, epochs=1)
    other.get_pipe("bilstm_ner").to_disk(tmp_path / "ner")
    (tmp_path / "ner" / "model").write_bytes(b"broken")
    before = ner.to_bytes()
    with pytest.raises(ValueError, match="Can't load the component 'bilstm_ner'"):
        ner.from_disk(tmp_path / "ner")
    assert ner.to_bytes() == before
    assert get_ents(nlp("Anna")) == [(0, 1, "PERSON")]


def test_train_from_a_config(tmp_path: Path, corpus: Path, run_spacy: Callable[..., Any]) -> None:
    """`init labels` and `train` with parameter averages work from a config; so does loading what they wrote."""
    nlp = spacy.blank("en")
    nlp.add_pipe("bilstm_tok2vec", name="tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe("bilstm_ner", name="ner", config={"model": MODEL | {"tok2vec": LISTENER}, "confidences": KEY})
    config = Config(nlp.config)
    config["paths"] |= {"train": str(corpus / "train.spacy"), "dev": str(corpus / "dev.spacy")}
    config["training"] |= {"max_epochs": 12, "eval_frequency": 20}
    config["training"]["optimizer"] |= {"learn_rate": 0.02, "use_averages": True}
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("init", "labels", tmp_path / "config.cfg", tmp_path / "labels")
    path = str(tmp_path / "labels" / "ner.json")
    config["initialize"]["components"]["ner"] = {"labels": {"@readers": "spacy.read_labels.v1", "path": path}}
    config.to_disk(tmp_path / "config.cfg")
    result = run_spacy("train", tmp_path / "config.cfg", "--output", tmp_path)
    assert "ENTS_F" in result.output
    trained = spacy.load(tmp_path / "model-best")
    assert trained.meta["performance"]["ents_f"] > 0.95
    assert trained.get_pipe("ner").labels == ("GPE", "PERSON")
    assert get_scores(trained("Anna travels to Rome ."))


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_impossible_threshold(threshold: float) -> None:
    """A threshold that is no probability is an error."""
    with pytest.raises(ValueError, match="threshold of 'bilstm_ner'"):
        make_nlp(threshold=threshold)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_impossible_temperature(temperature: float) -> None:
    """A temperature that is not above zero is an error."""
    with pytest.raises(ValueError, match="temperature of 'bilstm_ner'"):
        make_nlp(temperature=temperature)


def test_errors(nlp: Language) -> None:
    """Misuse gives errors that tell what to do."""
    ner = nlp.get_pipe("bilstm_ner")
    with pytest.raises(ValueError, match="before its model is initialized"):
        make_nlp()("Anna")
    with pytest.raises(ValueError, match="must be at least 1"):
        ner.k_best([nlp.make_doc("Anna")], 0)
    for label in ("", 3):
        with pytest.raises(ValueError, match="must be a string"):
            ner.add_label(label)
    with pytest.raises(TypeError):
        nlp.update(make_docs(nlp.vocab, 2))
    fixed = make_nlp(model=MODEL | {"nO": 5})
    with pytest.raises(ValueError, match=r"made for 5 tags .* 2 labels need 9.*Set nO = null"):
        fixed.initialize(lambda: make_examples(fixed.vocab))
