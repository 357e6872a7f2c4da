"""Components that listen to a shared tok2vec: prediction without it, and rehearsal."""

import warnings

import pytest
import spacy
from spacy.language import Language
from thinc.api import fix_random_seed
from toy_corpus import make_examples
from toy_pipelines import BILSTM, LISTENER, get_distance, get_weights, make_tok2vec, update

MODELS = {
    "bilstm_tagger": "spacy.Tagger.v2",
    "bilstm_morphologizer": "spacy.Tagger.v2",
    "bilstm_ner": "spacy-bilstm.CRFTagger.v1",
    "bilstm_textcat": "spacy-bilstm.TextCat.v1",
}


@pytest.fixture(params=MODELS)
def nlp(request: pytest.FixtureRequest) -> Language:
    """Return a pipeline of a tok2vec and a component that listens to it."""
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": make_tok2vec(BILSTM)})
    nlp.add_pipe(request.param, config={"model": {"@architectures": MODELS[request.param], "tok2vec": LISTENER}})
    nlp.initialize(lambda: make_examples(nlp.vocab))
    return nlp


def test_prediction_without_the_shared_tok2vec_warns_once(nlp: Language) -> None:
    with nlp.select_pipes(disable="tok2vec"):
        with pytest.warns(UserWarning, match=f"predictions of '{nlp.pipe_names[-1]}' are.*replace_listeners"):
            nlp("Anna to Rome")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            list(nlp.pipe(["Anna to Rome", "Rome"]))


def test_prediction_with_a_tok2vec_does_not_warn(nlp: Language) -> None:
    """It is shared, or the component's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(nlp.pipe(["Anna to Rome", "", "\n"]))
        nlp.replace_listeners("tok2vec", nlp.pipe_names[-1], ["model.tok2vec"])
        with nlp.select_pipes(disable="tok2vec"):
            list(nlp.pipe(["Anna to Rome", "", "\n"]))


def test_rehearsal_with_a_tok2vec_that_is_trained_is_an_error_that_says_how(nlp: Language) -> None:
    """spaCy's own is E953, "Mismatched IDs received by the Tok2Vec listener"."""
    optimizer = nlp.resume_training()
    nlp.rehearse(make_examples(nlp.vocab, 4), sgd=optimizer, exclude=[nlp.pipe_names[-1]])
    update(nlp, optimizer)
    with pytest.raises(ValueError, match=f"Can't rehearse '{nlp.pipe_names[-1]}'.*replace_listeners"):
        nlp.rehearse(make_examples(nlp.vocab, 3), sgd=optimizer)


def test_rehearsal_on_docs_without_vectors_is_an_error_that_says_how(nlp: Language) -> None:
    optimizer = nlp.resume_training()
    with pytest.raises(ValueError, match="replace_listeners"):
        nlp.rehearse(make_examples(nlp.vocab, 4), sgd=optimizer)


def test_rehearsal_works_after_replace_listeners(nlp: Language) -> None:
    name = nlp.pipe_names[-1]
    nlp.replace_listeners("tok2vec", name, ["model.tok2vec"])
    optimizer = nlp.resume_training()
    update(nlp, optimizer)
    before = get_weights(nlp.get_pipe(name).model)
    nlp.rehearse(make_examples(nlp.vocab, 4), sgd=optimizer)
    assert get_distance(before, get_weights(nlp.get_pipe(name).model), torch_only=True) > 0


def test_rehearsal_works_on_docs_with_the_vectors_of_a_frozen_tok2vec(nlp: Language) -> None:
    name = nlp.pipe_names[-1]
    optimizer = nlp.resume_training()
    examples = make_examples(nlp.vocab, 4)
    for example in examples:
        nlp.get_pipe("tok2vec")(example.predicted)
    nlp.update(examples, sgd=optimizer, exclude=["tok2vec"])
    before = get_weights(nlp.get_pipe("tok2vec").model)
    assert nlp.rehearse(examples, sgd=optimizer)[name] > 0
    assert get_distance(before, get_weights(nlp.get_pipe("tok2vec").model)) == 0
