"""`bilstm_ner` as a component: its factory, its predictions and its k best analyses."""

import numpy
import pytest
import spacy
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Model, fix_random_seed
from toy_corpus import make_examples
from toy_ner import KEY, MODEL, TEXTS, get_ents, get_gold, make_long_examples, make_nlp
from toy_pipelines import BILSTM, LISTENER, get_distance, get_weights, make_tok2vec, overfit, update

from spacy_bilstm.pipeline.tagging import is_linear


def test_the_factory_says_what_it_assigns_and_how_it_is_scored() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("bilstm_ner")
    meta = nlp.get_pipe_meta("bilstm_ner")
    assert meta.assigns == ["doc.ents", "token.ent_iob", "token.ent_type"]
    assert meta.default_score_weights == {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
    config = nlp.get_pipe_config("bilstm_ner")
    assert config["model"]["@architectures"] == "spacy-bilstm.CRFTagger.v1"
    assert "spacy-bilstm.RecurrentEncoder.v1" in str(config["model"]["tok2vec"])
    assert config["scorer"] == {"@scorers": "spacy-bilstm.ner_scorer.v1"}
    assert config["confidences"] is None


def test_the_default_model_overfits_few_sentences() -> None:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("bilstm_ner")
    overfit(nlp, epochs=5, learn_rate=0.002)
    assert nlp.evaluate(make_examples(nlp.vocab))["ents_f"] > 0.98


def test_entities_are_annotated_in_the_order_of_docs(nlp: Language) -> None:
    """All other tokens are "O"."""
    docs = list(nlp.pipe(TEXTS, batch_size=3))
    assert [doc.text for doc in docs] == TEXTS
    assert [get_ents(doc) for doc in docs] == [get_gold(doc) for doc in docs]
    assert all(token.ent_iob in (2, 3) for doc in docs for token in doc)
    assert all(doc.has_annotation("ENT_IOB") for doc in docs if len(doc))


def test_the_scores_are_those_of_spacy(nlp: Language) -> None:
    scores = nlp.evaluate(make_examples(nlp.vocab))
    assert scores["ents_f"] == scores["ents_p"] == scores["ents_r"] == 1
    assert set(scores["ents_per_type"]) == {"GPE", "PERSON"}
    assert scores["ents_ece"] is None


def test_entities_of_one_to_four_tokens_are_learned() -> None:
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
def test_a_listening_component_learns_and_predicts_the_same_after_replace_listeners(replace: bool) -> None:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
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


def test_the_component_learns_on_a_frozen_tok2vec_that_annotates() -> None:
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("bilstm_tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe("bilstm_ner", config={"model": MODEL | {"tok2vec": LISTENER}})
    optimizer = nlp.initialize(lambda: make_examples(nlp.vocab))
    optimizer.learn_rate = 0.02
    before = get_weights(nlp.get_pipe("bilstm_tok2vec").model)
    update(nlp, optimizer, 20, exclude=["bilstm_tok2vec"], annotates=["bilstm_tok2vec"])
    assert get_distance(before, get_weights(nlp.get_pipe("bilstm_tok2vec").model)) == 0
    assert nlp.evaluate(make_examples(nlp.vocab))["ents_f"] > 0.6  # Its random vectors tell so much.


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


def test_empty_docs_are_annotated_and_learned_from(nlp: Language) -> None:
    """A batch of only empty docs is ignored in training."""
    empty = Example(nlp.make_doc(""), nlp.make_doc(""))
    assert nlp.update([empty, empty]) == {"bilstm_ner": 0.0}
    assert nlp.update([empty, *make_examples(nlp.vocab, 2), empty])["bilstm_ner"] > 0
    assert get_ents(nlp("")) == []
    assert [get_ents(doc) for doc in nlp.pipe(["", ""])] == [[], []]
    ner = nlp.get_pipe("bilstm_ner")
    assert ner.k_best([nlp.make_doc("")], 3) == [[(1.0, [])]]
    assert ner.k_best([], 3) == []
    assert list(ner.pipe([])) == []


def test_analyses_have_the_preset_entities(nlp: Language) -> None:
    """This includes entities with foreign labels. Docs do not change."""
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


# Docs of another vocab


@pytest.fixture
def renamed(nlp: Language) -> Language:
    """The pipeline with a label that no other vocab has; spaCy's have PERSON."""
    ner = nlp.get_pipe("bilstm_ner")
    ner.cfg["labels"] = ["HERO" if label == "PERSON" else label for label in ner.labels]
    return nlp


def test_an_entity_whose_label_the_vocab_of_its_doc_lacks_is_an_error(renamed: Language) -> None:
    """As in spaCy's `ner`, which raises E084."""
    docs = [spacy.blank("xx").make_doc("b a b"), spacy.blank("en").make_doc("Anna")]
    with pytest.raises(ValueError, match=r"the label 'HERO' in the doc 'Anna'.*another pipeline.*E084"):
        list(renamed.get_pipe("bilstm_ner").pipe(docs, batch_size=2))
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs)


def test_a_doc_of_another_vocab_that_has_the_labels_is_annotated(renamed: Language) -> None:
    other = spacy.blank("xx")
    other.vocab.strings.add("HERO")
    doc = renamed.get_pipe("bilstm_ner")(other.make_doc("Anna"))
    assert [ent.label_ for ent in doc.ents] == ["HERO"]


@pytest.mark.parametrize("architecture", ["spacy.Tagger.v2", "spacy.TransitionBasedParser.v2"])
def test_a_model_without_a_crf_is_an_error_that_names_the_one_to_use(architecture: str) -> None:
    model = {"@architectures": architecture, "tok2vec": make_tok2vec(BILSTM)}
    if "Parser" in architecture:
        model |= {"state_type": "ner", "extra_state_tokens": False, "hidden_width": 8, "maxout_pieces": 2}
        model["use_upper"] = False
    with pytest.raises(ValueError, match=r"model of 'bilstm_ner' has no CRF. Use spacy-bilstm.CRFTagger.v1"):
        spacy.blank("xx").add_pipe("bilstm_ner", config={"model": model})
